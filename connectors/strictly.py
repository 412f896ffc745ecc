"""Odd values read without guessing: booleans that an upstream writes as text, a list that is one text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from broker.connector import Json

_TEXTS: Mapping[Json, bool] = {"true": True, "false": False}


def boolean(value: Json) -> bool | None:
    """JSON true and false, and these two words; None for all else, which nobody may take for true."""
    if isinstance(value, bool):
        return value
    return _TEXTS.get(value) if isinstance(value, str) else None


def booleans(said: Mapping[str, Json], names: Iterable[str]) -> Mapping[str, Json]:
    """The document with these claims as booleans; one that cannot be read as such is false."""
    return {**said, **{name: boolean(said[name]) is True for name in names if name in said}}


def word(value: Json) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


def words(value: Json) -> tuple[str, ...]:
    """A list of texts; some send a single ``amr`` as a bare one."""
    listed = [value] if isinstance(value, str) else value
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
