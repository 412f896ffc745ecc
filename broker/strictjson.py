"""JSON read strictly: UTF-8, no repeated keys, no NaN, bounded size and depth.

Owns the one parser for JSON that somebody else wrote (RFC 8259 §4; RFC 8725 §2.4 on duplicates).
"""

from __future__ import annotations

import json
from typing import Any

MAX_BYTES = 1 << 20
MAX_DEPTH = 64


class StrictJSONError(ValueError):
    """The bytes are not JSON that we accept."""


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJSONError("a key is repeated")
    return found


def _no_constant(name: str) -> Any:
    raise StrictJSONError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise StrictJSONError("a number is out of range")
    return number


_decoder = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant, parse_float=_finite)


def _too_deep(text: str) -> bool:
    """Whether brackets nest deeper than we read; those inside strings count too, which is safe."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest > MAX_DEPTH


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value that ``data`` holds.

    Raises:
        StrictJSONError: too large, too deep, not UTF-8, not JSON, or a key repeats.
    """
    if len(data) > max_bytes:
        raise StrictJSONError(f"longer than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
        if _too_deep(text):
            raise StrictJSONError(f"nested deeper than {MAX_DEPTH}")
        value = _decoder.decode(text)
        if "\\u" in text:  # half of a surrogate pair is no character: it could never be written again
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise StrictJSONError(str(error) if isinstance(error, StrictJSONError) else "not JSON") from None
    return value


def parse_object(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object that ``data`` holds.

    Raises:
        StrictJSONError: as ``parse``, or it is not an object.
    """
    value = parse(data, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise StrictJSONError("not a JSON object")
    return value
