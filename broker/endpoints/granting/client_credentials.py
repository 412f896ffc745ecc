"""client_credentials: a client app gets an access token for itself. RFC 6749 §4.4; RFC 9068 §2.2."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import possession
from broker.endpoints.granting import afresh
from broker.protocol import machine
from broker.protocol.client import Client
from broker.protocol.errors import UnauthorizedClient
from broker.protocol.params import Params
from broker.services import SERVICES


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to a client that has proved who it is, and asks for itself.

    Raises:
        UnauthorizedClient: it has proved nothing, as a public client cannot (RFC 6749 §4.4).
    """
    services = request.app[SERVICES]
    if client.is_public:
        raise UnauthorizedClient("This grant is for clients with credentials.", reason="public_client")
    scopes = machine.own_scopes(params, client, services.scopes)
    named, scopes = afresh.targets(services, client, params, scopes)
    asked = afresh.details(services, client, params)
    cnf = await possession.proved(request, client)
    who = machine.of_client(client)
    made = afresh.grant(request, client, "client_credentials", who, scopes=scopes, named=named, asked=asked)
    return await afresh.give(request, client, made, cnf=cnf)
