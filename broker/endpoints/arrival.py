"""Somebody has signed in at an upstream: from who that is to an answer for the client app.

Owns what the callback and our own login pages have in common: the upstream's words become ours, a session
begins under a new cookie, and `flow.conclude` says what comes next. Core §3.1.2; RFC 9700 §4.5.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from aiohttp import web

from broker.connector import UpstreamDetour, UpstreamIdentity
from broker.endpoints import about, cookies, explaining, flow
from broker.endpoints.asking import hold
from broker.endpoints.ends import is_over
from broker.endpoints.recognition import recognise
from broker.pages.safety import plain
from broker.protocol import routing, sessions
from broker.protocol.client import Client
from broker.protocol.errors import LoginRequired, ServerError, Shown
from broker.protocol.flow import AuthenticationContext, PendingLogin, Session
from broker.record import replace
from broker.services import SERVICES, Services
from broker.store import Origin

_MOST_DETOURS = 5
_AT_ONCE = 60.0
"""Seconds for which logins in several tabs of one browser become one session."""
_LONGEST_DEVICE = 200
"""Characters of what a browser says of itself."""


async def take(request: web.Request, state: str, secret: str | None, connector: str) -> PendingLogin:
    """The login that this browser began at this connector; once.

    Raises:
        Shown: there is none, so nobody else is told.
    """
    services = request.app[SERVICES]
    if secret is None:  # another browser: the login stays as it is, for its owner
        raise Shown("browser_mismatch", detail="no flow cookie in this browser")
    pending = await services.store.take_login(state, secret, connector)
    if pending is None:
        raise Shown("login_expired", detail="used before, expired, or another connector's")
    await flow.client_of(services, pending.asked)
    return pending


async def arrive(
    request: web.Request,
    pending: PendingLogin,
    state: str,
    who: Callable[[], Awaitable[UpstreamIdentity]],
    *,
    since: float | None = None,
) -> web.Response:
    """The answer to a login that was taken: the client app's, whatever comes of ``who``.

    ``since`` is when people of ours began to be looked up, who may have been disabled meanwhile.
    """
    services = request.app[SERVICES]
    request[about.CORRELATION] = pending.asked.correlation_id
    explaining.concerns(request, pending.asked, pending)
    with flow.told_to(pending.asked):
        client = await still_allowed(services, pending)
        try:
            identity = await who()
        except UpstreamDetour as detour:
            explaining.decided(request, "upstream", "a detour", detour.detour)
            return await _once_more(request, pending, detour)
        context = recognise(
            services,
            pending.connector,
            identity,
            correlation_id=pending.asked.correlation_id,
            since=since,
            seen=explaining.sees_the_map(request, pending, client),
        )
        if since is not None and await is_over(services, context, since):
            raise LoginRequired(reason="ended_meanwhile")
        sessions.is_whom_was_asked(pending.asked, context, sub=services.sub(context, client))
        context = await hold(services, context, identity)
        known, cookie = await _begin_session(request, context, identity)
        response = await flow.conclude(request, pending.asked, known)
    _settle_cookies(request, response, state, cookie, pending.connector)
    return response


async def _once_more(request: web.Request, pending: PendingLogin, detour: UpstreamDetour) -> web.Response:
    if pending.detours >= _MOST_DETOURS:
        raise ServerError(reason="too_many_detours", detail=detour.detail)
    detours = pending.detours + 1
    return await flow.depart(request, pending.asked, pending.connector, detour=detour.detour, detours=detours)


async def still_allowed(services: Services, pending: PendingLogin) -> Client:
    """The client app, which must still allow the connector that the login went to."""
    client = await flow.client_of(services, pending.asked)
    routing.picked(pending.connector, services.config.routing.routes.allowed(client))
    return client


async def _begin_session(
    request: web.Request, context: AuthenticationContext, identity: UpstreamIdentity
) -> tuple[flow.SignedIn, str]:
    """A new session under a new cookie; whatever cookie the browser brought is never adopted."""
    services = request.app[SERVICES]
    lifetimes, now = services.config.lifetimes.session, services.now()
    before = await _old_session(request, context)
    no_later = math.inf if identity.session_ends is None else identity.session_ends
    session = Session(
        sid=await _sid(request, context, None if before is None else before[0]),
        context=context,
        started_at=now,
        ends_at=min(now + lifetimes.absolute, no_later),
        logout_by=dict(identity.logout_by) if services.upstreams[context.connector].offers_logout else {},
    )
    idle, origin = min(lifetimes.idle, lifetimes.absolute), _origin(request, identity)
    cookie = cookies.session_cookie(session.sid, services.fresh())
    replaces = None if before is None else before[1]
    if not await services.store.put_session(cookie, session, idle, origin=origin, replaces=replaces):
        # Signed out since we looked: what came of that session stays dead, and this is another one.
        session = replace(session, sid=services.fresh_name())
        cookie = cookies.session_cookie(session.sid, services.fresh())
        await services.store.put_session(cookie, session, idle, origin=origin)
    if before is not None and session.ends_at - now < idle:
        await services.endings.comes_sooner(session)
    services.events.emit(
        "login",
        "ok",
        connector=context.connector,
        subject=context.subject,
        sid=session.sid,
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
    return flow.SignedIn.by(session), cookie


async def _sid(request: web.Request, context: AuthenticationContext, before: str | None) -> str:
    """The sid ``before``, or a new one, on which this person's tabs agree that come back just now.

    A browser that opens with many tabs sends all of them to sign in at once, and keeps the cookie of one.
    Whoever signs out by that one is signed out in all of them.
    """
    services, browser = request.app[SERVICES], request.app[flow.JAR].eldest_flow(request)
    sid = services.fresh_name() if before is None else before
    if browser is None:
        return sid
    agreed = await services.store.agreed_sid(browser, context.subject, sid, _AT_ONCE)
    return agreed if before is None else before


def _origin(request: web.Request, identity: UpstreamIdentity) -> Origin:
    """By what a session is found again: on its person's list of devices, and by its upstream's logout."""
    named = word if isinstance(word := identity.id_token.get("sub"), str) else None
    return Origin(
        device=plain(request.headers.get("User-Agent", ""), _LONGEST_DEVICE),
        issuer=identity.issuer,
        sid=identity.sid,
        subject=None if named == identity.subject else named,
    )


async def _old_session(request: web.Request, context: AuthenticationContext) -> tuple[str, str] | None:
    """The session this browser had, if it is the same person's: they keep its ``sid``, and so their tokens.

    Its ``sid`` and its cookie. Somebody else's has ended.
    """
    services, old_cookie = request.app[SERVICES], request.app[flow.JAR].session(request)
    old = await flow.current_session(request)
    if old_cookie is None or old is None:
        explaining.decided(request, "session", "new")
        return None
    same = old.context.subject == context.subject
    why = "the same person's before it goes on" if same else "somebody else's before it has ended"
    explaining.decided(request, "session", "new", why)
    if same:
        return old.sid, old_cookie
    await services.endings.end(old.sid, "somebody_else_signed_in", cookie=old_cookie)
    return None


def _settle_cookies(
    request: web.Request, response: web.Response, state: str, cookie: str, connector: str
) -> None:
    jar, services = request.app[flow.JAR], request.app[SERVICES]
    jar.set_session(response, cookie, ttl=services.config.lifetimes.session.absolute)
    jar.drop_flow(response, state)
    jar.set_last_connector(response, connector)
