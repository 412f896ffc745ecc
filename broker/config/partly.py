"""What can still be read of an entry of which something is wrong.

Owns that one mistake hides no other: the rules between keys are then held against the keys that could be
read. Nothing that is made here is ever used to serve; its mistakes have been reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from broker.config.problems import Path, Report
from broker.config.reading import keys_of, read_keys, read_value
from broker.config.tree import Node

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Partly(Generic[M]):
    """An entry, and which of its keys could not be read."""

    entry: M
    """Where a key could not be read, its default stands; without a default, None does."""
    unread: frozenset[Path] = frozenset()

    def knows(self, *keys: str | Path) -> bool:
        """Whether these keys are what the operator wrote, or the defaults of what was left out."""
        paths = [(key,) if isinstance(key, str) else key for key in keys]
        return not any(path[: len(wrong)] == wrong for path in paths for wrong in self.unread)


def read_partly(
    kind: type[M], node: Node, path: Path, report: Report, data: Mapping[str, Any] | None = None
) -> Partly[M] | None:
    """What can be read at ``node`` as ``kind``, everything else reported; None when it has no keys at all.

    ``data`` holds those of the node's keys that are this model's affair, when that is not all of them.
    """
    whole = read_keys(kind, node, path, node.plain() if data is None else data, report)
    if whole is not None:
        return Partly(whole)
    return _key_by_key(kind, node) if isinstance(node.value, dict) else None


def _key_by_key(kind: type[M], node: Node) -> Partly[M]:
    """Each key by itself, without a word: what is wrong has been said."""
    values: dict[str, Any] = {}
    unread: set[Path] = set()
    for key, field in keys_of(kind).items():
        below = node.child(key)
        values[key] = None if field.is_required() else field.get_default(call_default_factory=True)
        try:
            if below is not None:
                values[key], deeper = _one(field, below)
                unread |= {(key, *steps) for steps in deeper}
            elif field.is_required():
                unread.add((key,))
        except ValidationError:
            unread.add((key,))
    return Partly(kind.model_construct(**values), frozenset(unread))


def _one(field: FieldInfo, node: Node) -> tuple[Any, set[Path]]:
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(node.value, dict):
        part = _key_by_key(kind, node)
        return part.entry, set(part.unread)
    return read_value(_whole_type(field), node), set()


def _whole_type(field: FieldInfo) -> Any:
    """The type with all that is said beside it; pydantic keeps the two apart."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
