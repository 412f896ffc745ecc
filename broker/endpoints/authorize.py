"""/authorize: a client app sends us a browser, and we send it on.

OpenID Connect Core §3.1.2.1; RFC 6749 §4.1.1; RFC 9700 §2.1.
"""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import about, choosing, flow, http, requests, speaking
from broker.protocol.errors import Shown
from broker.protocol.flow import AuthorizeRequest
from broker.services import SERVICES


async def handle(request: web.Request) -> web.Response:
    """GET and POST /authorize."""
    params = await http.read_params(request)
    speaking.as_asked(request, (params.get("ui_locales") or "").split())  # should it be refused with a page
    asked = await requests.read(request, params)
    speaking.as_asked(request, asked.ui_locales)
    with flow.told_to(asked):
        if request.method == "POST":
            # A POST from another site brings no Lax cookie; a GET of our own does.
            return await flow.wait_for_get(request, asked)
        return await flow.proceed(request, asked)


async def resume(request: web.Request) -> web.Response:
    """GET /continue: a kept request on a GET of our own, and the links of the chooser."""
    params = http.read_query(request)
    flow_id = params.get("flow") or ""
    asked = await _kept(request, flow_id)
    request[about.CORRELATION] = asked.correlation_id
    speaking.as_asked(request, asked.ui_locales)
    with flow.told_to(asked):
        return await flow.proceed(request, asked, choosing.Visit.of(params))


async def _kept(request: web.Request, flow_id: str) -> AuthorizeRequest:
    services, secret = request.app[SERVICES], request.app[flow.JAR].flow(request, flow_id)
    if secret is None:
        raise Shown("browser_mismatch", detail="no flow cookie in this browser")
    pending = await services.store.read_request(flow_id, secret)
    if pending is None:
        raise Shown("login_expired", detail="no request is kept under this id")
    await flow.client_of(services, pending.asked)
    return pending.asked
