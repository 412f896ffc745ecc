"""Ending this browser's session, and where the browser goes then.

Owns what all sign-outs in a browser share: the account page's, a client app's, and the way back from an
upstream where the session ended too. Client apps that want it sign out in frames of the page, which leads
on as soon as those had their time; where nothing is to be shown, the browser goes on at once. RP-Initiated
Logout 1.0 §3; Front-Channel Logout 1.0 §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from broker.endpoints import about, flow, http, speaking
from broker.logout import Ended
from broker.pages import SignedOutView
from broker.protocol.client import Client
from broker.protocol.errors import OAuthError
from broker.protocol.flow import Session
from broker.protocol.logout import LogoutRequest, PendingLogout, way_back
from broker.protocol.metadata import SIGNED_OUT
from broker.services import SERVICES

ACCOUNT = flow.ACCOUNT

_NOTHING = LogoutRequest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """Where a client app wants the person to land, if that is registered with it."""

    asked: LogoutRequest = _NOTHING
    client: Client | None = None
    everywhere: bool = False
    """Whether every other session of the person has been ended too."""

    @property
    def url(self) -> str | None:
        """The address, with the app's ``state`` and nothing else."""
        return way_back(self.client, self.asked.post_logout_redirect_uri, self.asked.state)


async def onward(request: web.Request, asked: LogoutRequest) -> Onward:
    """What is known of the app that asks; from here on the pages speak as it wants."""
    services = request.app[SERVICES]
    speaking.as_asked(request, asked.ui_locales)
    client = None if asked.client_id is None else await services.clients.find(asked.client_id)
    return Onward(asked=asked, client=client)


async def sign_out(request: web.Request, session: Session, to: Onward, *, why: str) -> web.Response:
    """End the session, and answer with what comes next."""
    services, jar = request.app[SERVICES], request.app[flow.JAR]
    ended = await services.endings.end(session.sid, why, cookie=jar.session(request))
    services.events.emit(
        "sign_out",
        "ok",
        reason=why,
        client_id=to.client.client_id if to.client is not None else "",
        subject=session.context.subject,
        sid=session.sid,
        connector=session.context.connector,
        correlation_id=request[about.CORRELATION],
    )
    response = await _after(request, session, ended, to)
    jar.drop_session(response)
    return response


async def _after(request: web.Request, session: Session, ended: Ended | None, to: Onward) -> web.Response:
    services, connector = request.app[SERVICES], session.context.connector
    frames = ended.frames(services.issuer, services.sid) if ended is not None else ()
    upstream = services.upstreams[connector] if connector in services.upstreams.enabled else None
    there = await _url_there(request, session) if upstream is not None else None
    if there is not None and upstream is not None and upstream.logs_out_always:
        return await _by_way_of(request, there, frames, to)
    if to.url is not None and not frames:
        return http.go(request, to.url, to.client)
    view = _view(ended, frames, to)
    if upstream is not None and upstream.asks:  # they answered on a page of ours, and nobody else knows them
        view = replace(view, there=True)
    elif upstream is not None:
        view = replace(view, upstream=upstream.name, upstream_url=there)
    return http.page(request, view)


async def _by_way_of(request: web.Request, url: str, frames: Sequence[str], to: Onward) -> web.Response:
    """By way of the upstream's own end of session, and from there to `back_from_there`."""
    services = request.app[SERVICES]
    view = SignedOutView(frames=tuple(frames), onward_url=url)
    response = http.page(request, view) if frames else http.go(request, url, None)
    if to.url is not None:
        kept, ttl = flow.new_flow(services), services.config.lifetimes.login
        await services.store.put_logout(kept.id, kept.secret, PendingLogout(asked=to.asked), ttl)
        request.app[flow.JAR].set_leaving(response, kept, ttl=ttl)
    else:  # where an earlier sign-out was to lead, which never came back
        request.app[flow.JAR].drop_leaving(response)
    return response


async def _url_there(request: web.Request, session: Session) -> str | None:
    """Where the session at the upstream ends too; None where that is not offered or cannot be told."""
    services, connector = request.app[SERVICES], session.context.connector
    try:
        return await services.upstreams[connector].logout_url(session.logout_by, services.issuer + SIGNED_OUT)
    except OAuthError as error:  # they are signed out here all the same, and the page says what goes on there
        services.events.emit(
            "upstream_logout",
            "failed",
            reason=error.reason,
            detail=error.detail,
            connector=connector,
            correlation_id=request[about.CORRELATION],
        )
        return None


async def back_from_there(request: web.Request) -> web.Response:
    """GET /signed-out: back from an upstream that ended its session. Nothing of the request counts.

    Anybody may send a browser here, so that somebody is signed out is said only where nobody is signed in;
    and it goes on only to where a sign-out in this very browser was to lead.
    """
    services, jar = request.app[SERVICES], request.app[flow.JAR]
    kept = jar.leaving(request)
    pending = None if kept is None else await services.store.take_logout(kept.id, kept.secret)
    to = Onward() if pending is None else await onward(request, pending.asked)
    if to.url is not None:
        response = http.go(request, to.url, to.client)
    else:
        still = await flow.current_session(request)
        account = None if still is None else services.at(ACCOUNT)
        response = http.page(request, SignedOutView(there=True, account_url=account))
    if kept is not None:
        jar.drop_leaving(response)
    return response


def nothing_to_end(request: web.Request, to: Onward) -> web.Response:
    """Nobody is signed in: on to the app, or to the page that says so.

    Nobody vouches for an app that registered itself, and nothing here says that this person knows it: the
    page has a link, so that such an app cannot make us lead people anywhere (RFC 9700 §4.11.2).
    """
    leads = to.client is None or not to.client.registered_itself
    if to.url is not None and leads:
        return http.go(request, to.url, to.client)
    return http.page(request, replace(_view(None, (), to), leads=leads))


def _view(ended: Ended | None, frames: Sequence[str], to: Onward) -> SignedOutView:
    client, told = to.client, () if ended is None else (*ended.told, *ended.framed)
    return SignedOutView(
        client_name=client.client_name if client is not None else None,
        client_id=client.client_id if client is not None else None,
        everywhere=to.everywhere,
        ended=_names(told),
        open=() if ended is None else _names(ended.open),
        frames=tuple(frames),
        onward_url=to.url,
        custom_scheme=None if to.url is None else http.custom_scheme(to.url),
    )


def _names(clients: Sequence[Client]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(client.client_name for client in clients))
