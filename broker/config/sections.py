"""The top keys of the configuration, each read by itself so that one mistake does not hide another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel

from broker.config.partly import Partly, read_partly
from broker.config.pieces import SHARED
from broker.config.problems import Path, Place, Report
from broker.config.reading import keys_of, read, unknown_key
from broker.config.tree import Node
from broker.config.written import BrokerFile

M = TypeVar("M", bound=BaseModel)


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(BrokerFile, include_extras=True)


class Sections:
    """The merged tree, by top key."""

    def __init__(self, tree: Node, report: Report) -> None:
        self._tree, self._report = tree, report
        known = frozenset(keys_of(BrokerFile))
        for key, node in tree.items():
            if key not in known:
                report.add(node.key_place, (key,), unknown_key(key, known))
        for key in SHARED:
            section = self.shared(key)
            if section is not None and not isinstance(section.value, dict):
                report.add(section.place, (key,), "expected keys with values")

    def get(self, key: str) -> Any:
        """The value of a top key, or its default; None when wrong or missing, which is then reported."""
        node = self.shared(key)
        field = BrokerFile.model_fields[key]
        if node is None and field.is_required():
            self._report.add((self._tree.child(key) or self._tree).key_place, (key,), "missing")
        if node is None:
            return None if field.is_required() else field.get_default(call_default_factory=True)
        return read(_kinds()[key], node, (key,), self._report)

    def part(self, key: str, kind: type[M]) -> Partly[M] | None:
        """What could be read of a top key with keys of its own, or its default; None when that is nothing."""
        node = self.shared(key)
        if node is not None:
            return read_partly(kind, node, (key,), self._report)
        default: M | None = BrokerFile.model_fields[key].get_default(call_default_factory=True)
        return Partly(default) if default is not None else None

    def shared(self, key: str) -> Node | None:
        """The node of a top key; None when it is not there or left empty."""
        node = self._tree.child(key)
        return None if node is None or node.value is None else node

    def entries(self, key: str) -> Iterator[tuple[str, Node]]:
        """The entries of one of the shared sections."""
        section = self.shared(key)
        yield from section.items() if section is not None else ()

    def names(self, key: str) -> frozenset[str]:
        """The names of the entries of one of the shared sections."""
        return frozenset(name for name, _ in self.entries(key))

    def wrong(self, path: Path, message: str) -> None:
        """A mistake about a key below the top, at the nearest place that exists."""
        self._report.add(self._nearest(path), path, message)

    def noted(self, path: Path, message: str) -> None:
        """Something worth knowing about a key below the top."""
        self._report.note(self._nearest(path), path, message)

    def _nearest(self, path: Path) -> Place:
        node, whole = self._tree, True
        for step in path:
            below = node.child(step)
            whole = below is not None
            node = below or node
        return node.place if whole else node.key_place

    def directory_of(self, key: str) -> FilePath:
        """Where the file is that says ``key``."""
        return (self._tree.child(key) or self._tree).source.directory
