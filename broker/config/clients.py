"""Client apps: what several of a client's keys say together, and the `Client` that comes of it.

RFC 7591 §2; RFC 6749 §2.1 (public and confidential), Appendix A.1 (client_id); RFC 7636; RFC 8252.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from broker.config.images import Images
from broker.config.problems import Path, Report, did_you_mean
from broker.config.reading import read
from broker.config.tree import Node
from broker.config.uris import check_redirect_uri
from broker.config.written import ClientEntry
from broker.protocol.client import Client, secret_digest

# Visible, so that it can be read aloud; without the colon that ends it in HTTP Basic (RFC 7617 §2).
OWN = "broker."
CLIENT_ID = re.compile(r"[!-9;-~]{1,200}")


class ClientReader:
    """Reads the section ``clients``, knowing what its entries may refer to."""

    def __init__(
        self, scopes: Collection[str], connectors: Collection[str], images: Images, report: Report
    ) -> None:
        self._scopes, self._connectors, self._images, self._report = scopes, connectors, images, report

    def read(self, section: Node | None) -> Mapping[str, Client]:
        """Every client by its ``client_id``."""
        clients: dict[str, Client] = {}
        for client_id, node in section.items() if section is not None else ():
            path: Path = ("clients", client_id)
            if CLIENT_ID.fullmatch(client_id) is None:
                message = "a client_id has visible ASCII characters without a colon, at most 200"
                self._report.add(node.key_place, path, message)
            if client_id.startswith(OWN):
                message = f"a client_id that begins with {OWN} is the broker's own"
                self._report.add(node.key_place, path, message)
            entry = read(ClientEntry, node, path, self._report)
            if entry is not None:
                logo = self._images.take(entry.logo, node, (*path, "logo"))
                _Checks(entry, node, path, self._report).all(self._scopes, self._connectors)
                clients[client_id] = _client(client_id, entry, logo)
        return MappingProxyType(clients)


def _client(client_id: str, entry: ClientEntry, logo: str | None) -> Client:
    return Client(
        client_id=client_id,
        client_name=entry.client_name,
        redirect_uris=entry.redirect_uris,
        post_logout_redirect_uris=entry.post_logout_redirect_uris,
        application_type=entry.application_type,
        token_endpoint_auth_method=entry.token_endpoint_auth_method,
        secret_digests=tuple(secret_digest(secret.reveal()) for secret in entry.client_secret or ()),
        grant_types=entry.grant_types,
        scopes=frozenset(entry.scope),
        trusted=entry.trusted,
        connectors=entry.connectors,
        id_token_signed_response_alg=entry.id_token_signed_response_alg,
        access_token_format=entry.access_token_format,
        access_token_signing_alg=entry.access_token_signing_alg,
        audience=entry.audience,
        id_token_claims=entry.id_token_claims,
        require_pkce=entry.require_pkce,
        enabled=entry.enabled,
        logo=logo,
    )


class _Checks:
    """What one entry says in several places."""

    def __init__(self, entry: ClientEntry, node: Node, path: Path, report: Report) -> None:
        self._entry, self._node, self._path, self._report = entry, node, path, report
        self._public = entry.token_endpoint_auth_method == "none"

    def all(self, scopes: Collection[str], connectors: Collection[str]) -> None:
        """Every rung; each reports by itself."""
        self._secret()
        self._pkce()
        self._uris("redirect_uris", self._entry.redirect_uris)
        self._uris("post_logout_redirect_uris", self._entry.post_logout_redirect_uris)
        self._known("connectors", self._entry.connectors or (), connectors, "no connector has this id")
        self._scope(scopes)

    def _secret(self) -> None:
        if self._public and self._entry.client_secret is not None:
            self._wrong("client_secret", "a public client (token_endpoint_auth_method: none) has no secret")
        if not self._public and self._entry.client_secret is None:
            path = (*self._path, "client_secret")
            message = "missing; an app that cannot keep one has token_endpoint_auth_method: none"
            self._report.add(self._node.key_place, path, message)

    def _pkce(self) -> None:
        # RFC 9700 §2.1.1: nothing else binds a public client's code to the app that asked for it.
        if self._public and not self._entry.require_pkce:
            self._wrong("require_pkce", "a public client always needs PKCE")

    def _uris(self, key: str, uris: tuple[str, ...]) -> None:
        for index, uri in enumerate(uris):
            try:
                check_redirect_uri(uri, self._entry.application_type)
            except ValueError as error:
                self._wrong(key, str(error), index)
            if uri in uris[:index]:
                self._wrong(key, "said twice", index)

    def _scope(self, scopes: Collection[str]) -> None:
        if not self._entry.scope:
            self._wrong("scope", "names no scope")
        for name in self._entry.scope:
            if name not in scopes:
                self._wrong("scope", f"{name!a} is not declared under scopes{did_you_mean(name, scopes)}")

    def _known(self, key: str, names: tuple[str, ...], known: Collection[str], otherwise: str) -> None:
        for index, name in enumerate(names):
            if name not in known:
                self._wrong(key, f"{otherwise}{did_you_mean(name, known)}", index)

    def _wrong(self, key: str, message: str, index: int | None = None) -> None:
        where = self._node.child(key) or self._node
        path: Path = (*self._path, key)
        if index is not None:
            where, path = where.child(index) or where, (*path, index)
        self._report.add(where.place, path, message)
