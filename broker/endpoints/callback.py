"""/callback/{connector}: the browser comes back from an upstream, and we learn who it is.

OpenID Connect Core §3.1.2.5 to §3.1.3.8; RFC 9207; RFC 9700 §4.4, §4.5 and §4.7; SAML Bindings §3.5. The
login is found only with the cookie of the browser that began it, at the connector it left for, and once.
"""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import arrival, flow, http, speaking
from broker.pages import BounceView
from broker.protocol.errors import Shown
from broker.services import SERVICES

BOUNCED = "bounced"
MAX_ANSWER = 256 * 1024
"""Bytes of a form: an encrypted SAML assertion with many groups does not fit into those of other forms."""


async def handle(request: web.Request) -> web.Response:
    """GET and POST /callback/{connector}."""
    connector = request.match_info["connector"]
    upstreams = request.app[SERVICES].upstreams
    if connector not in upstreams.enabled:
        raise Shown("not_found", status=404, detail="no such connector")
    answer = await _answer(request)
    # SAML carries the same value under a name of its own (Bindings §3.5.3).
    state = answer.get("state") or answer.get("RelayState", "")
    upstream, secret = upstreams[connector], request.app[flow.JAR].flow(request, state)
    if secret is None and request.method == "POST" and BOUNCED not in answer:
        onward = upstream.onward(answer)
        return http.see_other(onward) if onward is not None else _bounce(request, connector, answer)
    pending = await arrival.take(request, state, secret, connector)
    speaking.as_asked(request, pending.asked.ui_locales)
    return await arrival.arrive(request, pending, state, lambda: upstream.finish(pending, state, answer))


async def _answer(request: web.Request) -> dict[str, str]:
    """What the browser brought."""
    form = request.method == "POST"
    params = await http.read_params(request.clone(client_max_size=MAX_ANSWER) if form else request)
    if params.repeated:
        raise Shown("bad_request", detail="a parameter is sent more than once")
    # An assertion in a URL is one in logs and histories; SAML sends it by form only (Profiles §4.1.2).
    if "SAMLResponse" in params.values and "?" in request.raw_path:
        raise Shown("bad_request", detail="a SAMLResponse in the URL")
    return dict(params.values)


def _bounce(request: web.Request, connector: str, answer: dict[str, str]) -> web.Response:
    """A form_post from the upstream's site brings no Lax cookie; the same post from ours does."""
    fields = (*answer.items(), (BOUNCED, "1"))
    return http.page(
        request, BounceView(action=request.app[SERVICES].at(f"/callback/{connector}"), fields=fields)
    )
