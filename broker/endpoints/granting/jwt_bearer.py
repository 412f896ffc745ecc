"""jwt-bearer: an assertion of somebody whom the operator trusts becomes an access token. RFC 7523 §2.1."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import possession, sectors
from broker.endpoints.asserting import asserted, used
from broker.endpoints.granting import afresh
from broker.protocol import authorization_details, machine
from broker.protocol.client import JWT_BEARER, Client
from broker.protocol.params import Params
from broker.services import SERVICES


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to an assertion. It is spent last: a refusal for another reason leaves it good."""
    services = request.app[SERVICES]
    scopes = machine.brought_scopes(params, client, services.scopes)
    authorization_details.none_asked(params.get("authorization_details"))
    named, scopes = afresh.targets(services, client, params, scopes)
    await sectors.knows(services, client)
    cnf = await possession.proved(request, client)
    found = await asserted(services, client, params.require("assertion"))
    await used(services, found)
    made = afresh.grant(request, client, JWT_BEARER, found.who, scopes=scopes, named=named)
    return await afresh.give(request, client, made, cnf=cnf)
