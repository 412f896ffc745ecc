"""/account: where a person is signed in, what they allowed which app, and the way to end or take back either.

The page has no login of its own: it is one more client app of the broker, built in, so that a person comes to
it by the same way as to any other. Every change is a form of our own page; what it may touch is found by who
is signed in, never by what the form says alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import about, flow, forms, http, signing_out, start
from broker.endpoints.forms import csrf_token, from_our_own_page, person_in_words
from broker.pages import AccountView, ApiLine, Forget, GrantLine, SessionLine
from broker.protocol import scopes
from broker.protocol.client import Client
from broker.protocol.errors import Shown
from broker.protocol.flow import Consent, ConsentAt, Session
from broker.protocol.metadata import AUTHORIZE
from broker.protocol.params import Params
from broker.protocol.pkce import challenge_of
from broker.protocol.user_agent import device_of
from broker.services import SERVICES, Services
from broker.store import KnownSession

ACCOUNT = flow.ACCOUNT
BACK, WITHDRAW, SIGN_OUT = f"{ACCOUNT}/back", f"{ACCOUNT}/withdraw", f"{ACCOUNT}/sign-out"
END, EVERYWHERE = f"{ACCOUNT}/end", f"{ACCOUNT}/sign-out-everywhere"
FORGET, RECEIPT, RECEIPTS = f"{ACCOUNT}/forget", f"{ACCOUNT}/receipt", f"{ACCOUNT}/receipts"
CLIENT_ID = "broker.account"
_PATIENCE = 1.0
"""Seconds that the page waits for what an app says of itself somewhere else."""


def client(issuer: str) -> Client:
    """The account page as a client app: trusted, and with nothing but ``openid``."""
    return Client(
        client_id=CLIENT_ID,
        client_name="Your account",
        redirect_uris=(issuer + BACK,),
        token_endpoint_auth_method="none",
        scopes=frozenset({"openid"}),
        trusted=True,
    )


async def show(request: web.Request) -> web.Response:
    """GET /account: the page, or the way to sign in."""
    session = await flow.signed_in(request)
    if session is None:
        return http.see_other(_sign_in(request.app[SERVICES]))
    return await _page(request, session)


async def back(request: web.Request) -> web.Response:
    """GET /account/back: signed in. The session is what counts; the code is left to expire."""
    refused, account = http.read_query(request).get("error"), request.app[SERVICES].at(ACCOUNT)
    if refused is not None:  # not to /account again, which would only ask once more
        raise Shown("upstream_refused", detail="the sign-in for the account page failed", back_url=account)
    return http.see_other(account)


def _sign_in(services: Services) -> str:
    asked = {
        "client_id": CLIENT_ID,
        "redirect_uri": services.issuer + BACK,
        "response_type": "code",
        "scope": "openid",
        "code_challenge": challenge_of(services.fresh()),
        "code_challenge_method": "S256",
    }
    return services.at(f"{AUTHORIZE}?{urlencode(asked)}")


# ── what apps were allowed ────────────────────────────────────────────────────────────────────────


async def withdraw(request: web.Request) -> web.Response:
    """POST /account/withdraw: take one app's access back, or only that at one API; its tokens die with it."""
    form, session = await own_form(request)
    services, subject = request.app[SERVICES], session.context.subject
    client_id, uri = form.get("client_id") or "", form.get("resource") or ""
    if uri:
        withdrawn = await services.endings.withdraw_at(subject, client_id, uri)
    else:
        withdrawn = await services.endings.withdraw(subject, client_id)
    services.events.emit(
        "consent_withdrawn",
        "ok" if withdrawn else "refused",
        client_id=client_id,
        subject=subject,
        detail=uri if withdrawn else "",  # else it is whatever somebody sent
        correlation_id=request[about.CORRELATION],
    )
    known = await found_soon(services, client_id)
    name = known.client_name if known is not None else client_id
    # What the first of two clicks did is told by the answer to the second, which alone is seen.
    if uri:
        there = await _withdrawn_at(services, subject, client_id, uri)
        return await _page(request, session, withdrawn=name if there else None, withdrawn_at=there)
    return await _page(request, session, withdrawn=name if withdrawn or known is not None else None)


async def _withdrawn_at(services: Services, subject: str, client_id: str, uri: str) -> str | None:
    """The name of an API at which the person has taken back what an app may do."""
    consent = await services.store.read_consent(subject, client_id)
    gone = consent.withdrawn.get(uri) if consent is not None else None
    return _api_name(services, uri, gone.name) if gone is not None else None


async def forget(request: web.Request) -> web.Response:
    """POST /account/forget: this browser no longer remembers which way to sign in it used last."""
    _, session = await own_form(request)
    response = await _page(request, session, forgotten=True)
    request.app[flow.JAR].drop_last_connector(response)
    return response


# ── where they are signed in ──────────────────────────────────────────────────────────────────────


async def end(request: web.Request) -> web.Response:
    """POST /account/end: sign another browser out. Only one of the person's own: a ``sid`` is no secret."""
    form, session = await own_form(request)
    services, sid = request.app[SERVICES], form.get("sid") or ""
    if sid == session.sid:
        return await signing_out.sign_out(request, session, signing_out.Onward(), why="signed_out")
    known = await services.store.known_session(sid) if sid else None
    theirs = known is not None and known.listed.subject == session.context.subject
    ended = await services.endings.end(sid, "signed_out_elsewhere") if theirs else None
    services.events.emit(
        "sign_out",
        "ok" if ended is not None else "refused",
        reason="signed_out_elsewhere",
        subject=session.context.subject,
        sid=sid if theirs else "",
        correlation_id=request[about.CORRELATION],
    )
    return await _page(request, session, ended=ended is not None)


async def sign_out(request: web.Request) -> web.Response:
    """POST /account/sign-out: end this browser's session here."""
    _, session = await own_form(request)
    return await signing_out.sign_out(request, session, signing_out.Onward(), why="signed_out")


async def everywhere(request: web.Request) -> web.Response:
    """POST /account/sign-out-everywhere: end every session of the person, this one last."""
    _, session = await own_form(request)
    why = "signed_out_everywhere"
    # This browser's comes by itself: its apps can sign out in frames of the page.
    await request.app[SERVICES].endings.end_all(session.context.subject, why, but=session.sid)
    onward = signing_out.Onward(everywhere=True)
    return await signing_out.sign_out(request, session, onward, why=why)


async def own_form(request: web.Request) -> tuple[Params, Session]:
    """What a form of our own page says, and who is signed in.

    Raises:
        Shown: 403, it is not from our page, or nobody is signed in.
    """
    form = await forms.read(request)
    session, cookie = await flow.signed_in(request), request.app[flow.JAR].session(request)
    if session is None or cookie is None:
        raise nobody_here(request)
    from_our_own_page(request, form, cookie)
    return form, session


def nobody_here(request: web.Request) -> Shown:
    """The session of whoever had this page open has ended: they may begin another."""
    account = request.app[SERVICES].at(ACCOUNT)
    return Shown("signed_out_since", status=403, detail="nobody is signed in", back_url=account)


# ── the page ──────────────────────────────────────────────────────────────────────────────────────


async def _page(
    request: web.Request,
    session: Session,
    *,
    withdrawn: str | None = None,
    withdrawn_at: str | None = None,
    ended: bool = False,
    forgotten: bool = False,
) -> web.Response:
    services, cookie = request.app[SERVICES], request.app[flow.JAR].session(request)
    consents = await standing(services, session.context.subject)
    last = None if forgotten else request.app[flow.JAR].last_connector(request)
    remembered = services.upstreams[last].name if last in services.upstreams.enabled and last else None
    csrf = csrf_token(cookie or "")
    view = AccountView(
        person=person_in_words(session.context),
        now=services.now(),
        sessions=await _sessions(request, session),
        grants=tuple(await asyncio.gather(*(_line(services, consent) for consent in consents))),
        csrf=csrf,
        withdraw_action=services.at(WITHDRAW),
        end_action=services.at(END),
        sign_out_action=services.at(SIGN_OUT),
        everywhere_action=services.at(EVERYWHERE),
        receipts_url=services.at(RECEIPTS),
        withdrawn=withdrawn,
        withdrawn_at=withdrawn_at,
        ended=ended,
        forgotten=forgotten,
        remembered=remembered,
        forget=Forget(action=services.at(FORGET), csrf=csrf) if remembered is not None else None,
    )
    return http.page(request, view, back=services.at(ACCOUNT))


async def standing(services: Services, subject: str) -> list[Consent]:
    """What the person allows now, the app used last first."""
    consents = await services.store.list_consents(subject)
    live = [one for one in consents if services.now() < one.expires_at]
    for one in live:
        # An app that registered itself and is gone never comes back under that name (RFC 7592 §2.3).
        if await services.registered.is_gone(one.client_id):
            await services.store.withdraw_consent(subject, one.client_id)
            live = [other for other in live if other is not one]
    return sorted(live, key=lambda one: -one.last_used)


async def _sessions(request: web.Request, session: Session) -> tuple[SessionLine, ...]:
    """This browser's session first, then the others, the one used last first."""
    services = request.app[SERVICES]
    now = services.now()
    found = await services.store.list_sessions(session.context.subject, now=now)
    others = [_session_line(services, one) for one in found if one.sid != session.sid]
    here = _described(
        services,
        session.sid,
        session.context.connector,
        request.headers.get("User-Agent", ""),
        since=session.started_at,
        last_used=now,
        here=True,
    )
    return (here, *sorted(others, key=lambda line: -line.last_used))


def _session_line(services: Services, known: KnownSession) -> SessionLine:
    return _described(
        services,
        known.sid,
        known.listed.connector,
        known.listed.origin.device,
        since=known.listed.started_at,
        last_used=known.last_used(services.now(), services.config.lifetimes.session.idle),
    )


def _described(
    services: Services,
    sid: str,
    connector: str,
    user_agent: str,
    *,
    since: float,
    last_used: float,
    here: bool = False,
) -> SessionLine:
    device = device_of(user_agent)
    upstream = services.upstreams.get(connector)
    return SessionLine(
        sid=sid,
        browser=device.browser,
        system=device.system,
        way=upstream.name if upstream is not None else connector,
        since=since,
        last_used=last_used,
        here=here,
    )


async def found_soon(services: Services, client_id: str) -> Client | None:
    """The app; None also where what it says of itself takes long to come: a page waits for nobody's host."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await services.clients.find(client_id)
    except TimeoutError:
        return None


async def _line(services: Services, consent: Consent) -> GrantLine:
    known = await found_soon(services, consent.client_id)
    return GrantLine(
        client_id=consent.client_id,
        client_name=known.client_name if known is not None else consent.client_id,
        sentences=_sentences(services, consent.granted or (() if consent.at else (scopes.OPENID,))),
        apis=tuple(_at_api(services, uri, said) for uri, said in consent.at.items()),
        since=consent.since,
        last_used=consent.last_used,
        client_logo=services.picture(known) if known is not None else None,
        receipt_url=services.at(f"{RECEIPT}?{urlencode({'client_id': consent.client_id})}"),
        start_url=start.link(services, known),
    )


def _at_api(services: Services, uri: str, said: ConsentAt) -> ApiLine:
    name = _api_name(services, uri, said.name)
    return ApiLine(uri=uri, name=name, sentences=_sentences(services, said.granted))


def _api_name(services: Services, uri: str, was: str) -> str:
    known = services.rules.resources.get(uri)
    return known.name if known is not None else was


def _sentences(services: Services, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(scopes.in_words(name, services.scopes) for name in names)
