"""Connectors: the module that knows an upstream, its settings, and its claims map.

Owns how ``type`` becomes a module: the name of an installed one (entry points in the group
``federation_broker.connectors``), or a module path with a dot. Only the operator's file names modules;
no request ever does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module, metadata
from types import MappingProxyType, ModuleType

from broker.config.images import Images
from broker.config.maps import MapReader
from broker.config.partly import read_partly
from broker.config.problems import Path, Report, did_you_mean
from broker.config.reading import keys_of, read_keys, unknown_key
from broker.config.settings import ConnectorConfig
from broker.config.tree import Node
from broker.config.written_connector import AllowUntil, ConnectorEntry, OlderThan
from broker.connector import ConnectorSettings
from broker.protocol.asking import UpstreamRefresh
from broker.protocol.names import Names

GROUP = "federation_broker.connectors"
CONNECTOR_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")
_NO_NAMES = Names()
COMMON = frozenset(ConnectorEntry.model_fields)
"""The keys that every connector has."""


@cache
def installed() -> Mapping[str, str]:
    """The installed types and their module paths."""
    return MappingProxyType({point.name: point.value for point in sorted(metadata.entry_points(group=GROUP))})


@cache
def load_module(connector_type: str) -> ModuleType:
    """The connector module of this type.

    Raises:
        ValueError: there is none, it cannot be imported, or it is not a connector.
    """
    name = installed().get(connector_type)
    if name is None and _MODULE.fullmatch(connector_type) is None:
        raise ValueError(f"unknown type{did_you_mean(connector_type, installed())}")
    try:
        module = import_module(name or connector_type)
    except (Exception, SystemExit) as error:  # a script may take itself for the whole program
        raise ValueError(f"cannot be imported: {type(error).__name__}: {error}") from error
    settings = getattr(module, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, ConnectorSettings)):
        raise ValueError("is not a connector: it has no Settings made of ConnectorSettings")  # noqa: TRY004
    missing = [
        part for part in ("begin", "finish", "ping") if not hasattr(getattr(module, "Connector", None), part)
    ]
    if missing:
        raise ValueError(f"is not a connector: its Connector has no {', '.join(missing)}")
    return module


class ConnectorReader:
    """Reads the section ``connectors``; each module is loaded once."""

    def __init__(self, maps: MapReader, images: Images, report: Report) -> None:
        self._maps, self._images, self._report = maps, images, report

    def read(self, section: Node | None, issuer: str | None) -> Mapping[str, ConnectorConfig]:
        """Every connector by its id."""
        found = {}
        for connector_id, node in section.items() if section is not None else ():
            connector = self._entry(connector_id, node, issuer)
            if connector is not None:
                found[connector_id] = connector
        return MappingProxyType(found)

    def _entry(self, connector_id: str, node: Node, issuer: str | None) -> ConnectorConfig | None:
        path: Path = ("connectors", connector_id)
        if CONNECTOR_ID.fullmatch(connector_id) is None or connector_id in {".", ".."}:
            message = "a connector's id has letters, digits, dots, dashes and underscores, at most 64"
            self._report.add(node.key_place, path, message)
        if not isinstance(node.value, dict):
            self._report.add(node.place, path, "expected keys with values")
            return None
        common = {key: value.plain() for key, value in node.items() if key in COMMON}
        part = read_partly(ConnectorEntry, node, path, self._report, common)
        module = self._module(node, path)
        settings = self._settings(module, node, path) if module is not None else None
        self._check_issuer(settings, issuer, node, path)
        claims = self._maps.read(node, path, module)
        if part is None:
            return None
        entry, icon = part.entry, self._images.take(part.entry.icon, node, (*path, "icon"))
        if part.unread or module is None or settings is None or claims is None:
            return None
        self._check_hint(entry, node, path)
        self._check_abilities(entry, module, settings, node, path)
        return ConnectorConfig(
            id=connector_id,
            type=entry.type,
            name=entry.name,
            icon=icon,
            enabled=entry.enabled,
            domains=Names(entry.domains) if entry.domains else _NO_NAMES,
            claims=claims,
            pass_through=entry.pass_through,
            freshness=entry.freshness,
            acr=MappingProxyType(entry.acr),
            refresh=_refresh(entry),
            gives_token=entry.give_token,
            offers_logout=entry.upstream_logout != "never",
            logs_out_always=entry.upstream_logout == "always",
            outbound=entry.outbound,
            settings=settings,
            module=module,
        )

    def _check_abilities(
        self, entry: ConnectorEntry, module: ModuleType, settings: ConnectorSettings, node: Node, path: Path
    ) -> None:
        """What the entry asks of the connector, it must be able to do."""
        refused = {}
        if entry.upstream_refresh != "never":
            refused["upstream_refresh"] = getattr(settings, "cannot_refresh", None)
            if not hasattr(module.Connector, "refresh"):
                refused["upstream_refresh"] = f"an upstream of type {entry.type} cannot be asked again"
        if entry.upstream_logout != "never":
            refused["upstream_logout"] = getattr(settings, "cannot_log_out", None)
            if not hasattr(module.Connector, "logout_url"):
                refused["upstream_logout"] = f"nobody can be signed out at an upstream of type {entry.type}"
        if entry.give_token and not getattr(module.Connector, "gives_token", False):
            refused["give_token"] = f"a login at an upstream of type {entry.type} comes with no access token"
        for key, why in refused.items():
            if why is not None:
                self._report.add((node.child(key) or node).place, (*path, key), why)
        own = node.child("outbound")
        if own is not None and not getattr(module.Connector, "speaks_http", True):
            message = f"the broker asks an upstream of type {entry.type} nothing over HTTP"
            self._report.add(own.key_place, (*path, "outbound"), message)

    def _module(self, node: Node, path: Path) -> ModuleType | None:
        where = node.child("type")
        if where is None or not isinstance(where.value, str):
            return None  # the entry's own model has said so
        try:
            return load_module(where.value)
        except ValueError as error:
            self._report.add(where.place, (*path, "type"), str(error))
            return None

    def _settings(self, module: ModuleType, node: Node, path: Path) -> ConnectorSettings | None:
        """The keys that only this kind of connector has."""
        own = frozenset(keys_of(module.Settings)) - COMMON
        data = {}
        for key, value in node.items():
            if key in own:
                data[key] = value.plain()
            elif key not in COMMON:
                self._report.add(value.key_place, (*path, key), unknown_key(key, own | COMMON))
        return read_keys(module.Settings, node, path, data, self._report)

    def _check_issuer(
        self, settings: ConnectorSettings | None, issuer: str | None, node: Node, path: Path
    ) -> None:
        """We are not our own upstream: that is a login that never ends."""
        written = node.child("issuer")
        stated = written.value if written is not None else None
        theirs = getattr(settings, "issuer", stated)
        if issuer is not None and isinstance(theirs, str) and theirs.rstrip("/") == issuer:
            self._report.add((written or node).place, (*path, "issuer"), "is our own issuer")

    def _check_hint(self, entry: ConnectorEntry, node: Node, path: Path) -> None:
        if entry.pass_through.login_hint == "domains" and not entry.domains:
            message = "there are no domains; name them under domains, or write drop"
            where = (node.child("pass_through") or node).child("login_hint") or node
            self._report.add(where.place, (*path, "pass_through", "login_hint"), message)


def _refresh(entry: ConnectorEntry) -> UpstreamRefresh:
    when, unreachable = entry.upstream_refresh, entry.on_unreachable
    older_than = when.if_older_than if isinstance(when, OlderThan) else {"never": None, "always": 0}[when]
    return UpstreamRefresh(
        older_than=older_than,
        on_denied=entry.on_denied,
        allow_until=unreachable.allow_until if isinstance(unreachable, AllowUntil) else 0,
    )
