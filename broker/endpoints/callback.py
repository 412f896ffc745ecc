"""/callback/{connector}: the browser comes back from an upstream, and we learn who it is.

OpenID Connect Core §3.1.2.5 to §3.1.3.8; RFC 9207; RFC 9700 §4.4, §4.5 and §4.7. The login is found only with
the cookie of the browser that began it, at the connector it left for, and once.
"""

from __future__ import annotations

from aiohttp import web

from broker.connector import UpstreamIdentity
from broker.endpoints import about, cookies, flow, http
from broker.mapping import Documents, MappingRefused, apply
from broker.pages import BounceView
from broker.protocol import routing, sessions, subject
from broker.protocol.errors import AccessDenied, Shown
from broker.protocol.flow import AuthenticationContext, PendingLogin, Session
from broker.services import SERVICES, Services

BOUNCED = "bounced"


async def handle(request: web.Request) -> web.Response:
    """GET and POST /callback/{connector}."""
    params = await http.read_params(request)
    if params.repeated:
        raise Shown("bad_request", detail="a parameter is sent more than once")
    answer = dict(params.values)
    state, connector = answer.get("state", ""), request.match_info["connector"]
    if connector not in request.app[SERVICES].upstreams.enabled:
        raise Shown("not_found", status=404, detail="no such connector")
    secret = request.app[flow.JAR].flow(request, state)
    if secret is None and request.method == "POST" and BOUNCED not in answer:
        return _bounce(request, connector, answer)
    pending = await _take(request, state, secret, connector)
    request[about.CORRELATION] = pending.asked.correlation_id
    with flow.told_to(pending.asked):
        _still_allowed(request.app[SERVICES], pending)
        identity = await request.app[SERVICES].upstreams[connector].finish(pending, state, answer)
        context = _context(request.app[SERVICES], pending, identity)
        sessions.is_whom_was_asked(pending.asked, context)
        who, cookie = await _begin_session(request, context)
        response = await flow.conclude(request, pending.asked, who)
    _settle_cookies(request, response, state, cookie, connector)
    return response


def _bounce(request: web.Request, connector: str, answer: dict[str, str]) -> web.Response:
    """A form_post from the upstream's site brings no Lax cookie; the same post from ours does."""
    fields = (*answer.items(), (BOUNCED, "1"))
    return http.page(request, BounceView(action=f"/callback/{connector}", fields=fields))


async def _take(request: web.Request, state: str, secret: str | None, connector: str) -> PendingLogin:
    services = request.app[SERVICES]
    if secret is None:  # another browser: the login stays as it is, for its owner
        raise Shown("browser_mismatch", detail="no flow cookie in this browser")
    pending = await services.store.take_login(state, secret, connector)
    if pending is None:
        raise Shown("login_expired", detail="used before, expired, or another connector's")
    flow.client_of(services, pending.asked)
    return pending


def _still_allowed(services: Services, pending: PendingLogin) -> None:
    """That the client app still allows the connector that the login went to."""
    client = services.clients[pending.asked.client_id]
    routing.picked(pending.connector, routing.choices(client, services.upstreams.enabled))


def _context(services: Services, pending: PendingLogin, identity: UpstreamIdentity) -> AuthenticationContext:
    """The upstream's words in ours."""
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo)
    try:
        mapped = apply(services.upstreams[pending.connector].claims_map, documents)
    except MappingRefused as refusal:
        raise AccessDenied(
            "The sign-in lacks something that is needed.", reason="claim_missing", detail=refusal.claim
        ) from refusal
    return AuthenticationContext(
        subject=subject.mint(
            connector=pending.connector,
            issuer=identity.issuer,
            subject=identity.subject,
            key=services.keys.subject_key,
        ),
        connector=pending.connector,
        auth_time=identity.auth_time,
        acr=identity.acr,
        amr=identity.amr,
        claims=mapped.claims,
        sources=mapped.sources,
    )


async def _begin_session(request: web.Request, context: AuthenticationContext) -> tuple[flow.SignedIn, str]:
    """A new session under a new cookie; whatever cookie the browser brought is never adopted."""
    services = request.app[SERVICES]
    lifetimes, now = services.config.lifetimes.session, services.now()
    sid = await _replace_old_session(request, context) or services.fresh_name()
    session = Session(sid=sid, context=context, started_at=now, ends_at=now + lifetimes.absolute)
    cookie = cookies.session_cookie(sid, services.fresh())
    await services.store.put_session(cookie, session, min(lifetimes.idle, lifetimes.absolute))
    services.events.emit(
        "login",
        "ok",
        connector=context.connector,
        subject=context.subject,
        sid=sid,
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
    return flow.SignedIn.by(session), cookie


async def _replace_old_session(request: web.Request, context: AuthenticationContext) -> str | None:
    """End the session this browser had. The same person keeps its ``sid``, and so their tokens."""
    services, old_cookie = request.app[SERVICES], request.app[flow.JAR].session(request)
    old = await flow.current_session(request)
    if old_cookie is None or old is None:
        return None
    if old.context.subject == context.subject:
        await services.store.drop_session(old_cookie)
        return old.sid
    await services.store.end_session(old_cookie, flow.longest_token_life(services))
    return None


def _settle_cookies(
    request: web.Request, response: web.Response, state: str, cookie: str, connector: str
) -> None:
    jar, services = request.app[flow.JAR], request.app[SERVICES]
    jar.set_session(response, cookie, ttl=services.config.lifetimes.session.absolute)
    jar.drop_flow(response, state)
    jar.set_last_connector(response, connector)
