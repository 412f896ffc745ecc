"""/callback/{connector}: the browser comes back from an upstream, and we learn who it is.

OpenID Connect Core §3.1.2.5 to §3.1.3.8; RFC 9207; RFC 9700 §4.4, §4.5 and §4.7. The login is found only with
the cookie of the browser that began it, at the connector it left for, and once.
"""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import arrival, flow, http
from broker.pages import BounceView
from broker.protocol.errors import Shown
from broker.services import SERVICES

BOUNCED = "bounced"


async def handle(request: web.Request) -> web.Response:
    """GET and POST /callback/{connector}."""
    params = await http.read_params(request)
    if params.repeated:
        raise Shown("bad_request", detail="a parameter is sent more than once")
    answer = dict(params.values)
    # SAML carries the same value under a name of its own (Bindings §3.5.3).
    state = answer.get("state") or answer.get("RelayState", "")
    connector = request.match_info["connector"]
    if connector not in request.app[SERVICES].upstreams.enabled:
        raise Shown("not_found", status=404, detail="no such connector")
    secret = request.app[flow.JAR].flow(request, state)
    if secret is None and request.method == "POST" and BOUNCED not in answer:
        return _bounce(request, connector, answer)
    pending = await arrival.take(request, state, secret, connector)
    upstream = request.app[SERVICES].upstreams[connector]
    return await arrival.arrive(request, pending, state, lambda: upstream.finish(pending, state, answer))


def _bounce(request: web.Request, connector: str, answer: dict[str, str]) -> web.Response:
    """A form_post from the upstream's site brings no Lax cookie; the same post from ours does."""
    fields = (*answer.items(), (BOUNCED, "1"))
    return http.page(request, BounceView(action=f"/callback/{connector}", fields=fields))
