"""Claims maps: an entry's own, one in a file, or the one that its connector brings along.

Owns that each is read once, however many connectors use it, with its examples run and every mistake told
where it stands. A connector's own map is not the operator's: it leaves out what ``context`` does not declare.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from types import ModuleType
from typing import Any

from broker.config.environment import is_file
from broker.config.problems import Path, Report
from broker.config.reading import locate
from broker.config.tree import Node, Source, read_text, read_tree
from broker.mapping import ClaimsMap, MapErrors, Types, compile_map


class MapReader:
    """Reads what stands under ``claims`` of a connector."""

    def __init__(
        self,
        environ: Mapping[str, str],
        report: Report,
        *,
        types: Types | None = None,
        thorough: bool = False,
    ) -> None:
        """``types`` are the claims that were declared; ``thorough`` compiles every expression now."""
        self._environ, self._report = environ, report
        self._types, self._thorough = types, thorough
        self._files: dict[FilePath, ClaimsMap | None] = {}
        self._own: dict[ModuleType, ClaimsMap | None] = {}

    def read(self, node: Node, path: Path, module: ModuleType | None) -> ClaimsMap | None:
        """The map of the connector at ``node``; None where it cannot be used, which is then reported."""
        where = node.child("claims")
        if where is None or where.value is None:
            return self._default(node, path, module) if module is not None else None
        if isinstance(where.value, dict):
            return self._compile(where, (*path, "claims"), self._types)
        if not isinstance(where.value, str):
            return None  # the entry's own model has said so
        file = where.source.directory / where.value
        if file not in self._files:
            tree = self._map_file(file, where, (*path, "claims"))
            self._files[file] = self._compile(tree, (), self._types) if tree is not None else None
        return self._files[file]

    def _map_file(self, file: FilePath, where: Node, path: Path) -> Node | None:
        if not is_file(file):
            self._report.add(where.place, path, f"there is no file {file}")
            return None
        return read_tree(file, self._environ, self._report)

    def _default(self, node: Node, path: Path, module: ModuleType) -> ClaimsMap | None:
        if module not in self._own:
            text: Any = getattr(module, "CLAIMS", None)
            if not isinstance(text, str):
                message = "missing; this connector brings no claims map along"
                self._report.add(node.key_place, (*path, "claims"), message)
                return None
            source = Source(f"<claims map of {module.__name__}>", FilePath())
            tree = read_text(text, source, {}, self._report)
            whole = self._compile(tree, (), None) if tree is not None else None
            known = self._types
            self._own[module] = whole.within(known) if whole is not None and known is not None else whole
        return self._own[module]

    def _compile(self, tree: Node, path: Path, types: Types | None) -> ClaimsMap | None:
        try:
            return compile_map(tree.plain(), types, thorough=self._thorough)
        except MapErrors as errors:
            for steps, message in errors.problems:
                where, _, whole = locate(tree, steps)
                named = not whole or isinstance(where.value, dict)
                self._report.add(where.key_place if named else where.place, (*path, *steps), message)
            return None
