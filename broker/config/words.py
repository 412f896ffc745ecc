"""The kinds of values that several keys share: durations, addresses, paths, scopes, URIs.

Owns how each is written and refused. A validator here raises ValueError with a plain sentence that does
not repeat the value; where it stands is added by `broker.config.reading`.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from broker.connector import Secret
from broker.connector.settings import seconds

_PAUSE_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^(0|[1-9][0-9]*)[smhd]$", "examples": ["10s"]})

WORKSPACE = "[a-z0-9][a-z0-9-]{0,39}"
"""The name of a workspace: it stands in a URL, in the names of cookies and of keys of the store."""

DurationOrNone = Annotated[int, BeforeValidator(seconds), _PAUSE_SCHEMA]
"""A `Duration`, where ``0s`` is an answer."""


def _switch(value: Any) -> bool:
    # A variable's value is text, so these two words are understood as such; `yes`, `on` and 1 are not.
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise ValueError("expected true or false")


Switch = Annotated[bool, BeforeValidator(_switch)]


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path) or str(path) == ".":
        raise ValueError("expected the path of a file")
    return Path((info.context or {}).get("directory", "")) / path


LocalPath = Annotated[
    Path, AfterValidator(_beside_the_file), WithJsonSchema({"type": "string", "minLength": 1})
]
"""A path, relative to the file that names it."""


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal().encode()) < 32:  # noqa: PLR2004  (256 bits, as long as the hash it keys)
        raise ValueError("too short: at least 32 random characters are needed")
    return secret


StrongSecret = Annotated[Secret, AfterValidator(_long_enough)]
"""A key of ours: random, at least 32 characters."""


def _network(value: Any) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError as error:
        hint = "; the bits after the prefix must be zero" if "host bits" in str(error) else ""
        raise ValueError(f"expected a network such as 10.0.0.0/8 or fd00::/8{hint}") from None
    if network.prefixlen == 0:
        raise ValueError("is everybody; name the networks that are meant")
    return network


Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", "fd00::/8"]}),
]


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise ValueError("expected words with a space between them")  # noqa: TRY004  (pydantic wants it)
    return tuple(dict.fromkeys(value.split()))


SpaceSeparated = Annotated[tuple[str, ...], BeforeValidator(_words), WithJsonSchema({"type": "string"})]
"""A list that the standards write as one string (RFC 6749 §3.3)."""


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected one line of text")
    return text


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=200)]
"""Words that a person reads."""


def one_or_more(value: Any) -> Any:
    """A single value where a list may stand."""
    return value if isinstance(value, (list, tuple)) else [value]


class Written(BaseModel):
    """A part of the YAML: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
