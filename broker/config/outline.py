"""Which upstreams a configuration names, told without anything that only serving needs.

Owns `Named` and how they are read: as far as the tree of the files says it. A variable that nobody has set
stays the notation that stands there, so that what there is can be listed wherever the files are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from broker.config import workspaces
from broker.config.connectors import COMMON, load_module
from broker.config.environment import unset
from broker.config.partly import read_partly
from broker.config.pieces import read_pieces
from broker.config.problems import ConfigError, Report
from broker.config.tree import Node
from broker.config.written_connector import ConnectorEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An upstream, as its entry names it."""

    id: str
    type: str
    name: str
    enabled: bool
    speaks_http: bool
    """Whether there is somebody with whom our addresses are to be registered."""
    offers_logout: bool


def outline(path: FilePath, environ: Mapping[str, str], workspace: str | None) -> tuple[str, list[Named]]:
    """The issuer, and its upstreams.

    Raises:
        ConfigError: they cannot be read. Of variables nobody is told.
        KeyError: there is no such workspace.
    """
    report = Report()
    tree = read_pieces(path, environ, report)
    own = _of(workspace, tree, environ, report) if tree is not None else None
    found = list(_named(own, report)) if own is not None else []
    wrong = [problem for problem in report.error().problems if unset(problem.message) is None]
    if own is None or wrong:
        raise ConfigError(wrong or report.error().problems)
    issuer = own.child("issuer")
    return str(issuer.value if issuer is not None else ""), found


def _of(workspace: str | None, host: Node, environ: Mapping[str, str], report: Report) -> Node:
    """The tree of the host, or of one of its workspaces."""
    if workspace is None:
        return host
    found = {name: tree for name, tree, _ in workspaces.trees(host, environ, report)}
    return found[workspace]


def _named(tree: Node, report: Report) -> Iterator[Named]:
    section = tree.child("connectors")
    for name, node in section.items() if section is not None else ():
        path = ("connectors", name)
        common = {key: value.plain() for key, value in node.items() if key in COMMON}
        part = read_partly(ConnectorEntry, node, path, report, common)
        if part is None or not part.knows("type", "name"):
            report.add(node.place, path, "expected keys with values")
            continue
        try:
            module = load_module(part.entry.type)
        except ValueError as error:
            report.add(node.place, (*path, "type"), str(error))
            continue
        yield Named(
            id=name,
            type=part.entry.type,
            name=part.entry.name,
            enabled=part.entry.enabled,
            speaks_http=getattr(module.Connector, "speaks_http", True),
            offers_logout=part.entry.upstream_logout != "never",
        )
