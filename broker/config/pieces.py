"""One configuration out of several files: what ``include`` names is put together here.

Owns the order (files are read in the order they are named, patterns alphabetically, each file once) and
the rule that a name is said once. Connectors, clients, scopes and context may be spread over the pieces;
every other key belongs to one of them whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from glob import escape, glob
from pathlib import Path as FilePath

from broker.config.problems import Report
from broker.config.tree import Node, read_tree

SHARED = (
    "connectors",
    "clients",
    "scopes",
    "context",
    "resources",
    "authorization_details_types",
    "assertion_issuers",
)


def read_pieces(path: FilePath, environ: Mapping[str, str], report: Report) -> Node | None:
    """The file at ``path`` and all it includes, as one tree; None when it could not be read."""
    first = read_tree(path, environ, report)
    if first is None:
        return None
    whole = Node({}, first.source, (1, 1))
    waiting, seen = [first], {path.resolve()}
    while waiting:
        piece = waiting.pop(0)
        _merge(whole, piece, report)
        for named in _included(piece, report):
            real = named.resolve()
            if real not in seen:
                seen.add(real)
                further = read_tree(named, environ, report)
                waiting += [further] if further is not None else []
    return whole


def _included(piece: Node, report: Report) -> Iterator[FilePath]:
    include = piece.child("include")
    if include is None or include.value is None:
        return
    if not isinstance(include.value, list):
        report.add(include.place, ("include",), "expected a list")
        return
    for index, entry in enumerate(include.value):
        if not isinstance(entry.value, str) or not entry.value or "\0" in entry.value:
            report.add(entry.place, ("include", index), "expected the path of a file, or a pattern")
            continue
        pattern = str(FilePath(escape(str(piece.source.directory))) / entry.value)
        found = sorted(glob(pattern, recursive=True))  # noqa: PTH207  (a pattern may be absolute)
        if not found and escape(entry.value) == entry.value:
            report.add(entry.place, ("include", index), "there is no such file")
        # A pattern may meet folders and devices too; a piece is a file.
        yield from (FilePath(name) for name in found if FilePath(name).is_file())


def _merge(whole: Node, piece: Node, report: Report) -> None:
    if not isinstance(piece.value, dict) or not isinstance(whole.value, dict):
        report.add(piece.place, (), "expected keys with values")
        return
    for key, node in piece.value.items():
        if key == "include":
            continue
        before = whole.value.get(key)
        if before is None or before.value is None:
            whole.value[key] = node
        elif key in SHARED and node.value is None:
            continue
        elif key in SHARED and isinstance(before.value, dict) and isinstance(node.value, dict):
            _unite(before, node, key, report)
        else:
            report.add(node.key_place, (key,), f"said already at {before.key_place}")


def _unite(before: Node, node: Node, key: str, report: Report) -> None:
    """Adds the entries of ``node`` to the section that an earlier piece began."""
    if not isinstance(before.value, dict):
        return
    for name, entry in node.items():
        first = before.value.setdefault(name, entry)
        if first is not entry:
            report.add(entry.key_place, (key, name), f"said already at {first.key_place}")
