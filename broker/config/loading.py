"""The whole way from files to `Config`, in one direction: pieces, sections, entries, what they say together.

Owns the order, and that everything wrong is told at once: each section is read even when others are wrong.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from broker.config import theming, workspaces
from broker.config.clients import ClientReader
from broker.config.connectors import ConnectorReader
from broker.config.context import ContextReader
from broker.config.grants import AssertionReader
from broker.config.images import Images
from broker.config.maps import MapReader
from broker.config.parts import Parts
from broker.config.pieces import read_pieces
from broker.config.problems import Report
from broker.config.registration import RegistrationReader
from broker.config.requests import RequestReader, with_apis
from broker.config.scopes import BUILT_IN, scope_rules
from broker.config.sections import Sections
from broker.config.settings import Config
from broker.config.tree import Node


def load(path: Path, environ: Mapping[str, str], *, thorough: bool = False) -> Config:
    """The configuration in the file at ``path`` and all it includes.

    ``thorough`` also tries what serving would try at its first use: the expressions of every claims map.

    Raises:
        ConfigError: it cannot be used; ``problems`` tells every reason.
    """
    report = Report()
    with _no_looking_for_garbage():
        tree = read_pieces(Path(path), environ, report)
        config = _all(tree, environ, report, thorough=thorough) if tree is not None else None
    report.raise_if_any()
    if config is None:  # nothing was read, and that is always reported
        raise report.error()
    return config


@contextmanager
def _no_looking_for_garbage() -> Iterator[None]:
    """What is read here stays, and makes no circles.

    To look through all of it for some, again and again, takes as long as to read thousands of entries.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _all(tree: Node, environ: Mapping[str, str], report: Report, *, thorough: bool) -> Config:
    """The host's own issuer, and every other that it serves."""
    config = _assemble(tree, environ, report, thorough=thorough)
    found: dict[str, Config] = {}
    for name, whole, told in workspaces.trees(tree, environ, report):
        one = _assemble(whole, environ, told, thorough=thorough)
        own = whole.child("subject_key") is not tree.child("subject_key")
        found[name] = workspaces.settled(one, name, own_subject_key=own)
    notes = tuple(report.notes)
    return replace(config, workspaces=MappingProxyType(found), notes=notes) if found else config


def _assemble(tree: Node, environ: Mapping[str, str], report: Report, *, thorough: bool) -> Config:
    sections, images = Sections(tree, report), Images(report)
    issuer = sections.get("issuer")
    context = ContextReader(sections.shared("context"), report)
    maps = MapReader(environ, report, types=context.types, thorough=thorough)
    connectors = ConnectorReader(maps, images, report).read(sections.shared("connectors"), issuer)
    # What is declared wrongly is declared all the same: who refers to it makes no second mistake.
    named, upstreams = sections.names("scopes"), sections.names("connectors")
    written = sections.shared("scopes")
    scopes = context.released(scope_rules(written, report), written, named | BUILT_IN.keys())
    declared = {*scopes, *named}
    asks = RequestReader(sections, declared, report)
    reader = ClientReader(declared, upstreams, images, report, resources=asks.named, details=asks.types_named)
    clients = reader.read(sections.shared("clients"))
    house, themes = theming.read(sections, reader.themes, images)
    parts = Parts(sections)
    store, keys = parts.store(), parts.keys(asks.algorithms | reader.algorithms)
    doors = parts.doors(issuer, clients)
    strangers = RegistrationReader(sections, declared, upstreams, keys.algorithms, doors)
    return Config(
        issuer=issuer or "",
        **doors,
        store=store,
        state_dir=parts.state_dir(store),
        subject_key=parts.subject_key(store),
        keys=keys,
        connectors=connectors,
        clients_by_id=clients,
        registration=strangers.registration(),
        client_documents=strangers.documents(),
        scope_rules=scopes,
        lifetimes=parts.lifetimes(),
        outbound=parts.outbound(),
        routing=parts.routing(connectors, clients),
        images=images.served,
        theme=house,
        client_themes=themes,
        said=theming.said(sections),
        resources=with_apis(asks.resources, clients),
        authorization_details_types=asks.detail_types,
        require_pushed_authorization_requests=asks.must_push,
        assertion_issuers=AssertionReader(sections, maps, issuer, report).read(clients),
        context=context.claims,
        notes=tuple(report.notes),
    )
