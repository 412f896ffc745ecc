"""What a value must look like before it is ours: casts, and limits that hold for every claim.

Owns the table of casts, the shapes of the standard claims (OpenID Connect Core §5.1) and the limits. A value
that does not fit is left out and the reason told; nothing here changes a value silently, evaluates one, or
fails in any other way than ``Unfit``.

Limits: 8 KB and eight levels per claim, 1 000 entries per list, integers that every JSON reader can hold
(RFC 8259 §6), no control characters, no characters that turn the direction of text, no lone surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

MAX_BYTES = 8192
MAX_DEPTH = 8
MAX_ITEMS = 1000
MAX_SEEN = 10 * MAX_ITEMS
"""What a list of lists may hold before repeats are taken out."""
MAX_INTEGER = 2**53 - 1

Fit = Callable[[Any], Any]
"""Gives the value as it is passed on, or raises Unfit."""

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNFIT_IN_ADDRESS = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]{1,16}")
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,16})?")
_LAST_SECOND = 253_402_300_799  # of the year 9999


class Unfit(ValueError):
    """This value is not passed on; the message says why and never holds the value."""


class Absent(Unfit):
    """There is nothing of which a value could be made."""


# ── Limits ────────────────────────────────────────────────────────────────────────────────────


def fit_any(value: Any) -> Any:
    """Any JSON within the limits."""
    _weigh(value, MAX_DEPTH, _UNFIT)
    return value


def fit_text(value: Any) -> str:
    """A text within the limits."""
    if not isinstance(value, str):
        raise Unfit("not a text")
    if not (value.isprintable() and len(value) < MAX_BYTES // 4):  # the fast way for nearly every claim
        _weigh(value, 0, _UNFIT)
    return value


def fit_flag(value: Any) -> bool:
    """JSON true or false. The text "false" is false; nothing else is anything, and nothing else is true."""
    if value is True or value is False:
        return bool(value)
    if value == "false" and isinstance(value, str):
        return False
    raise Unfit("neither true nor false")


def fit_link(value: Any) -> str:
    """An http or https URL: it ends in an href or an img of somebody's page."""
    text = fit_text(value)
    if not text.lower().startswith(("https://", "http://")):
        raise Unfit("not an http or https URL")
    return text


def fit_number(value: Any) -> int | float:
    """A number that is not a boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("not a number")
    _weigh(value, 0, _UNFIT)
    return value


def fit_address(value: Any) -> Any:
    """An address (Core §5.1.1): an object of texts, which may have lines."""
    if not isinstance(value, Mapping) or not all(isinstance(line, str) for line in value.values()):
        raise Unfit("not an object of texts")
    _weigh(value, 1, _UNFIT_IN_ADDRESS)
    return value


def fit_list(value: Any) -> list[str]:
    """A list of texts within the limits."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise Unfit("not a list of texts")
    _weigh(value, 1, _UNFIT)
    return value


def _weigh(value: Any, levels: int, unfit: re.Pattern[str]) -> int:
    """The bytes of a value, about as JSON writes it."""
    if isinstance(value, str):
        weight = _weigh_text(value, unfit)
    elif value is None or isinstance(value, bool):
        weight = 5
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise Unfit("a number is too large")
        weight = 8
    elif isinstance(value, float):
        if not isfinite(value):
            raise Unfit("not a number")
        weight = 16
    else:
        weight = _weigh_inside(value, levels, unfit)
    if weight > MAX_BYTES:
        raise Unfit(f"larger than {MAX_BYTES} bytes")
    return weight


def _weigh_text(text: str, unfit: re.Pattern[str]) -> int:
    if len(text) > MAX_BYTES:
        raise Unfit(f"larger than {MAX_BYTES} bytes")
    if not text.isprintable() and unfit.search(text):
        raise Unfit("a control character")
    return (len(text) if text.isascii() else len(text.encode())) + 2


def _weigh_inside(value: Any, levels: int, unfit: re.Pattern[str]) -> int:
    if not isinstance(value, list | Mapping):
        raise Unfit("not JSON")
    if levels == 0:
        raise Unfit("nested too deep")
    if len(value) > MAX_ITEMS:
        raise Unfit(f"more than {MAX_ITEMS} entries")
    total = 2
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise Unfit("not JSON")
            total += _weigh_text(key, unfit) + 1
        value = list(value.values())
    for entry in value:
        total += _weigh(entry, levels - 1, unfit) + 1
        if total > MAX_BYTES:
            raise Unfit(f"larger than {MAX_BYTES} bytes")
    return total


# ── Casts ─────────────────────────────────────────────────────────────────────────────────────


def to_text(value: Any) -> str:
    """A text; numbers and booleans as JSON writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(fit_number(value))
    return fit_text(value)


def to_integer(value: Any) -> int:
    """A whole number, or a text that is one."""
    if isinstance(value, str):
        value = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise Unfit("not a whole number")
    return value


def to_number(value: Any) -> int | float:
    """A number, or a text that is one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value)
    return fit_number(value)


def to_flag(value: Any) -> bool:
    """True and false, and the texts "true" and "false"; nothing else (1, "yes" and "True" are neither)."""
    return True if value == "true" and isinstance(value, str) else fit_flag(value)


def to_epoch(value: Any) -> int:
    """Seconds since the epoch, from those or from ISO 8601; a time without a zone is taken as UTC."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip().upper())
            value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise Unfit("not a time in ISO 8601") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise Unfit("not a time")
    return int(value)


def to_list(value: Any) -> list[str]:
    """A list of texts without repeats: from one text, from objects that have a ``name``, from lists in lists.

    A text is one entry whatever it holds: "a,b" is a group with a comma in its name. Entries that are
    nothing of the kind are left out.
    """
    found: dict[str, None] = {}
    _collect(value, found, levels=4)
    return list(found)


def _collect(value: Any, found: dict[str, None], *, levels: int, seen: int = 0) -> int:
    """Puts what is text into ``found``, and gives how much was looked at, which can be much more."""
    seen += 1
    if seen > MAX_SEEN:
        raise Unfit(f"more than {MAX_ITEMS} entries")
    if not isinstance(value, str) and isinstance(value, Mapping):  # nearly all are texts
        value = value.get("name")
    if isinstance(value, str):
        if value:
            found[value] = None
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER:
        found[str(value)] = None
    elif isinstance(value, list) and levels:
        if len(value) > MAX_ITEMS:
            raise Unfit(f"more than {MAX_ITEMS} entries")
        for entry in value:
            seen = _collect(entry, found, levels=levels - 1, seen=seen)
        if len(found) > MAX_ITEMS:
            raise Unfit(f"more than {MAX_ITEMS} entries")
    return seen


CASTS: Mapping[str, Fit] = {
    "string": to_text,
    "integer": to_integer,
    "number": to_number,
    "boolean": to_flag,
    "list": to_list,
    "epoch": to_epoch,
}

# ── The standard claims ───────────────────────────────────────────────────────────────────────

_TEXTS = (
    "name given_name family_name middle_name nickname preferred_username email "
    "gender birthdate zoneinfo locale phone_number"
)

# Core §5.1. A claim that is not here may be any JSON.
STANDARD: Mapping[str, Fit] = {
    **dict.fromkeys(_TEXTS.split(), fit_text),
    **dict.fromkeys(("profile", "picture", "website"), fit_link),
    **dict.fromkeys(("email_verified", "phone_number_verified"), fit_flag),
    "updated_at": fit_number,
    "address": fit_address,
}

# Which casts make sense for each of those shapes.
CASTS_FOR: Mapping[Fit, frozenset[str]] = {
    fit_text: frozenset({"string"}),
    fit_link: frozenset({"string"}),
    fit_flag: frozenset({"boolean"}),
    fit_number: frozenset({"integer", "number", "epoch"}),
    fit_address: frozenset(),
}
