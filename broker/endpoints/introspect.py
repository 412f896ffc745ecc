"""/introspect and /revoke: an API asks about a token, and a client app gives one back.

RFC 7662; RFC 7009; RFC 9700 §4.14. Whoever may not know hears ``{"active": false}`` and nothing else.
"""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import about, bearer, http
from broker.endpoints.clients import authenticated
from broker.protocol import handles, tokens
from broker.protocol.client import Client
from broker.protocol.errors import InvalidClient, InvalidToken
from broker.protocol.flow import Grant
from broker.protocol.tokens import AccessToken
from broker.services import SERVICES, Services


async def introspect(request: web.Request) -> web.Response:
    """POST /introspect."""
    services = request.app[SERVICES]
    params = (await http.read_form(request)).without_repeats()
    client = await authenticated(request, params)
    if client.is_public:  # RFC 7662 §2.1: whoever asks must prove who they are
        raise InvalidClient(reason="public_client_introspects")
    text = params.require("token")
    try:
        token, grant = await bearer.resolve(services, text)
    except InvalidToken as refusal:
        return _inactive(request, refusal.reason)
    if not _may_know(client, token, grant):
        return _inactive(request, "token_for_others")
    return http.json(tokens.introspection(token, grant, services.scopes, issuer=services.issuer))


def _inactive(request: web.Request, reason: str) -> web.Response:
    _log(request, "introspection", reason)
    return http.json({"active": False})


def _log(request: web.Request, event: str, reason: str) -> None:
    request.app[SERVICES].events.emit(
        event,
        "refused" if reason else "ok",
        reason=reason,
        correlation_id=request[about.CORRELATION],
        address=about.client_address(request),
        **request[about.CONCERNS],
    )


def _may_know(client: Client, token: AccessToken, grant: Grant) -> bool:
    """Whether the token was given to this client, or this is the API that it is meant for (RFC 7662 §4)."""
    is_the_api = not client.grant_types and client.audience in token.audiences
    return is_the_api or grant.client_id == client.client_id


async def revoke(request: web.Request) -> web.Response:
    """POST /revoke: 200 whatever the token was, so that nothing is told of it (RFC 7009 §2.2)."""
    services = request.app[SERVICES]
    params = (await http.read_form(request)).without_repeats()
    client = await authenticated(request, params)
    text = params.require("token")
    revoked = await _revoke_refresh(services, client, text) or await _revoke_access(services, client, text)
    _log(request, "revocation", "" if revoked else "token_unknown")
    return web.Response(status=200, headers=http.NO_STORE)


async def _revoke_refresh(services: Services, client: Client, text: str) -> bool:
    """A refresh token takes its whole grant with it (RFC 7009 §2.1)."""
    handle = handles.parse("refresh", text, services.store.handle_keys)
    state = await services.store.read_grant(handle.grant_id) if handle is not None else None
    if handle is None or state is None or state.grant.client_id != client.client_id:
        return False
    await services.store.revoke_grant(handle.grant_id)
    return True


async def _revoke_access(services: Services, client: Client, text: str) -> bool:
    """An access token goes alone."""
    try:
        token, grant = await bearer.resolve(services, text)
    except InvalidToken:
        return False
    if grant.client_id != client.client_id:
        return False
    opaque = handles.parse("access", text, services.store.handle_keys)
    if opaque is not None:
        return await services.store.revoke_access(opaque)
    return await services.store.revoke_jti(
        grant.id, token.jti, expires_at=token.expires_at, now=services.now()
    )
