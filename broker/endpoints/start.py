"""/start: have a client app begin a sign-in of its own (OpenID Connect Core §4).

A link to the app from where it did not begin: the account page, a bookmark, a portal. Only the app can
begin a login whose answer it will believe, so the browser is sent to its registered ``initiate_login_uri``
with our issuer. Nothing else of the request is passed on: where the app lands the person, and as whom, is
not for a link to say. An app that no operator has looked at is led to only for who uses it: else anybody
could have a link of ours lead people wherever they like.
"""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import flow, http
from broker.protocol.client import Client
from broker.protocol.errors import Shown
from broker.services import SERVICES, Services

START = "/start"


async def handle(request: web.Request) -> web.Response:
    """GET /start?client_id=…: on to the app."""
    services = request.app[SERVICES]
    client = await services.clients.find(http.read_query(request).get("client_id") or "")
    uri = client.initiate_login_uri if client is not None and client.enabled else None
    if client is None or uri is None:
        raise Shown("not_found", status=404, detail="no such client app, or it begins no sign-in")
    if client.registered_itself and not await _is_used(request, client):
        raise Shown("not_found", status=404, detail="nobody here uses this app, which registered itself")
    return http.see_other(f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': services.issuer})}")


async def _is_used(request: web.Request, client: Client) -> bool:
    """Whether whoever is signed in here has allowed the app something."""
    session = await flow.signed_in(request)
    if session is None:
        return False
    services, subject = request.app[SERVICES], session.context.subject
    return await flow.remembered_consent(services, subject, client.client_id) is not None


def link(services: Services, client: Client | None) -> str | None:
    """The path of ours that leads to this app; None where it cannot begin."""
    if client is None or not client.enabled or client.initiate_login_uri is None:
        return None
    return services.at(f"{START}?{urlencode({'client_id': client.client_id})}")
