"""The language of a claims map as JSON Schema (2020-12), for editors and for the reference of the docs.

Owns nothing of the language itself: words, casts and limits come from where they are obeyed. What a schema
cannot say (whether a path or a pattern is good) is said by ``compile_map``.
"""

from __future__ import annotations

from typing import Any

from broker.mapping.compiler import MAX_CLAIMS, MAX_PATHS, MAX_PREFIX, NAME, PROTOCOL_CLAIMS, WORDS
from broker.mapping.examples import DOCUMENTS, FACTS, MAX_EXAMPLES
from broker.mapping.paths import MAX_LENGTH
from broker.mapping.patterns import MAX_PATTERN
from broker.mapping.scanner import MAX_LENGTH as MAX_EXPRESSION
from broker.mapping.values import CASTS

_PATH = {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH}

_SHAPES: dict[str, dict[str, Any]] = {
    "from": {"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1, "maxItems": MAX_PATHS}]},
    "expression": {"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION},
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
        "oneOf": [{"required": [word]} for word in ("from", "expression", "value")],
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


def map_file_schema() -> dict[str, Any]:
    """A map as a file has it: its claims, and the examples that are its tests."""
    document = {"type": "object", "additionalProperties": True}
    example = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "What it shows, in a few words."},
            **{name: {**document, "description": f"What the upstream says as {name}."} for name in DOCUMENTS},
            **{
                name: {
                    "type": "object",
                    "properties": {fact: {} for fact in facts},
                    "additionalProperties": False,
                }
                for name, facts in FACTS.items()
            },
            "expect": {**document, "description": "All claims that must come of it."},
            "refused": {"type": "string", "description": "The required claim that is missing: no login."},
        },
        "required": ["name"],
        "oneOf": [{"required": ["expect"]}, {"required": ["refused"]}],
        "additionalProperties": False,
    }
    examples = {
        "type": "array",
        "items": example,
        "maxItems": MAX_EXAMPLES,
        "description": "Run at every start; a map of which one fails is refused.",
    }
    return {
        "type": "object",
        "properties": {"claims": map_schema(), "examples": examples},
        "required": ["claims"],
        "additionalProperties": False,
    }
