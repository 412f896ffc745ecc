"""The settings of a connector as options of a command: each key by its name, with its own words for help.

Owns how a text that was typed becomes the value that stands in YAML.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from broker.cli.operator import OperatorError
from broker.connector import ConnectorSettings, Secret

_REFERENCE = re.compile(r"file:.+|\$\{[A-Za-z_][A-Za-z0-9_]*\}", re.DOTALL)
_TAKEN = frozenset({"config", "json", "id", "name", "no_probe", "parser"})
"""Options of the command itself."""
_CREDENTIALS = frozenset({"client_id", "client_secret"})


@dataclass(frozen=True, slots=True)
class Option:
    """One key of the settings."""

    key: str
    words: str
    required: bool
    kinds: frozenset[str]
    """The JSON types that it may be."""
    holds_secret: bool
    holds_file: bool

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.key.replace('_', '-')}"

    @property
    def is_credential(self) -> bool:
        """Whether it is who we are at the upstream."""
        return self.key in _CREDENTIALS or (self.required and self.holds_secret)

    def add_to(self, group: Any) -> None:
        """Offer it."""
        words = self.words.replace("%", "%%")
        if self.kinds == {"boolean"}:
            group.add_argument(self.flag, help=words, default=None, action=argparse.BooleanOptionalAction)
        elif "array" in self.kinds:
            group.add_argument(self.flag, help=words, nargs="+", metavar="VALUE", action="extend")
        else:
            group.add_argument(self.flag, help=words, metavar="VALUE")

    def is_given(self, options: argparse.Namespace) -> bool:
        """Whether it was typed."""
        return getattr(options, self.key) is not None

    def value(self, options: argparse.Namespace) -> Any:
        """What was typed, as YAML has it."""
        typed = getattr(options, self.key)
        if isinstance(typed, list):
            return [self._one(text) for text in typed]
        return typed if isinstance(typed, bool) else self._one(typed)

    def _one(self, text: str) -> Any:
        if self.holds_secret and _REFERENCE.fullmatch(text) is None:
            raise OperatorError(f"{self.flag}: a secret is no argument; give file:PATH, or '${{NAME}}'")
        if text.startswith("file:"):
            return f"file:{_absolute(text.removeprefix('file:'))}"
        if self.holds_file:
            return _absolute(text)
        if self.kinds & {"string", "array"} or "$" in text:
            return text
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise OperatorError(f"{self.flag}: this is no YAML") from error


def options_of(settings: type[ConnectorSettings]) -> Sequence[Option]:
    """Every key of these settings."""
    schema = settings.model_json_schema()
    return [
        Option(
            key=key,
            words=" ".join((field.description or "").split()),
            required=field.is_required(),
            kinds=frozenset(_kinds(schema["properties"][key], schema)),
            holds_secret=Secret in set(_parts(field.annotation)),
            holds_file=Path in set(_parts(field.annotation)),
        )
        for key, field in settings.model_fields.items()
        if key not in _TAKEN
    ]


def _kinds(said: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """The JSON types that a part of a schema lets by, but for null."""
    if "$ref" in said:
        yield from _kinds(schema["$defs"][said["$ref"].rpartition("/")[2]], schema)
    for part in (*said.get("anyOf", ()), *said.get("oneOf", ())):
        yield from _kinds(part, schema)
    for value in (*said.get("enum", ()), *([said["const"]] if "const" in said else ())):
        yield "string" if isinstance(value, str) else "number"
    kind = said.get("type")
    yield from [kind] if isinstance(kind, str) and kind != "null" else []


def _parts(annotation: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _absolute(path: str) -> str:
    """Typed here, and read elsewhere."""
    return path if "$" in path else str(Path(path).resolve())
