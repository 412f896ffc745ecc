"""/connectors/{connector}/…-logout: an upstream says that a session of somebody's there is over.

Back-Channel Logout 1.0 §2.5 to §2.8; Front-Channel Logout 1.0 §2 and §3. The sessions that came of it end
here, and no others, and whoever was given tokens in them is told. A logout token is believed only when it
is checked in full, and once. A frame of the upstream's page brings no cookie of ours and proves nothing but
that somebody knows a ``sid`` that nobody can guess; so it must name both issuer and session, and learns
nothing.
"""

from __future__ import annotations

from aiohttp import web

from broker.connector import LoggedOut
from broker.endpoints import about, http
from broker.protocol import logout, subject
from broker.protocol.errors import InvalidRequest, OAuthError, Shown, TemporarilyUnavailable
from broker.protocol.instants import LEEWAY
from broker.services import SERVICES, Services

BACK_CHANNEL = "/connectors/{connector}/backchannel-logout"
FRONT_CHANNEL = "/connectors/{connector}/frontchannel-logout"
WHY = "upstream_signed_out"
_FAMILY = "logout token"
# Only a frame's own headers: the page in it is empty, and any upstream's page may hold it.
_FRAME = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors *",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def back_channel(request: web.Request) -> web.Response:
    """POST /connectors/{connector}/backchannel-logout."""
    services, connector = request.app[SERVICES], _connector(request)
    token = (await http.read_form(request)).without_repeats().require("logout_token")
    said = await _believed(services, connector, token)
    named = f"{connector} {said.issuer} {said.jti}"
    if await services.store.used(_FAMILY, named):
        raise InvalidRequest("This logout token was used before.", reason="logout_token_replayed")
    ours = None
    if said.subject is not None:
        key = services.keys.subject_key
        ours = subject.mint(connector=connector, issuer=said.issuer, subject=said.subject, key=key)
    ended = await services.endings.end_named(
        connector, said.issuer, sid=said.sid, subject=said.subject, ours=ours, why=WHY
    )
    # Last: should we die before, the upstream says it again, and is heard.
    await services.store.once(_FAMILY, named, logout.OLDEST + 2 * LEEWAY)
    _tell_log(services, request, connector, len(ended))
    return web.Response(status=200, headers=http.NO_STORE)


async def front_channel(request: web.Request) -> web.Response:
    """GET /connectors/{connector}/frontchannel-logout: an empty page, whatever it was."""
    services, connector = request.app[SERVICES], _connector(request)
    params = http.read_query(request)
    issuer, sid = params.get("iss"), params.get("sid")
    if issuer is not None and sid is not None:
        ended = await services.endings.end_named(connector, issuer, sid=sid, subject=None, ours=None, why=WHY)
        _tell_log(services, request, connector, len(ended))
    return web.Response(status=200, headers=_FRAME, content_type="text/html")


async def _believed(services: Services, connector: str, token: str) -> LoggedOut:
    """What the token ends.

    Raises:
        InvalidRequest: it is not to be believed (Back-Channel §2.8); the log hears why.
        TemporarilyUnavailable: nobody can tell now.
    """
    try:
        return await services.upstreams[connector].logged_out(token)
    except TemporarilyUnavailable:
        raise
    except OAuthError as error:
        raise InvalidRequest(
            "The logout token is not valid.", reason=error.reason, detail=error.detail
        ) from error


def _connector(request: web.Request) -> str:
    connector: str = request.match_info["connector"]
    if connector not in request.app[SERVICES].upstreams.enabled:
        raise Shown("not_found", status=404, detail="no such connector")
    return connector


def _tell_log(services: Services, request: web.Request, connector: str, ended: int) -> None:
    services.events.emit(
        "upstream_logout",
        "ok" if ended else "refused",
        reason="" if ended else "no_such_session",
        detail=f"{ended} ended",
        connector=connector,
        correlation_id=request[about.CORRELATION],
    )
