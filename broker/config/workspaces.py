"""Workspaces: several issuers in one process, each whole by itself.

Owns what a workspace inherits and what is its own. Its issuer is the host's with ``/t/`` and its name behind
it (RFC 8414 §2 lets an issuer have a path). Where the store is, how the process listens and how it calls out
is the host's; everything about people, apps, keys and pages is the workspace's alone. Its secrets are derived
from the host's by its name (RFC 5869), unless it has its own.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.config.pieces import read_pieces
from broker.config.problems import Path, Report
from broker.config.settings import EMBEDDED, Config
from broker.config.tree import Node
from broker.config.words import WORKSPACE
from broker.connector import Secret

AT: Final = "/t/"
"""What stands between the host's issuer and the name."""
HOSTS_OWN: Final = frozenset(
    {
        "include",
        "issuer",
        "listen",
        "listen_mtls",
        "mtls_url",
        "outbound",
        "state_dir",
        "store",
        "tls",
        "trusted_proxies",
        "workspaces",
    }
)
"""What only the host says, once for all."""
_ALWAYS: Final = tuple(sorted(HOSTS_OWN - {"include", "issuer", "workspaces"}))
_UNLESS_SAID: Final = ("lifetimes", "subject_key")
"""What is the host's until the workspace says otherwise."""
_NAME = re.compile(WORKSPACE)


def trees(host: Node, environ: Mapping[str, str], report: Report) -> Iterator[tuple[str, Node, Report]]:
    """Each workspace as if it were a file of its own: its name, its tree, and where its mistakes are told."""
    section = host.child("workspaces")
    if section is None or section.value is None:
        return
    if not isinstance(section.value, dict):
        report.add(section.place, ("workspaces",), "expected keys with values")
        return
    for name, written in section.items():
        path: Path = ("workspaces", name)
        if _NAME.fullmatch(name) is None:
            message = "the name of a workspace has small letters, digits and hyphens, at most 40"
            report.add(written.key_place, path, message)
            continue
        own = _read(written, environ, report.within(path))
        if own is not None:
            inherited = frozenset(_inherited(own))
            yield name, _whole(host, own, name, report.within(path)), report.within(path, known=inherited)


def _read(written: Node, environ: Mapping[str, str], report: Report) -> Node | None:
    """The keys themselves, or those of the file that is named."""
    if isinstance(written.value, str) and written.value:
        return read_pieces(written.source.directory / written.value, environ, report)
    if isinstance(written.value, dict):
        return written
    report.add(written.place, (), "expected keys with values, or the path of a file with them")
    return None


def _inherited(own: Node) -> Iterator[str]:
    """The keys that are the host's for this workspace too."""
    yield from _ALWAYS
    for key in _UNLESS_SAID:
        said = own.child(key)
        if said is None or said.value is None:
            yield key


def _whole(host: Node, own: Node, name: str, report: Report) -> Node:
    keys: dict[str, Node] = {}
    for key, node in own.items():
        if key in HOSTS_OWN:
            report.add(node.key_place, (key,), "this is said once, for the host and all its workspaces")
        else:
            keys[key] = node
    for key in _inherited(own):
        said = host.child(key)
        if said is not None:
            keys[key] = said
    issuer = host.child("issuer")
    if issuer is not None and isinstance(issuer.value, str):
        at = (own.place.line, own.place.column)
        keys["issuer"] = Node(f"{issuer.value}{AT}{name}", own.source, at)
    return Node(keys, own.source, (own.place.line, own.place.column))


def settled(config: Config, name: str, *, own_subject_key: bool) -> Config:
    """The workspace with a part of the store and secrets that are nobody else's."""
    store = replace(
        config.store,
        prefix=f"{config.store.prefix}t:{name}:",
        workspace=name,
        home=config.state_dir if config.store.url == EMBEDDED else None,
    )
    subject_key = config.subject_key
    if subject_key is not None and not own_subject_key:
        subject_key = _derived(subject_key, name)
    return replace(
        config,
        workspace=name,
        store=store,
        state_dir=config.state_dir / "workspaces" / name,
        subject_key=subject_key,
    )


def _derived(secret: Secret, name: str) -> Secret:
    info = b"federation broker\0workspace subject key\0" + name.encode()
    made = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret.reveal().encode())
    return Secret(urlsafe_b64encode(made).decode())
