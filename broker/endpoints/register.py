"""/register: an app registers itself, and later looks at, changes or deletes what it registered.

RFC 7591 §3; RFC 7592 §2 and §3; OpenID Connect Dynamic Client Registration 1.0 §3 and §4. Off until the
operator says otherwise. Whoever registers is bounded before anything of it is read, and all of them together
where they are kept; what they say is judged by `protocol.registration`. The token that opens a registration
is known here by its hash alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from broker.clients.registered import PREFIX
from broker.endpoints import about, http, software_statements
from broker.endpoints.attempts import network_of, site_of
from broker.endpoints.sectors import lists_its_redirects
from broker.protocol import metadata, registration
from broker.protocol.client import secret_digest
from broker.protocol.errors import (
    InvalidClientMetadata,
    InvalidToken,
    TooManyRequests,
    UnapprovedSoftwareStatement,
)
from broker.protocol.handles import digest
from broker.protocol.lookalikes import taken_for
from broker.services import SERVICES, Services
from broker.store import Limit, Registered

ONE = f"{metadata.REGISTER}/{{client_id}}"
_COUNTED = "@register"
"""Among the counters of connectors; no connector has this id."""
_HOUR = 3600
_NETWORKS = 10
"""How much more a site may register than one network, of which it has 65 536."""
_CHANGES = 30
"""Changes of one registration in an hour: each may have us call somebody."""
_CREATED, _NO_CONTENT = 201, 204
_AS_LONG = 60
"""Seconds after which it is worth trying again where there are as many apps as there may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What is registered, and what somebody else vouches for of it."""

    metadata: registration.Metadata
    attested: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    """A fresh client secret, and what is kept of it."""

    text: str = field(repr=False)
    digest: bytes | None = field(repr=False)
    plain: str | None = field(repr=False)


# ── the four requests ─────────────────────────────────────────────────────────────────────────────


async def create(request: web.Request) -> web.Response:
    """POST /register (RFC 7591 §3.1)."""
    services = request.app[SERVICES]
    config, now = services.config.registration, services.now()
    if config.policy == "off":
        raise web.HTTPNotFound
    await _not_too_many(request)
    _may_register(request)
    read = await _read(services, await http.read_json(request), {})
    token, secret = services.fresh(), _secret_for(services, read.metadata)
    client = Registered(
        client_id=PREFIX + services.fresh_name(),
        metadata=dict(read.metadata),
        token_digest=digest(token),
        secret_digest=secret.digest if secret is not None else None,
        secret=secret.plain if secret is not None else None,
        issued_at=now,
        attested=dict(read.attested),
        lookalike=_lookalike(services, read.metadata),
    )
    entered = await services.store.enter_client(client, now=now, ttl=config.unused, most=config.max_clients)
    if not entered:
        raise TooManyRequests(reason="registrations_full", wait=_AS_LONG)
    await services.registered.remember_origins(client, config.unused)
    _log(request, client, "created")
    return http.json(_told(services, client, token, secret), status=_CREATED)


async def look(request: web.Request) -> web.Response:
    """GET /register/{client_id} (RFC 7592 §2.1)."""
    client, token = await _opened(request)
    return http.json(_told(request.app[SERVICES], client, token, None))


async def change(request: web.Request) -> web.Response:
    """PUT /register/{client_id} (RFC 7592 §2.2): all of it is said anew, and what is left out is gone."""
    client, token = await _opened(request)
    services = request.app[SERVICES]
    await _not_too_often(services, client)
    document = await http.read_json(request)
    _is_itself(client, document)
    read = await _read(services, document, client.attested)
    # The time of what follows: what was read may have been waited for, and grants given meanwhile.
    spare, now = _secret_for(services, read.metadata), services.now()

    def changed(before: Registered) -> Registered:
        # Held against what it replaces, which another change may have written since this one was read.
        ends = registration.ends_grants(before.metadata, read.metadata)
        return replace(
            before,
            metadata=dict(read.metadata),
            attested=dict(read.attested),
            lookalike=_lookalike(services, read.metadata),
            grants_since=now if ends else before.grants_since,
            **_kept_of(spare, before, read.metadata),
        )

    config, since = services.config.registration, now - client.issued_at
    # To change it is not to use it: what nobody signs in to is forgotten when it would have been.
    ttl = max(config.unused - since, 1.0) if client.used_at is None else config.idle
    written = await services.store.change_client(client.client_id, changed, now=now, ttl=ttl)
    if written is None:
        raise InvalidToken(reason="registration_gone")
    await services.registered.remember_origins(written, ttl)
    _log(request, written, "changed")
    is_new = spare is not None and (written.secret_digest, written.secret) == (spare.digest, spare.plain)
    return http.json(_told(services, written, token, spare if is_new else None))


async def delete(request: web.Request) -> web.Response:
    """DELETE /register/{client_id} (RFC 7592 §2.3): every code, token and consent of it is over at once."""
    client, _ = await _opened(request)
    await request.app[SERVICES].store.drop_client(client.client_id)
    _log(request, client, "deleted")
    return web.Response(status=_NO_CONTENT, headers=http.NO_STORE)


# ── who may ───────────────────────────────────────────────────────────────────────────────────────


async def _not_too_many(request: web.Request) -> None:
    services, told = request.app[SERVICES], about.client_address(request)
    most, site = services.config.registration.per_address, site_of(told)
    # Those of whom nobody knows the address are counted as if they had one together.
    limits = [Limit("registered", (network_of(told),), most, _HOUR)]
    if site is not None:
        limits.append(Limit("registered_site", (site,), _NETWORKS * most, _HOUR))
    wait, _ = await services.store.spend_attempt(_COUNTED, limits)
    if wait:
        raise TooManyRequests(reason="too_many_registrations", wait=wait)


async def _not_too_often(services: Services, client: Registered) -> None:
    limit = Limit("changed", (client.client_id,), _CHANGES, _HOUR)
    wait, _ = await services.store.spend_attempt(_COUNTED, [limit])
    if wait:
        raise TooManyRequests(reason="too_many_changes", wait=wait)


def _may_register(request: web.Request) -> None:
    """That it brings an initial access token, where one is needed (RFC 7591 §3).

    Raises:
        InvalidToken: it brings none, or one that is none of ours.
    """
    config, token = request.app[SERVICES].config.registration, _bearer(request)
    if token is None and config.policy == "open":
        return
    if token is None:
        raise InvalidToken("An initial access token is needed.", reason="initial_token_missing")
    presented = secret_digest(token)
    right = [hmac.compare_digest(presented, known) for known in config.token_digests]
    if not any(right):
        raise InvalidToken(reason="initial_token_unknown")


async def _opened(request: web.Request) -> tuple[Registered, str]:
    """The registration that the request is about, and the token that opens it.

    Raises:
        InvalidToken: it does not, or there is none; the same is said of both (RFC 7592 §2.1).
    """
    services, token = request.app[SERVICES], _bearer(request)
    client_id = request.match_info["client_id"]
    found = await services.store.read_client(client_id) if client_id.startswith(PREFIX) else None
    if token is None or found is None:
        raise InvalidToken(reason="registration_unknown" if token else "registration_token_missing")
    if not hmac.compare_digest(digest(token), found.token_digest):
        raise InvalidToken(reason="registration_token_wrong")
    request[about.CONCERNS]["client_id"] = client_id
    return found, token


def _bearer(request: web.Request) -> str | None:
    """The one token of the Authorization header (RFC 6750 §2.1)."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def is_here(request: web.Request) -> bool:
    """Whether the request is to this endpoint, or to one registration."""
    path = about.path(request)
    return path == metadata.REGISTER or path.startswith(f"{metadata.REGISTER}/")


def challenge(error: InvalidToken) -> str:
    """RFC 6750 §3: without an error code for whoever did not try."""
    if error.reason.endswith("_missing"):
        return "Bearer"
    return f'Bearer error="{error.error}", error_description="{error.description}"'


# ── what is registered ────────────────────────────────────────────────────────────────────────────


async def _read(services: Services, document: Mapping[str, Any], before: Mapping[str, Any]) -> _Read:
    """What is registered of a document; what was vouched for stays so, unless it is vouched for anew."""
    config, statement = services.config.registration, document.get("software_statement")
    if statement is not None and statement == before.get("software_statement"):
        attested = before  # said again, as RFC 7592 §2.2 wants; what it vouched for stands, expired or not
    elif statement is not None:
        attested = await software_statements.attested(services, statement)
        attested = {**attested, "software_statement": statement}
    elif not before and config.statement_required:
        raise UnapprovedSoftwareStatement("A software statement is needed.", reason="statement_missing")
    else:
        attested = before
    # RFC 7591 §2.3: what the statement says takes precedence.
    found = dict(registration.read({**document, **attested}, config.allowed))
    if "software_statement" in attested:  # §3.2.1: told back as it came
        found["software_statement"] = attested["software_statement"]
    await lists_its_redirects(services, found)
    return _Read(metadata=found, attested=attested)


def _is_itself(client: Registered, document: Mapping[str, Any]) -> None:
    """RFC 7592 §2.2: it says its own ``client_id``, and no other secret than the one it has."""
    if document.get("client_id") != client.client_id:
        raise InvalidClientMetadata("client_id must be that of the registration.", reason="client_id_differs")
    secret = document.get("client_secret")
    if secret is None:
        return
    known = client.secret_digest
    if known is None and client.secret is not None:
        known = secret_digest(client.secret)
    if not isinstance(secret, str) or known is None or not hmac.compare_digest(secret_digest(secret), known):
        raise InvalidClientMetadata("client_secret cannot be chosen.", reason="client_secret_chosen")


def _secret_for(services: Services, found: registration.Metadata) -> _Secret | None:
    """A secret of 256 bits, where the app proves itself by one; in plain only where it signs with it."""
    if not registration.needs_secret(found):
        return None
    text = services.fresh()
    if found["token_endpoint_auth_method"] == "client_secret_jwt":
        return _Secret(text=text, digest=None, plain=text)
    return _Secret(text=text, digest=secret_digest(text), plain=None)


def _kept_of(spare: _Secret | None, before: Registered, found: registration.Metadata) -> dict[str, Any]:
    """What is kept of its secret: another one only where it has none that goes with how it proves itself."""
    if spare is None:
        return {"secret_digest": None, "secret": None}
    by_signing = found["token_endpoint_auth_method"] == "client_secret_jwt"
    if (before.secret if by_signing else before.secret_digest) is not None:
        return {"secret_digest": before.secret_digest, "secret": before.secret}
    return {"secret_digest": spare.digest, "secret": spare.plain}


def _lookalike(services: Services, found: registration.Metadata) -> str:
    """The operator's app that this one's name can be taken for."""
    return taken_for(found["client_name"], services.clients.names) or ""


def _told(services: Services, client: Registered, token: str, secret: _Secret | None) -> dict[str, Any]:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3)."""
    said: dict[str, Any] = {"client_id": client.client_id, "client_id_issued_at": int(client.issued_at)}
    if secret is not None:
        said |= {"client_secret": secret.text, "client_secret_expires_at": 0}
    said["registration_access_token"] = token
    said["registration_client_uri"] = f"{services.issuer}{metadata.REGISTER}/{client.client_id}"
    return said | dict(client.metadata)


def _log(request: web.Request, client: Registered, what: str) -> None:
    request.app[SERVICES].events.emit(
        "registration",
        "ok",
        reason=what,
        detail=f"its name looks like that of {client.lookalike}" if client.lookalike else "",
        client_id=client.client_id,
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
