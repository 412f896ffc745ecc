"""From a node of the tree to a typed value, and from pydantic's complaints to lines an operator understands.

Owns the words of every mistake about a single key. Nothing outside this module sees a pydantic error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from broker.config.environment import SubstitutionError, read_secret
from broker.config.problems import Path, Report, did_you_mean
from broker.config.tree import Node

T = TypeVar("T")

_SAID: dict[str, str] = {
    "missing": "missing",
    "string_type": "expected text",
    "string_too_short": "must not be empty",
    "string_too_long": "too long: at most {max_length} characters",
    "string_pattern_mismatch": "is too short or too long, or has a character that cannot stand here",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "set_type": "expected a list",
    "frozen_set_type": "expected a list",
    "dict_type": "expected keys with values",
    "mapping_type": "expected keys with values",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
    "dataclass_type": "expected keys with values",
    "path_type": "expected the path of a file",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "less_than_equal": "too long: at most {le} seconds",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read(kind: type[T], node: Node, path: Path, report: Report) -> T | None:
    """The value at ``node`` as ``kind``; None when it is not one, which is then reported."""
    return read_keys(kind, node, path, node.plain(), report)


def read_keys(kind: type[T], node: Node, path: Path, data: Any, report: Report) -> T | None:
    """The same for some of a node's keys: ``data`` holds those, ``node`` tells where they stand."""
    wanted: Any = kind
    try:
        value: T = _validated(wanted, node, path, data, report)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        # Of a Secret it is also said that it is none yet; the other reason is the one that helps.
        for detail in sorted(details, key=lambda one: one["type"] == "is_instance_of"):
            _explain(detail, kind, node, path, report)
        return None
    return value


def read_value(kind: Any, node: Node) -> Any:
    """The value at ``node`` as ``kind``, reporting nothing.

    Raises:
        ValidationError: it is not one.
    """
    return _validated(kind, node, (), node.plain(), Report())


def _validated(kind: Any, node: Node, path: Path, data: Any, report: Report) -> Any:
    context = {"directory": node.source.directory, "secret": _Opener(node, path, report)}
    return _adapter(kind).validate_python(data, context=context)


class _Opener:
    """Reads what a secret's ``file:PATH`` names; ``Secret`` asks for it while it is validated."""

    def __init__(self, node: Node, path: Path, report: Report) -> None:
        self._node, self._path, self._report = node, path, report

    def __call__(self, text: str) -> str:
        if not text.startswith("file:"):
            return text
        path = self._node.source.directory / text.removeprefix("file:")
        try:
            return read_secret(path, self._note)
        except SubstitutionError as error:
            raise ValueError(f"{error} ({path})") from error

    def _note(self, message: str) -> None:
        self._report.note(self._node.key_place, self._path, message)


def locate(node: Node, steps: Iterable[Any]) -> tuple[Node, Path, bool]:
    """The deepest node that ``steps`` lead to, the steps that were taken, and whether all were.

    Steps that are not in the tree, such as pydantic's names for the branches of a union, are passed over.
    """
    taken: list[str | int] = []
    whole = True
    for step in steps:
        part = (
            int(step) if isinstance(node.value, list) and isinstance(step, str) and step.isdecimal() else step
        )
        below = node.child(part)
        whole = below is not None
        if below is not None:
            node = below
            taken.append(part)
    return node, tuple(taken), whole


def _explain(detail: ErrorDetails, kind: Any, node: Node, path: Path, report: Report) -> None:
    where, taken, _ = locate(node, detail["loc"])
    here = (*path, *taken)
    if detail["type"] == "too_short" and _written(where) >= detail["ctx"]["min_length"]:
        return  # there are enough; one of them is wrong, and that is said by itself
    if detail["type"] == "value_error" and (own := _about_a_key(detail, kind, taken)) is not None:
        key, message = own
        below = where.child(key)
        report.add(below.place if below is not None else where.key_place, (*here, key), message)
    elif detail["type"] == "missing":
        report.add(where.key_place, (*here, str(detail["loc"][-1])), "missing")
    elif detail["type"] == "extra_forbidden":
        report.add(where.key_place, here, unknown_key(str(detail["loc"][-1]), known_keys(kind, taken[:-1])))
    else:
        whole_entry = isinstance(where.value, dict)
        quotes = detail["type"] == "string_type" and isinstance(where.value, int)
        message = _url_for_a_name(detail, where) or _sentence(detail) + (
            "; put it in quotes" if quotes else ""
        )
        report.add(where.key_place if whole_entry else where.place, here, message)


def _url_for_a_name(detail: ErrorDetails, where: Node) -> str | None:
    """What is said of an address in the place of a host's name, which would fit if it were that alone."""
    if detail["type"] != "string_pattern_mismatch" or not isinstance(where.value, str):
        return None
    scheme, _, rest = where.value.partition("://")
    name = rest.removesuffix("/")
    if scheme not in {"https", "http"} or re.search(detail["ctx"]["pattern"], name) is None:
        return None
    return f"must be the name alone, without {scheme}://{' and a slash' if name != rest else ''}"


def _written(node: Node) -> int:
    """How many entries a list has in the file; a value that may stand for a list is one."""
    return len(node.value) if isinstance(node.value, list) else 1


def _about_a_key(detail: ErrorDetails, kind: Any, taken: Path) -> tuple[str, str] | None:
    """The key that a whole model's complaint begins with, as in ``client_secret: missing``, and the rest."""
    key, colon, message = _sentence(detail).partition(": ")
    return (key, message) if colon and key in known_keys(kind, taken) else None


def unknown_key(key: str, known: frozenset[str]) -> str:
    """What is said of a key that nobody knows."""
    return f"unknown key{did_you_mean(key, sorted(known))}"


def _sentence(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        return f"expected {context['expected'].replace(chr(39), '')}"
    if kind in _SAID:
        return _SAID[kind].format_map(context)
    return detail["msg"][:1].lower() + detail["msg"][1:]


def known_keys(kind: Any, steps: Path) -> frozenset[str]:
    """The keys that may stand where ``steps`` lead to from a value of ``kind``."""
    models = _models(kind)
    for step in steps:
        below: list[type[BaseModel]] = []
        for model in models:
            field = model.model_fields.get(step) if isinstance(step, str) else None
            below += _models(field.annotation) if field is not None else []
        models = below or models
    return frozenset(name for model in models for name in keys_of(model))


def keys_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """A model's fields by the names that an operator writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    if get_origin(kind) in {Union, UnionType, dict, tuple, list, Mapping} or get_args(kind):
        return [model for part in get_args(kind) for model in _models(part)]
    return []
