"""/account: what a person allowed which app, and the way to take it back or to sign out.

The page has no login of its own: it is one more client app of the broker, built in, so that a person
comes to it by the same way as to any other.
"""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import about, flow, http, signing_out
from broker.endpoints.forms import csrf_token, from_our_own_page, person_in_words
from broker.pages import Forget, GrantLine, GrantsView
from broker.protocol import scopes
from broker.protocol.client import Client
from broker.protocol.errors import InvalidRequest, Shown
from broker.protocol.flow import Consent, Session
from broker.protocol.metadata import AUTHORIZE
from broker.protocol.params import Params
from broker.protocol.pkce import challenge_of
from broker.services import SERVICES, Services

ACCOUNT = flow.ACCOUNT
BACK, WITHDRAW, SIGN_OUT = f"{ACCOUNT}/back", f"{ACCOUNT}/withdraw", f"{ACCOUNT}/sign-out"
FORGET = f"{ACCOUNT}/forget"
CLIENT_ID = "broker.account"


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
    session = await flow.current_session(request)
    if session is None:
        return http.see_other(_sign_in(request.app[SERVICES]))
    return await _page(request, session)


async def back(request: web.Request) -> web.Response:
    """GET /account/back: signed in. The session is what counts; the code is left to expire."""
    refused, page = http.read_query(request).get("error"), request.app[SERVICES].at(ACCOUNT)
    if refused is not None:  # not to /account again, which would only ask once more
        raise Shown("upstream_refused", detail="the sign-in for the account page failed", back_url=page)
    return http.see_other(page)


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


async def withdraw(request: web.Request) -> web.Response:
    """POST /account/withdraw: take one app's access back; its tokens die with it."""
    form, session = await _own_form(request)
    services, client_id = request.app[SERVICES], form.get("client_id") or ""
    withdrawn = await services.endings.withdraw(session.context.subject, client_id)
    services.events.emit(
        "consent_withdrawn",
        "ok" if withdrawn else "refused",
        client_id=client_id,
        subject=session.context.subject,
        correlation_id=request[about.CORRELATION],
    )
    known = await services.clients.find(client_id)
    return await _page(request, session, withdrawn=known.client_name if withdrawn and known else None)


async def forget(request: web.Request) -> web.Response:
    """POST /account/forget: this browser no longer remembers which way to sign in it used last."""
    _, session = await _own_form(request)
    response = await _page(request, session, forgotten=True)
    request.app[flow.JAR].drop_last_connector(response)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """POST /account/sign-out: end this browser's session here."""
    _, session = await _own_form(request)
    return await signing_out.sign_out(request, session, signing_out.Onward(), why="signed_out")


async def _own_form(request: web.Request) -> tuple[Params, Session]:
    try:
        form = (await http.read_form(request)).without_repeats()
    except InvalidRequest as error:
        raise Shown("forbidden", status=403, detail=error.reason) from error
    session, cookie = await flow.current_session(request), request.app[flow.JAR].session(request)
    if session is None or cookie is None:
        raise Shown("forbidden", status=403, detail="nobody is signed in")
    from_our_own_page(request, form, cookie)
    return form, session


async def _page(
    request: web.Request, session: Session, *, withdrawn: str | None = None, forgotten: bool = False
) -> web.Response:
    services, cookie = request.app[SERVICES], request.app[flow.JAR].session(request)
    consents = await services.store.list_consents(session.context.subject)
    live = sorted((c for c in consents if services.now() < c.expires_at), key=lambda c: -c.last_used)
    last = None if forgotten else request.app[flow.JAR].last_connector(request)
    remembered = services.upstreams[last].name if last in services.upstreams.enabled and last else None
    csrf = csrf_token(cookie or "")
    view = GrantsView(
        person=person_in_words(session.context),
        grants=tuple([await _line(services, consent) for consent in live]),
        csrf=csrf,
        withdraw_action=services.at(WITHDRAW),
        sign_out_action=services.at(SIGN_OUT),
        withdrawn=withdrawn,
        remembered=remembered,
        forget=Forget(action=services.at(FORGET), csrf=csrf) if remembered is not None else None,
    )
    return http.page(request, view)


async def _line(services: Services, consent: Consent) -> GrantLine:
    known = await services.clients.find(consent.client_id)
    return GrantLine(
        client_id=consent.client_id,
        client_name=known.client_name if known is not None else consent.client_id,
        sentences=tuple(scopes.in_words(name, services.scopes) for name in consent.granted),
        since=consent.since,
        last_used=consent.last_used,
        client_logo=services.picture(known) if known is not None else None,
    )
