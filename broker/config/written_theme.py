"""What an operator writes about how the pages look, and in which languages they say their words.

Owns `ThemeEntry`, of the issuer and of a client app, and `SaidInWords`: a line that may be given in
several languages. The docstrings are the reference's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints, WithJsonSchema
from pydantic.functional_validators import PlainValidator

from broker.config.words import Line, LocalPath, Written
from broker.protocol.languages import LANGUAGES, SOURCE

_LONGEST: Final = 200
_ROUNDEST: Final = 32
_COLOR: Final = re.compile("#[0-9A-Fa-f]{6}")
_PLAIN: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")


def default_of(said: Mapping[str, str]) -> str:
    """What is said to who reads none of the languages: English, or else what was written first."""
    return said[SOURCE] if SOURCE in said else next(iter(said.values()))


def _line(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected one line of text, or one for each language")  # noqa: TRY004  (pydantic)
    if not value.strip() or not value.isprintable():
        raise ValueError("expected one line of text")
    if len(value) > _LONGEST:
        raise ValueError(f"too long: at most {_LONGEST} characters")
    return value


def _words(value: Any) -> str:
    if not isinstance(value, dict):
        return _line(value)
    if not value:
        raise ValueError("expected one line of text for each language")
    for tag in value:
        if tag not in LANGUAGES:
            raise ValueError(f"{tag!a} is no language of the pages; they speak {', '.join(LANGUAGES)}")
    return default_of({tag: _line(text) for tag, text in value.items()})


_LINE: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
SaidInWords = Annotated[
    str,
    PlainValidator(_words),
    WithJsonSchema(
        {
            "anyOf": [
                _LINE,
                {
                    "type": "object",
                    "properties": dict.fromkeys(LANGUAGES, _LINE),
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]
"""One line, or one for each language: ``{ en: Staff, de: Belegschaft }``. As a value it is the default."""


def _web(value: str) -> str:
    try:
        parts = urlsplit(value if _PLAIN.fullmatch(value) else "")
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise ValueError("expected an https:// address")
    return value


Link = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_web)]


def _color(value: Any) -> str:
    # Nothing at all is what YAML makes of a # without quotes: the rest of that line is a comment.
    if not isinstance(value, str) or _COLOR.fullmatch(value) is None:
        raise ValueError('expected a colour in quotes, such as "#0b6e4f"')
    return value


def _pixels(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _ROUNDEST:
        raise ValueError(f"expected a number of pixels from 0 to {_ROUNDEST}")
    return value


Color = Annotated[
    str | None,
    PlainValidator(_color),
    WithJsonSchema({"type": "string", "pattern": "^#[0-9A-Fa-f]{6}$", "examples": ["#0b6e4f"]}),
]
Pixels = Annotated[
    int, PlainValidator(_pixels), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": _ROUNDEST})
]


class ThemeLinks(Written):
    """Where a person finds more. Each stands at the foot of every page."""

    help: Link | None = None
    """Who helps: an `https` address."""
    privacy: Link | None = None
    """What becomes of people's data."""
    terms: Link | None = None
    """The terms of use."""


class ThemeEntry(Written):
    """How the pages look. Whatever is left out of an app's theme is as in the broker's own."""

    name: Line | None = None
    """Whose pages these are, such as the organisation's name; it stands above each."""
    logo: LocalPath | None = None
    """Its picture, beside the name: an SVG or PNG file, at most 64 kB; the broker serves it."""
    accent: Color = None
    """The colour of buttons and links, as `"#0b6e4f"`, in quotes. It is made darker, or lighter on a dark
    screen, as far as it must be to be read."""
    radius: Pixels | None = None
    """How round corners are, in pixels: 0 to 32."""
    links: ThemeLinks = ThemeLinks()
    """Where a person finds more."""
