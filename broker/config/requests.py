"""What client apps may ask for beyond scopes, read: APIs by their URI, and types of authorization details.

RFC 8707 §2 (a resource is an absolute URI without a fragment); RFC 9396 §2 and §5. An API among the clients
whose ``audience`` is such a URI is a resource too, without being said again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from broker.config.partly import read_partly
from broker.config.problems import Path, Report, did_you_mean
from broker.config.sections import Sections
from broker.config.tree import Node
from broker.config.written_requests import DetailFieldEntry, DetailPartEntry, DetailTypeEntry, ResourceEntry
from broker.protocol.authorization_details import DetailField, DetailType, places
from broker.protocol.client import Client, SigningAlg
from broker.protocol.resources import Resource, is_absolute


class RequestReader:
    """What both sections say, knowing which scopes there are."""

    def __init__(self, sections: Sections, scopes: Collection[str], report: Report) -> None:
        self._sections, self._scopes, self._report = sections, scopes, report
        self.algorithms: dict[SigningAlg, str] = {}
        """What tokens are to be signed with, each with who asks for it first."""
        self.resources = self._read_resources()
        """Those that are declared."""
        self.detail_types = self._read_types()
        """The types of authorization details."""
        self.must_push = sections.get("require_pushed_authorization_requests") is True

    def _read_resources(self) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for uri, node in self._sections.entries("resources"):
            path: Path = ("resources", uri)
            if not is_absolute(uri):
                message = "a resource is an absolute URI without a fragment, such as https://api.example"
                self._report.add(node.key_place, path, message)
            part = read_partly(ResourceEntry, node, path, self._report)
            if part is None:
                continue
            for name in part.entry.scope or () if part.knows("scope") else ():
                if name not in self._scopes:
                    message = f"{name!a} is not declared under scopes{did_you_mean(name, self._scopes)}"
                    self._report.add((node.child("scope") or node).place, (*path, "scope"), message)
            if part.entry.access_token_signing_alg is not None:
                self.algorithms.setdefault(part.entry.access_token_signing_alg, f"resources.{uri}")
            if not part.unread:
                found[uri] = _resource(uri, part.entry)
        return found

    @property
    def named(self) -> frozenset[str]:
        """Every URI that a client may name: what is declared, however wrongly, and APIs among the clients."""
        entries = (node.child("audience") for _, node in self._sections.entries("clients"))
        apis = {node.value for node in entries if node is not None and isinstance(node.value, str)}
        written = {uri for uri, _ in self._sections.entries("resources")}
        return frozenset({*written, *apis})

    @property
    def types_named(self) -> frozenset[str]:
        """Every type that a client may name, however wrongly it is declared."""
        return self._sections.names("authorization_details_types")

    def _read_types(self) -> Mapping[str, DetailType]:
        found: dict[str, DetailType] = {}
        for name, node in self._sections.entries("authorization_details_types"):
            path: Path = ("authorization_details_types", name)
            part = read_partly(DetailTypeEntry, node, path, self._report)
            if part is None or part.unread:
                continue
            kind = _detail_type(name, part.entry)
            self._check(kind, node, path)
            found[name] = kind
        return MappingProxyType(found)

    def _check(self, kind: DetailType, node: Node, path: Path) -> None:
        if "type" in kind.fields:
            message = "type says which type it is; it is always there"
            self._report.add((node.child("fields") or node).place, (*path, "fields", "type"), message)
        for field, rule in kind.fields.items():
            if rule.fields and rule.kind not in ("object", "list"):
                message = f"only an object or a list has fields, and this is a {rule.kind}"
                self._report.add((node.child("fields") or node).place, (*path, "fields", field), message)
        for place in places(kind.display):
            if place.partition(".")[0] not in kind.fields:
                message = f"{{{place}}} is not among its fields"
                self._report.add((node.child("display") or node).place, (*path, "display"), message)


def with_apis(declared: Mapping[str, Resource], clients: Mapping[str, Client]) -> Mapping[str, Resource]:
    """The declared resources, and the APIs among the clients whose name is a URI."""
    found = dict(declared)
    for client in clients.values():
        if not client.grant_types and client.audience is not None and is_absolute(client.audience):
            found.setdefault(client.audience, Resource(uri=client.audience, name=client.client_name))
    return MappingProxyType(found)


def _resource(uri: str, entry: ResourceEntry) -> Resource:
    return Resource(
        uri=uri,
        name=entry.name,
        scopes=frozenset(entry.scope) if entry.scope is not None else None,
        access_token_format=entry.access_token_format,
        access_token_signing_alg=entry.access_token_signing_alg,
    )


def _detail_type(name: str, entry: DetailTypeEntry) -> DetailType:
    return DetailType(
        name=name,
        description=entry.description,
        display=entry.display or "",
        fields={key: _field(one) for key, one in entry.fields.items()},
    )


def _field(entry: DetailPartEntry) -> DetailField:
    below = entry.fields if isinstance(entry, DetailFieldEntry) else {}
    return DetailField(
        kind=entry.type,
        required=entry.required,
        values=entry.values,
        fields={key: _field(one) for key, one in below.items()},
    )
