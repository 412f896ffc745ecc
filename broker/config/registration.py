"""Apps that come without an operator: what the sections about them say together with the rest.

RFC 7591 §3 and §5; RFC 7592; OAuth Client ID Metadata Document. Owns `RegistrationReader`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from broker.config import key_sets
from broker.config.problems import did_you_mean
from broker.config.sections import Sections
from broker.config.written_registration import ClientDocuments, Registration, SoftwareStatementIssuer
from broker.protocol.client import SigningAlg, secret_digest
from broker.protocol.client_document import is_url
from broker.protocol.names import Names
from broker.protocol.registration import Allowed

_NOTHING = Allowed(
    scopes=frozenset(), grant_types=frozenset(), auth_methods=frozenset(), signing_algs=frozenset()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementIssuer:
    """Whose software statements are believed, and by which keys: one of the two is there."""

    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    jwks_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationConfig:
    """Who may register, and what they may have. Lengths are seconds."""

    policy: Literal["off", "token", "open"] = "off"
    token_digests: tuple[bytes, ...] = field(default=(), repr=False)
    """`secret_digest` of each initial access token."""
    allowed: Allowed = _NOTHING
    max_clients: int = 10_000
    per_address: int = 20
    unused: int = 86400
    idle: int = 365 * 86400
    statement_issuers: Mapping[str, StatementIssuer] = field(default_factory=dict)
    statement_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDocumentsConfig:
    """Whose documents are read."""

    enabled: bool = False
    hosts: tuple[str, ...] = ()
    """As written, ``*.`` standing for every host below; empty is any."""
    allowed: Allowed = _NOTHING
    trusted: frozenset[str] = frozenset()
    """The URLs of the operator's own."""
    ca: Path | None = None

    def takes(self, host: str) -> bool:
        """Whether documents on this host are read."""
        if not self.hosts:
            return True
        return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in self.hosts)


class RegistrationReader:
    """Reads both sections, knowing what they may refer to."""

    def __init__(
        self,
        sections: Sections,
        scopes: Collection[str],
        connectors: Collection[str],
        algorithms: Collection[SigningAlg],
        doors: Mapping[str, Any],
    ) -> None:
        self._sections, self._scopes, self._connectors = sections, scopes, connectors
        self._algorithms, self._certificates = frozenset(algorithms), _shows_certificates(doors)

    def registration(self) -> RegistrationConfig:
        """Who may register themselves."""
        part = self._sections.part("registration", Registration)
        if part is None:
            return RegistrationConfig()
        written = part.entry
        self._refers("registration", written)
        if written.policy == "token" and part.knows("policy", "initial_access_tokens"):
            self._somebody_may(written)
        if part.knows("unused", "idle") and written.unused > written.idle:
            self._sections.wrong(("registration", "unused"), "must not be longer than idle")
        issuers = written.software_statement_issuers or {}
        if written.require_software_statement and not issuers and part.knows("software_statement_issuers"):
            key = ("registration", "require_software_statement")
            self._sections.wrong(key, "needs software_statement_issuers, or nobody can register")
        return RegistrationConfig(
            policy=written.policy,
            token_digests=tuple(secret_digest(one.reveal()) for one in written.initial_access_tokens or ()),
            allowed=Allowed(
                scopes=frozenset(written.scope or ()),
                grant_types=frozenset(written.grant_types or ()),
                auth_methods=frozenset(written.token_endpoint_auth_methods or ()),
                signing_algs=self._algorithms,
                certificates=self._certificates,
                connectors=Names(written.connectors) if written.connectors is not None else None,
                require_pkce=written.require_pkce,
            ),
            max_clients=written.max_clients,
            per_address=written.per_address,
            unused=written.unused,
            idle=written.idle,
            statement_issuers={name: self._issuer(name, one) for name, one in issuers.items()},
            statement_required=written.require_software_statement,
        )

    def documents(self) -> ClientDocumentsConfig:
        """Whose documents are read."""
        part = self._sections.part("client_id_metadata_documents", ClientDocuments)
        if part is None:
            return ClientDocumentsConfig()
        written = part.entry
        self._refers("client_id_metadata_documents", written)
        for index, url in enumerate(written.trusted or ()):
            if not is_url(url):
                path = ("client_id_metadata_documents", "trusted", index)
                self._sections.wrong(path, "is no https URL of a document, with a path and in plain spelling")
        if part.knows("ca") and written.ca is not None and not written.ca.is_file():
            self._sections.wrong(("client_id_metadata_documents", "ca"), f"there is no file {written.ca}")
        return ClientDocumentsConfig(
            enabled=written.enabled,
            hosts=written.allow_hosts or (),
            allowed=Allowed(
                scopes=frozenset(written.scope or ()),
                grant_types=frozenset({"authorization_code", "refresh_token"}),
                # A document is public, so nobody shares a secret with us by it.
                auth_methods=frozenset({"none", "private_key_jwt"}),
                signing_algs=self._algorithms,
                certificates=self._certificates,
                connectors=Names(written.connectors) if written.connectors is not None else None,
            ),
            trusted=frozenset(written.trusted or ()),
            ca=written.ca,
        )

    def _somebody_may(self, written: Registration) -> None:
        if not written.initial_access_tokens:
            self._sections.wrong(
                ("registration", "initial_access_tokens"), "missing; with policy: token nobody could register"
            )

    def _refers(self, key: str, written: Registration | ClientDocuments) -> None:
        """That the scopes and connectors are there, and are what a stranger can be given."""
        for name in written.scope or ():
            if name not in self._scopes:
                hint = did_you_mean(name, self._scopes)
                self._sections.wrong((key, "scope"), f"{name!a} is not declared under scopes{hint}")
            elif name.endswith(".*"):
                message = f"{name} stands for many scopes; an app that registers itself has none of those"
                self._sections.wrong((key, "scope"), message)
        for index, name in enumerate(written.connectors or ()):
            if name not in self._connectors:
                hint = did_you_mean(name, self._connectors)
                self._sections.wrong((key, "connectors", index), f"no connector has this id{hint}")

    def _issuer(self, name: str, written: SoftwareStatementIssuer) -> StatementIssuer:
        def wrong(key: str, message: str) -> None:
            path = ("registration", "software_statement_issuers", name)
            self._sections.wrong((*path, key) if key else path, message)

        return StatementIssuer(
            jwks=key_sets.read(written.jwks, written.jwks_uri, wrong), jwks_uri=written.jwks_uri
        )


def _shows_certificates(doors: Mapping[str, Any]) -> bool:
    """Whether apps can show a client certificate at any of the doors."""
    return doors["listen_mtls"] is not None or doors["trusted_proxies"].client_certificate_header is not None
