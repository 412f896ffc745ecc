"""/introspect and /revoke: an API asks about a token, and a client app gives one back.

RFC 7662; RFC 9701; RFC 7009; RFC 9700 §4.14. Who may not know hears ``{"active": false}`` and nothing else.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from broker.endpoints import about, bearer, http, sealing
from broker.endpoints.client_auth import authenticated
from broker.protocol import handles, tokens
from broker.protocol.client import Client
from broker.protocol.errors import InvalidClient, InvalidToken
from broker.protocol.flow import Grant
from broker.protocol.tokens import AccessToken
from broker.services import SERVICES, Services

AS_TOKEN: Final = "application/token-introspection+jwt"
"""The answer as a token, for an API that must be able to show it to others (RFC 9701 §5)."""

_WEIGHT = re.compile(r"q *= *([01](?:\.[0-9]{0,3})?)")


async def introspect(request: web.Request) -> web.Response:
    """POST /introspect."""
    services = request.app[SERVICES]
    params = (await http.read_form(request)).without_repeats()
    client = await authenticated(request, params)
    if client.is_public:  # RFC 7662 §2.1: whoever asks must prove who they are
        raise InvalidClient(reason="public_client_introspects")
    told = await _told(request, client, params.require("token"))
    # RFC 9701 §4; and what an API wants encrypted is never sent to it in the clear.
    if _wants_token(request) or client.introspection_encrypted_response_alg is not None:
        return http.token(await sealing.introspection(services, client, told), AS_TOKEN)
    return http.json(told)


async def _told(request: web.Request, client: Client, text: str) -> dict[str, Any]:
    """What this client hears of the token: that it is not active, whenever it may not know better."""
    services = request.app[SERVICES]
    try:
        token, grant = await bearer.resolve(services, text)
    except InvalidToken as refusal:
        _log(request, "introspection", refusal.reason)
        return {"active": False}
    if not _may_know(client, token, grant):
        _log(request, "introspection", "token_for_others")
        return {"active": False}
    return tokens.introspection(token, grant, services.scopes, issuer=services.issuer)


def _wants_token(request: web.Request) -> bool:
    """Whether the caller names the token, and nothing that it would rather have (RFC 9110 §12.5.1)."""
    listed = ",".join(request.headers.getall("Accept", ())).split(",")
    ranges = [[part.strip().lower() for part in one.split(";")] for one in listed]
    liked = {kind: min((_weight(part) for part in rest), default=1.0) for kind, *rest in ranges}
    return liked.get(AS_TOKEN, 0.0) > 0 and liked[AS_TOKEN] >= liked.get("application/json", 0.0)


def _weight(parameter: str) -> float:
    """How much it is liked, by its ``q``; what cannot be read is as if it were not there."""
    found = _WEIGHT.fullmatch(parameter)
    return float(found[1]) if found is not None else 1.0


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
    own = [client.audience] if not client.grant_types else []
    if client.token_exchange is not None:
        own += client.token_exchange.own_audiences
    is_the_api = any(name in token.audiences for name in own)
    return is_the_api or token.holder(grant) == client.client_id


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
    """An access token goes with what was exchanged for it, and leaves its grant.

    What it stands on may be amiss just now, and be right again before its end.
    """
    try:
        token, state = await bearer.find(services, text)
    except InvalidToken:
        return False
    if token.holder(state.grant) != client.client_id:
        return False
    revoked = await services.store.revoke_jti(
        state.grant.id, token.jti, expires_at=token.expires_at, now=services.now()
    )
    opaque = handles.parse("access", text, services.store.handle_keys)
    return revoked if opaque is None else await services.store.revoke_access(opaque)
