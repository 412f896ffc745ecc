"""The language of a claims map as JSON Schema (2020-12), for editors and for the reference of the docs.

Owns nothing of the language itself: words, casts and limits come from where they are obeyed. What a schema
cannot say (whether a path or a pattern is good) is said by ``compile_map``.
"""

from __future__ import annotations

from typing import Any

from broker.mapping.compiler import MAX_CLAIMS, MAX_PATHS, MAX_PREFIX, NAME, PROTOCOL_CLAIMS, WORDS
from broker.mapping.paths import MAX_LENGTH
from broker.mapping.patterns import MAX_PATTERN
from broker.mapping.values import CASTS

_PATH = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

_SHAPES: dict[str, dict[str, Any]] = {
    "from": {"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1, "maxItems": MAX_PATHS}]},
    "value": {"not": {"enum": [None, ""]}},
    "when": _PATH,
    "cast": {"enum": list(CASTS)},
    "keep": {"type": "string", "minLength": 1, "maxLength": MAX_PATTERN, "format": "regex"},
    "rename": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "string", "minLength": 1},
    },
    "prefix": {"type": "string", "maxLength": MAX_PREFIX},
    "default": {"not": {"enum": [None, ""]}},
    "required": {"type": "boolean", "default": False},
}


def map_schema() -> dict[str, Any]:
    """What stands under ``claims``: each claim and its rule."""
    rule = {
        "type": "object",
        "properties": {word: {"description": WORDS[word], **shape} for word, shape in _SHAPES.items()},
        "oneOf": [{"required": ["from"]}, {"required": ["value"]}],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "description": "Our claims, and where each comes from.",
        "propertyNames": {"pattern": f"^{NAME.pattern}$", "not": {"enum": sorted(PROTOCOL_CLAIMS)}},
        "minProperties": 1,
        "maxProperties": MAX_CLAIMS,
        "additionalProperties": rule,
    }
