"""Tokens that no person is asked for, read: whose assertions are taken, and what a client app may exchange.

RFC 7523 §3; RFC 8693 §5; RFC 6749 §4.4. Owns what these keys say together with the rest of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from broker.config import key_sets
from broker.config.maps import MapReader
from broker.config.partly import Partly, read_partly
from broker.config.problems import Path, Report, did_you_mean
from broker.config.sections import Sections
from broker.config.tree import Node
from broker.config.written_grants import AssertionIssuerEntry, TokenExchangeEntry
from broker.protocol.assertion_grants import AssertionIssuer
from broker.protocol.client import JWT_BEARER, TOKEN_EXCHANGE, Client
from broker.protocol.exchanging import ExchangePolicy

_SECTION = "assertion_issuers"


class AssertionReader:
    """Reads the section ``assertion_issuers``, knowing the clients."""

    def __init__(self, sections: Sections, maps: MapReader, issuer: str | None, report: Report) -> None:
        self._sections, self._maps, self._issuer, self._report = sections, maps, issuer, report

    def read(self, clients: Mapping[str, Client]) -> Mapping[str, AssertionIssuer]:
        """Everybody whose assertions are taken, by the operator's name for them."""
        found: dict[str, AssertionIssuer] = {}
        written = {name for name, _ in self._sections.entries("clients")}
        for name, node in self._sections.entries(_SECTION):
            path: Path = (_SECTION, name)
            part = read_partly(AssertionIssuerEntry, node, path, self._report)
            claims = self._maps.read(node, path, None)
            if part is None:
                continue
            jwks = self._keys(part, node, path)
            self._is_not_us(part.entry, node, path)
            self._clients(part.entry, node, path, clients, written)
            if not part.unread:
                found[name] = AssertionIssuer(
                    name=name,
                    issuer=part.entry.issuer,
                    jwks=jwks,
                    jwks_uri=part.entry.jwks_uri,
                    algorithms=part.entry.algorithms,
                    audience=part.entry.audience,
                    allow_token_endpoint_audience=part.entry.allow_token_endpoint_audience,
                    subject=part.entry.subject,
                    claims=claims,
                    max_lifetime=part.entry.max_lifetime,
                    clients=part.entry.clients,
                    allow_reuse=part.entry.allow_reuse,
                )
        self._one_of_each(found)
        return MappingProxyType(found)

    def _keys(self, part: Partly[AssertionIssuerEntry], node: Node, path: Path) -> Mapping[str, Any] | None:
        if not part.knows("jwks", "jwks_uri"):
            return None

        def wrong(key: str, message: str) -> None:
            if key:
                self._wrong(node, path, key, message)
            else:
                self._report.add(node.key_place, path, message)

        return key_sets.read(part.entry.jwks, part.entry.jwks_uri, wrong)

    def _is_not_us(self, entry: AssertionIssuerEntry, node: Node, path: Path) -> None:
        """Our own ID Tokens are no grants: they are given to browsers."""
        if self._issuer is not None and entry.issuer == self._issuer:
            self._wrong(node, path, "issuer", "is our own issuer")

    def _clients(
        self,
        entry: AssertionIssuerEntry,
        node: Node,
        path: Path,
        clients: Mapping[str, Client],
        written: Collection[str],
    ) -> None:
        for index, where, name in node.texts("clients") if entry.clients else ():
            client, here = clients.get(name), (*path, "clients", index)
            if name not in written:
                message = f"no client has this id{did_you_mean(name, written)}"
                self._report.add(where.place, here, message)
            elif client is not None and not _may_bring(client):
                message = f"this client has neither {JWT_BEARER} in its grant_types nor may it exchange a jwt"
                self._report.add(where.place, here, message)

    def _one_of_each(self, found: Mapping[str, AssertionIssuer]) -> None:
        """Which entry an assertion is held against is told by its ``iss`` alone."""
        before: dict[str, str] = {}
        for name, one in found.items():
            other = before.setdefault(one.issuer, name)
            if other != name:
                self._sections.wrong((_SECTION, name, "issuer"), f"is that of {other} already")

    def _wrong(self, node: Node, path: Path, key: str, message: str) -> None:
        self._report.add((node.child(key) or node).place, (*path, key), message)


def _may_bring(client: Client) -> bool:
    exchanges = client.token_exchange
    return JWT_BEARER in client.grant_types or (exchanges is not None and "jwt" in exchanges.subject_tokens)


def policy(entry: TokenExchangeEntry | None) -> ExchangePolicy | None:
    """What a client's entry says of exchange, as the rules read it."""
    if entry is None:
        return None
    return ExchangePolicy(
        subject_tokens=entry.subject_tokens,
        clients=entry.clients,
        own_audiences=entry.own_audiences,
        audiences=entry.audiences,
        scopes=None if entry.scope is None else frozenset(entry.scope),
        may_impersonate=entry.may_impersonate,
        max_actors=entry.max_actors,
        upstream_token=entry.upstream_token,
    )


def exchange_objections(client: Client) -> list[tuple[str, str]]:
    """What is wrong between ``token_exchange`` and the client's other keys: the key, and why."""
    wrong = []
    has_type = TOKEN_EXCHANGE in client.grant_types
    if has_type and client.token_exchange is None:
        wrong.append(("token_exchange", f"missing; {TOKEN_EXCHANGE} needs to know what may be exchanged"))
    if client.token_exchange is not None and not has_type:
        wrong.append(("token_exchange", f"needs {TOKEN_EXCHANGE} in grant_types"))
    if client.token_exchange is not None and client.is_public:
        wrong.append(("token_exchange", "a public client exchanges no tokens: anybody could be it"))
    if "client_credentials" in client.grant_types and client.is_public:
        wrong.append(("grant_types", "client_credentials is for a client that has credentials"))
    return wrong
