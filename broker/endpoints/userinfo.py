"""/userinfo: what a person let an app know, as JSON or as a token. OpenID Connect Core §5.3; RFC 6750."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import bearer, http, possession, sealing
from broker.protocol import tokens
from broker.protocol.errors import InsufficientScope
from broker.protocol.scopes import OPENID
from broker.services import SERVICES


async def handle(request: web.Request) -> web.Response:
    """GET and POST /userinfo."""
    services = request.app[SERVICES]
    shown = await bearer.presented(request)
    if shown is None:
        # RFC 6750 §3.1: who sent no token at all is told no error, only how to ask.
        how = f"Bearer, {possession.challenge()}"
        return http.json({}, status=401, headers=http.NO_STORE | {"WWW-Authenticate": how})
    possession.came_by(request, shown.scheme)
    token, grant = await bearer.resolve(services, shown.text)
    await possession.presents(request, token, scheme=shown.scheme, text=shown.text)
    if OPENID not in token.scopes:
        raise InsufficientScope(reason="openid_missing")
    said = tokens.userinfo(token, grant, services.scopes)
    client = await services.clients.find(token.holder(grant))
    as_token = await sealing.userinfo(services, client, said) if client is not None else None
    return http.json(said) if as_token is None else http.token(as_token, "application/jwt")
