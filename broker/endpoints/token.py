"""/token: a client app turns what it holds into tokens.

RFC 6749 §3.2 and §5. Owns who may use which grant type; each is a module of `broker.endpoints.granting`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from broker.endpoints import about, http
from broker.endpoints.client_auth import authenticated
from broker.endpoints.granting import client_credentials, code, device, exchange, jwt_bearer, refresh
from broker.protocol import grants
from broker.protocol.client import DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE, Client
from broker.protocol.errors import UnsupportedGrantType
from broker.protocol.params import Params
from broker.services import SERVICES

Redeem = Callable[[web.Request, Client, Params], Awaitable[dict[str, object]]]

GRANTS: Final[Mapping[str, Redeem]] = {
    "authorization_code": code.redeem,
    "refresh_token": refresh.redeem,
    DEVICE_CODE: device.redeem,
    "client_credentials": client_credentials.redeem,
    JWT_BEARER: jwt_bearer.redeem,
    TOKEN_EXCHANGE: exchange.redeem,
}
_MANY: Final[Mapping[str | None, tuple[str, ...]]] = {TOKEN_EXCHANGE: ("audience",)}
"""What may come several times with a grant type, beside ``resource`` (RFC 8693 §2.1)."""


async def handle(request: web.Request) -> web.Response:
    """POST /token."""
    sent = await http.read_form(request)
    params = sent.without_repeats(but=_MANY.get(sent.get("grant_type"), ()))
    client = await authenticated(request, params)
    grant_type = params.require("grant_type")
    redeem = GRANTS.get(grant_type)
    if redeem is None or grant_type not in request.app[SERVICES].grant_types:
        raise UnsupportedGrantType(reason="grant_type_unknown")
    grants.may_use(client, grant_type)
    body = await redeem(request, client, params)
    await request.app[SERVICES].clients.used(client)
    request.app[SERVICES].events.emit(
        "token",
        "ok",
        grant_type=grant_type,
        correlation_id=request[about.CORRELATION],
        **request[about.CONCERNS],
    )
    return http.json(body)
