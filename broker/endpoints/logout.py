"""/logout: a client app wants the person signed out here too. RP-Initiated Logout 1.0.

    handle     GET, POST /logout           a good hint about this very session: it ends at once
                                           anything else, and an address that is not registered: the
                                           question whether that is wished
    ask        GET /logout/confirm         the question, or what a POST from another site could not have done:
                                           such a form brings no cookie of ours, and a GET of our own does
    answer     POST /logout/confirm        what the person decided

Whatever is asked, only a registered address is ever redirected to, with ``state`` and nothing else.
"""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import about, flow, forms, http
from broker.endpoints.forms import csrf_token, from_our_own_page, person_in_words
from broker.endpoints.signing_out import Onward, nothing_to_end, onward, sign_out
from broker.pages import SignedOutView, SignOutView
from broker.protocol.client import Client
from broker.protocol.errors import InvalidRequest, Shown
from broker.protocol.flow import Session
from broker.protocol.logout import LogoutRequest, PendingLogout, read_request
from broker.protocol.metadata import END_SESSION
from broker.protocol.params import Params
from broker.protocol.subject import for_client
from broker.services import SERVICES, Services

CONFIRM = f"{END_SESSION}/confirm"
WHY = "app_signed_out"


async def handle(request: web.Request) -> web.Response:
    """GET and POST /logout."""
    services = request.app[SERVICES]
    asked = _asked(services, await http.read_params(request))
    if request.method == "POST":
        return await _wait_for_get(request, asked)
    session = await flow.current_session(request)
    to = await onward(request, asked)
    if session is None:
        return nothing_to_end(request, to)
    if _proves(services, to, session):
        return await sign_out(request, session, to, why=WHY)
    return await _wait_for_get(request, asked)


async def ask(request: web.Request) -> web.Response:
    """GET /logout/confirm: the question, where one is needed."""
    flow_id = http.read_query(request).get("flow") or ""
    services, secret = request.app[SERVICES], request.app[flow.JAR].flow(request, flow_id)
    if secret is None:  # the answer took the cookie along, or it is another browser's
        return await _too_late(request, status=403)
    pending = await services.store.read_logout(flow_id, secret)
    if pending is None:
        return await _too_late(request)
    session, to = await flow.current_session(request), await onward(request, pending.asked)
    if session is None or _proves(services, to, session):
        await services.store.take_logout(flow_id, secret)
        response = (
            nothing_to_end(request, to) if session is None else await sign_out(request, session, to, why=WHY)
        )
        request.app[flow.JAR].drop_flow(response, flow_id)
        return response
    view = _question(services, session, to.client, flow_id, csrf_token(secret))
    return http.page(request, view)


async def answer(request: web.Request) -> web.Response:
    """POST /logout/confirm: what the person decided."""
    form = await forms.read(request)
    flow_id, services = form.get("flow") or "", request.app[SERVICES]
    secret = forms.flow_secret(request, flow_id)
    from_our_own_page(request, form, secret)
    pending = await services.store.take_logout(flow_id, secret)
    if pending is None:
        return await _too_late(request)
    session, to = await flow.current_session(request), await onward(request, pending.asked)
    if session is None:
        response = nothing_to_end(request, to)
    elif form.get("answer") != "sign_out":
        account = services.at(flow.ACCOUNT)
        response = http.page(request, SignedOutView(stayed=True, account_url=account))
    else:
        response = await sign_out(request, session, to, why=WHY)
    request.app[flow.JAR].drop_flow(response, flow_id)
    return response


# ── What is asked ─────────────────────────────────────────────────────────────────────────────────


def _asked(services: Services, sent: Params) -> LogoutRequest:
    """The request. Of what it should not say, nothing is told to anybody but the person."""
    try:
        params = sent.without_repeats()
    except InvalidRequest as error:
        raise Shown("bad_request", detail=error.reason) from error
    hint = params.get("id_token_hint")
    claims = None if hint is None else services.keys.verify_own(hint, typ="JWT")
    return read_request(params, claims, issuer=services.issuer)


def _proves(services: Services, to: Onward, session: Session) -> bool:
    """Whether the hint is about whom and which session this browser has: nobody else could send it here.

    A request for an address that the app has not registered is not one that it was set up to send, so the
    person is asked all the same (RP-Initiated Logout §3).
    """
    hint, client = to.asked.hint, to.client
    if hint is None or client is None or hint.sid != services.sid(session.sid, client):
        return False
    if to.asked.post_logout_redirect_uri is not None and to.url is None:
        return False
    return hint.subject == for_client(session.context.subject, client, services.keys.subject_key)


async def _wait_for_get(request: web.Request, asked: LogoutRequest) -> web.Response:
    """Keep it for this browser: what it asks is in no address, and our own GET has the cookies."""
    services = request.app[SERVICES]
    kept, ttl = flow.new_flow(services), services.config.lifetimes.login
    await services.store.put_logout(kept.id, kept.secret, PendingLogout(asked=asked), ttl)
    response = http.see_other(services.at(f"{CONFIRM}?{urlencode({'flow': kept.id})}"))
    request.app[flow.JAR].set_flow(request, response, kept, now=services.now(), ttl=ttl)
    return response


def _question(
    services: Services, session: Session, client: Client | None, flow_id: str, csrf: str
) -> SignOutView:
    known = client is not None and client.enabled
    return SignOutView(
        client_name=client.client_name if client is not None and known else None,
        client_logo=services.picture(client) if client is not None and known else None,
        client_id=client.client_id if client is not None and known else None,
        person=person_in_words(session.context),
        action=services.at(CONFIRM),
        csrf=csrf,
        fields=(("flow", flow_id),),
    )


async def _too_late(request: web.Request, *, status: int = 200) -> web.Response:
    """The question was answered before, or waited too long: whether somebody is signed in is said."""
    services, session = request.app[SERVICES], await flow.current_session(request)
    services.events.emit(
        "sign_out",
        "refused",
        reason="question_gone",
        subject=session.context.subject if session is not None else "",
        correlation_id=request[about.CORRELATION],
    )
    account = services.at(flow.ACCOUNT) if session is not None else None
    view = SignedOutView(stayed=session is not None, account_url=account)
    return http.page(request, view, status=status)
