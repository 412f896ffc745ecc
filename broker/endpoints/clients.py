"""Who is calling: client authentication for the endpoints that client apps call directly."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import about
from broker.protocol.client import Client
from broker.protocol.client_auth import present, prove
from broker.protocol.errors import InvalidClient
from broker.protocol.params import Params
from broker.services import SERVICES


async def authenticated(request: web.Request, params: Params) -> Client:
    """The client app that sent this request.

    Raises:
        InvalidClient, InvalidRequest: as `present` and `prove`.
    """
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1:
        raise InvalidClient(reason="two_authorization_headers")
    presented = present(headers[0] if headers else None, params)
    client = prove(presented, await request.app[SERVICES].clients.find(presented.client_id))
    about.from_client(request, client)
    return client
