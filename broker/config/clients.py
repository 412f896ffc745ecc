"""Client apps: what several of a client's keys say together, and the `Client` that comes of it.

RFC 7591 §2; RFC 6749 §2.1 (public and confidential), Appendix A.1 (client_id); RFC 7636; RFC 8252. An entry
without a grant type is an API that asks about tokens (RFC 7662 §2.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from types import MappingProxyType

from broker.config import answers, ends, grants, profiles, proving
from broker.config.images import Images
from broker.config.partly import Partly, read_partly
from broker.config.problems import Path, Report, did_you_mean
from broker.config.tree import Node
from broker.config.written_client import ClientEntry
from broker.config.written_theme import ThemeEntry
from broker.protocol.client import Client, SigningAlg
from broker.protocol.names import Names
from broker.protocol.uris import ApplicationType, check_own_query, check_redirect_uri

# Visible, so that it can be read aloud; without the colon that ends it in HTTP Basic (RFC 7617 §2).
OWN = "broker."
CLIENT_ID = re.compile(r"[!-9;-~]{1,200}")

_METHOD = "token_endpoint_auth_method"
_HELPED = 20
"""Mistakes of which it is also said what was probably meant."""
_ANSWERED_BY = tuple(
    f"{kind}_{how}"
    for kind in ("id_token", "userinfo", "introspection")
    for how in ("encrypted_response_alg", "encrypted_response_enc", "signed_response_alg")
    if (kind, how) != ("id_token", "signed_response_alg")
)
_REDIRECT_CHECKS = (check_redirect_uri, check_own_query)


class ClientReader:
    """Reads the section ``clients``, knowing what its entries may refer to."""

    def __init__(
        self,
        scopes: Collection[str],
        connectors: Collection[str],
        images: Images,
        report: Report,
        *,
        resources: Collection[str] = (),
        details: Collection[str] = (),
    ) -> None:
        self._scopes, self._connectors, self._images, self._report = scopes, connectors, images, report
        self._resources, self._details = resources, details
        self.algorithms: dict[SigningAlg, str] = {}
        """What tokens are to be signed with, each with who asks for it first."""
        self.themes: dict[str, tuple[ThemeEntry, Node]] = {}
        """The themes of those that have one, and where they are written."""

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
            part = read_partly(ClientEntry, node, path, self._report)
            if part is None:
                continue
            logo = self._images.take(part.entry.logo, node, (*path, "logo"))
            written = node.child("theme")
            if part.entry.theme is not None and written is not None:
                self.themes[client_id] = part.entry.theme, written
            checks = _Checks(part, node, path, self._report)
            checks.all(self._scopes, self._connectors)
            checks.listed("resources", self._resources, "no resource has this URI")
            checks.listed("authorization_details_types", self._details, "no type has this name")
            client = _client(client_id, part.entry, logo)
            if not part.unread:
                profiles.check(client, node, checks.wrong)
                client = clients[client_id] = profiles.applied(client)
                answers.check(client, checks.wrong)
                ends.check(client, checks.wrong)
            self._signs_by(client)
        return MappingProxyType(clients)

    def _signs_by(self, client: Client) -> None:
        for alg in (getattr(client, key) for key in profiles.OURS):
            if alg is not None:
                self.algorithms.setdefault(alg, f"clients.{client.client_id}")


def _client(client_id: str, entry: ClientEntry, logo: str | None) -> Client:
    return Client(
        client_id=client_id,
        client_name=entry.client_name,
        redirect_uris=entry.redirect_uris,
        post_logout_redirect_uris=entry.post_logout_redirect_uris,
        application_type=entry.application_type,
        grant_types=entry.grant_types,
        scopes=frozenset(entry.scope),
        trusted=entry.trusted,
        connectors=_named(entry.connectors),
        id_token_signed_response_alg=entry.id_token_signed_response_alg,
        access_token_format=entry.access_token_format,
        access_token_signing_alg=entry.access_token_signing_alg,
        audience=entry.audience,
        id_token_claims=entry.id_token_claims,
        require_pkce=entry.require_pkce,
        enabled=entry.enabled,
        logo=logo,
        default_max_age=entry.default_max_age,
        require_auth_time=entry.require_auth_time,
        profile=entry.profile,
        require_pushed_authorization_requests=entry.require_pushed_authorization_requests,
        require_signed_request_object=entry.require_signed_request_object,
        request_object_signing_alg=entry.request_object_signing_alg,
        authorization_signed_response_alg=entry.authorization_signed_response_alg,
        authorization_encrypted_response_alg=entry.authorization_encrypted_response_alg,
        authorization_encrypted_response_enc=entry.authorization_encrypted_response_enc,
        resources=entry.resources,
        authorization_details_types=entry.authorization_details_types,
        subject_type=entry.subject_type,
        sector_identifier_uri=entry.sector_identifier_uri,
        token_exchange=grants.policy(entry.token_exchange),
        **{name: getattr(entry, name) for name in _ANSWERED_BY},
        **proving.fields(entry),
        **ends.fields(entry),
    )


@lru_cache(maxsize=1024)
def _named(connectors: tuple[str, ...] | None) -> Names | None:
    """Many apps name the same few."""
    return None if connectors is None else Names(connectors)


class _Checks:
    """What one entry says in several places, as far as each of them could be read."""

    def __init__(self, part: Partly[ClientEntry], node: Node, path: Path, report: Report) -> None:
        self._entry, self._knows = part.entry, part.knows
        self._node, self._path, self._report = node, path, report
        self._public = self._knows(_METHOD) and self._entry.token_endpoint_auth_method == "none"

    def all(self, scopes: Collection[str], connectors: Collection[str]) -> None:
        """Every rung; each reports by itself."""
        secret = self._node.child("client_secret")
        has_secret = secret is not None and secret.value is not None
        proving.check(self._entry, self._knows, self.wrong, has_secret=has_secret)
        self._pkce()
        if self._knows("grant_types"):
            self._signs_in() if self._entry.grant_types else self._introspects()
        self._uris("redirect_uris", *_REDIRECT_CHECKS)
        self._uris("post_logout_redirect_uris", check_redirect_uri)
        self._connectors(connectors)
        self._scope(scopes)

    def _pkce(self) -> None:
        # RFC 9700 §2.1.1: nothing else binds a public client's code to the app that asked for it.
        if self._public and not self._entry.require_pkce:
            self.wrong("require_pkce", "a public client always needs PKCE")

    def _signs_in(self) -> None:
        """Where a browser comes back to, for whoever redeems a code (RFC 6749 §3.1.2.2)."""
        needed = "authorization_code" in self._entry.grant_types
        if needed and self._knows("redirect_uris") and not self._entry.redirect_uris:
            written = self._node.child("redirect_uris") is not None
            self.wrong("redirect_uris", "must have at least 1" if written else "missing")

    def _introspects(self) -> None:
        """An API that only asks about tokens: who it is must be proven, and known by name (RFC 7662 §2.1)."""
        if self._public:
            self.wrong(_METHOD, "an API (grant_types: []) proves who it is; none proves nothing")
        if self._knows("audience") and self._entry.audience is None:
            self.wrong("audience", "missing; an API (grant_types: []) may ask about the tokens that name it")
        if self._node.child("redirect_uris") is not None and self._entry.redirect_uris:
            self.wrong("redirect_uris", "nobody signs in at an API (grant_types: [])")

    def _uris(self, key: str, *checks: Callable[[str, ApplicationType], None]) -> None:
        # Where the kind of app is not known, what no kind may have is wrong all the same.
        kind = self._entry.application_type if self._knows("application_type") else "native"
        before: set[str] = set()
        for index, where, uri in self._node.texts(key):
            path = (*self._path, key, index)
            try:
                for check in checks:
                    check(uri, kind)
            except ValueError as error:
                self._report.add(where.place, path, str(error))
            if uri in before:
                self._report.add(where.place, path, "said twice")
            before.add(uri)

    def _scope(self, scopes: Collection[str]) -> None:
        if self._knows("scope") and not self._entry.scope:
            self.wrong("scope", "names no scope")
        for name in self._entry.scope if self._knows("scope") else ():
            if name not in scopes:
                self.wrong("scope", f"{name!a} is not declared under scopes{did_you_mean(name, scopes)}")

    def listed(self, key: str, known: Collection[str], message: str) -> None:
        """That what a list names is there."""
        for index, where, name in self._node.texts(key):
            if name not in known:
                self._report.add(
                    where.place, (*self._path, key, index), f"{message}{did_you_mean(name, known)}"
                )

    def _connectors(self, known: Collection[str]) -> None:
        for index, where, name in self._node.texts("connectors"):
            if name not in known:
                # To guess what was meant takes longer than to read, and there may be thousands of mistakes.
                near = known if self._report.count < _HELPED else ()
                message = f"no connector has this id{did_you_mean(name, near)}"
                self._report.add(where.place, (*self._path, "connectors", index), message)

    def wrong(self, key: str, message: str) -> None:
        """A mistake about one of the keys."""
        below = self._node.child(key)
        place = below.place if below is not None else self._node.key_place
        self._report.add(place, (*self._path, key), message)
