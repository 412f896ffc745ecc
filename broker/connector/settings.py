"""What an operator writes: the base of every connector's ``Settings``, and some kinds of values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Secret:
    """A string that does not print itself; ``reveal()`` is the one way to its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one line that sends or compares it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.with_info_after_validator_function(cls._read, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def _read(cls, text: str, info: ValidationInfo) -> Secret:
        """Whoever reads the operator's file knows how to open ``file:PATH``."""
        opener = (info.context or {}).get("secret")
        return cls(opener(text) if opener is not None else text)


def _there(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path) or str(path) == ".":
        raise ValueError("expected the path of a file")
    found = Path((info.context or {}).get("directory", "")) / path
    if not found.is_file():
        raise ValueError(f"there is no file {found}")
    return found


def seconds(value: Any) -> int:
    """What a duration says, in seconds. Raises ValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as 30s, 5m, 12h or 14d")
    return int(match[1]) * _SECONDS[match[2]]


def _above_zero(count: int) -> int:
    if count == 0:
        raise ValueError("must be longer than nothing")
    return count


Duration = Annotated[
    int,
    BeforeValidator(seconds),
    AfterValidator(_above_zero),
    WithJsonSchema(
        {"type": "string", "pattern": "^[1-9][0-9]*[smhd]$", "examples": ["30s", "5m", "12h", "14d"]}
    ),
]
"""Seconds, written ``30s``, ``5m``, ``12h`` or ``14d``."""


LocalFile = Annotated[Path, AfterValidator(_there), WithJsonSchema({"type": "string", "minLength": 1})]
"""A file that is there, by a path relative to the operator's file."""


class ConnectorSettings(BaseModel):
    """What every connector's ``Settings`` inherits: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
