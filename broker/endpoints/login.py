"""/login/{connector}: the login page of ours, for a connector whose people answer here.

Owns the page and the reading of its form. A login is looked at until somebody is known, by its ``state``,
the browser's own cookie and the connector together, and taken only then, once. Nothing here tells whether
somebody exists. OpenID Connect Core §3.1.2.3; NIST SP 800-63B §5.2.2.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlencode

from aiohttp import web

from broker.connector import Question, Secret, UpstreamIdentity
from broker.endpoints import about, arrival, attempts, flow, forms, http, speaking
from broker.endpoints.forms import csrf_token, from_our_own_page
from broker.pages import LoginProblem, LoginView
from broker.protocol.client import Client
from broker.protocol.errors import OAuthError, Shown, TemporarilyUnavailable
from broker.protocol.flow import PendingLogin
from broker.protocol.params import Params
from broker.protocol.usernames import LONGEST_PASSWORD, LONGEST_USERNAME
from broker.record import replace
from broker.services import SERVICES
from broker.upstreams import Upstream

_STATUS: dict[LoginProblem | None, int] = {
    None: 200,
    "incomplete": 422,
    "wrong": 422,
    "too_many": 429,
    "away": 503,
}
_USERNAME, _SINCE = "@username", "@since"
"""Where the broker keeps, beside the connector's own memory, who a code is of, and since when we look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A login that waits on our page, in the browser that began it."""

    upstream: Upstream
    pending: PendingLogin
    state: str
    secret: str
    question: Question
    client: Client


async def show(request: web.Request) -> web.Response:
    """GET /login/{connector}: the page."""
    state = http.read_query(request).get("state") or ""
    secret = request.app[flow.JAR].flow(request, state)
    return _page(request, await _asked(request, state, secret))


async def answer(request: web.Request) -> web.Response:
    """POST /login/{connector}: what the person typed."""
    form = await forms.read(request)
    state = form.get("state") or ""
    secret = request.app[flow.JAR].flow(request, state)
    if secret is not None:
        from_our_own_page(request, form, secret)
    asked = await _asked(request, state, secret)
    if asked.question.kind == "password":
        return await _password(request, asked, form)
    if form.get("again") is not None:
        return await _go_on(request, asked, {})
    return await _code(request, asked, form)


async def other(request: web.Request) -> web.Response:
    """GET /login/{connector}/other: back to the ways to sign in. The login here stays, for the way back."""
    state = http.read_query(request).get("state") or ""
    asked = await _asked(request, state, request.app[flow.JAR].flow(request, state))
    what = asked.pending.asked
    return await flow.wait_for_get(request, replace(what, prompt=what.prompt | {"select_account"}))


# ── What was typed ────────────────────────────────────────────────────────────────────────────────


async def _password(request: web.Request, asked: Asked, form: Params) -> web.Response:
    username, password = form.get("username") or "", form.get("password") or ""
    if not username.strip() or not password:
        return _page(request, asked, problem="incomplete", username=username)
    tried = await attempts.trying(request, asked.upstream.id, username[:LONGEST_USERNAME])
    if len(username) > LONGEST_USERNAME or len(password) > LONGEST_PASSWORD:
        return _page(request, asked, problem="wrong", username=username[:LONGEST_USERNAME])
    fields = {"username": Secret(username), "password": Secret(password)}
    return await _tried(request, asked, tried, fields, username)


async def _code(request: web.Request, asked: Asked, form: Params) -> web.Response:
    code = "".join((form.get("code") or "").split())
    if not code:
        return _page(request, asked, problem="incomplete")
    username = asked.pending.memory.get(_USERNAME, "")
    tried = await attempts.trying(request, asked.upstream.id, username, by_code=True)
    return await _tried(request, asked, tried, {"code": Secret(code[:100])}, username)


async def _tried(
    request: web.Request,
    asked: Asked,
    tried: attempts.Trying,
    fields: dict[str, Secret],
    username: str,
) -> web.Response:
    """An attempt, if there may be one now, and what came of it."""
    store, limits = request.app[SERVICES].store, tried.limits()
    wait, limit = await store.spend_attempt(tried.connector, limits)
    if wait:
        _log(request, asked, "refused", f"too_many_{limit}")
        return _page(request, asked, problem="too_many", username=username, wait=wait)
    since = float(asked.pending.memory.get(_SINCE) or request.app[SERVICES].now())
    try:
        said = await asked.upstream.answer(asked.pending, asked.state, fields)
    except TemporarilyUnavailable as error:  # nothing was tried, and the person may try again
        await store.give_back_attempt(tried.connector, limits)
        _log(request, asked, "failed", error.reason, error.detail)
        return _page(request, asked, problem="away", username=username)
    except OAuthError as error:
        return await _told(request, asked, error)
    if isinstance(said, Question) and said.wrong:
        _log(request, asked, "refused", f"wrong_{asked.question.kind}")
        shown = dataclasses.replace(asked, question=said)
        return _page(request, shown, problem="wrong", username=username)
    await store.give_back_attempt(tried.connector, limits)
    if isinstance(said, Question):
        return await _go_on(request, asked, {**said.memory, _USERNAME: username, _SINCE: repr(since)})
    return await _known(request, asked, tried, said, since)


async def _known(
    request: web.Request,
    asked: Asked,
    tried: attempts.Trying,
    identity: UpstreamIdentity,
    since: float,
) -> web.Response:
    """Somebody: the login is taken, by one of all who answer at once."""

    async def who() -> UpstreamIdentity:
        return identity

    pending = await arrival.take(request, asked.state, asked.secret, asked.upstream.id)
    response = await arrival.arrive(request, pending, asked.state, who, since=since)
    await attempts.remember(request, response, tried)
    return response


async def _told(request: web.Request, asked: Asked, error: OAuthError) -> web.Response:
    """The client app hears of what no other answer would change."""

    async def who() -> UpstreamIdentity:
        raise error

    pending = await arrival.take(request, asked.state, asked.secret, asked.upstream.id)
    return await arrival.arrive(request, pending, asked.state, who)


async def _go_on(request: web.Request, asked: Asked, memory: dict[str, str]) -> web.Response:
    """To the next question, on a GET of its own, so that a reload sends nothing twice."""
    further = replace(asked.pending, memory=memory)
    store = request.app[SERVICES].store
    if not await store.go_on_with_login(asked.state, asked.secret, further):
        raise Shown("login_expired", detail="it ended meanwhile")
    return http.see_other(f"{_path(request, asked)}?{urlencode({'state': asked.state})}")


# ── The login, and its page ───────────────────────────────────────────────────────────────────────


async def _asked(request: web.Request, state: str, secret: str | None) -> Asked:
    """The login that waits here for this browser.

    Raises:
        Shown: there is no such page, or no such login.
    """
    services, name = request.app[SERVICES], request.match_info["connector"]
    upstream = services.upstreams[name] if name in services.upstreams.enabled else None
    if upstream is None or not upstream.asks:
        raise Shown("not_found", status=404, detail="no connector that asks here")
    if secret is None:
        raise Shown("browser_mismatch", status=403, detail="no flow cookie in this browser")
    pending = await services.store.read_login(state, secret, name)
    if pending is None:
        raise Shown("login_expired", detail="used before, expired, or another connector's")
    request[about.CORRELATION] = pending.asked.correlation_id
    request[about.CONCERNS]["client_id"] = pending.asked.client_id
    speaking.as_asked(request, pending.asked.ui_locales)
    client = await flow.client_of(services, pending.asked)
    with flow.told_to(pending.asked):
        question = await upstream.question(pending, state)
    return Asked(
        upstream=upstream, pending=pending, state=state, secret=secret, question=question, client=client
    )


def _page(
    request: web.Request,
    asked: Asked,
    *,
    problem: LoginProblem | None = None,
    username: str = "",
    wait: float = 0,
) -> web.Response:
    pending, client, services = asked.pending, asked.client, request.app[SERVICES]
    view = LoginView(
        client_name=client.client_name,
        client_logo=services.picture(client),
        client_id=client.client_id,
        connector_name=asked.upstream.name,
        kind=asked.question.kind,
        action=_path(request, asked),
        csrf=csrf_token(asked.secret),
        state=asked.state,
        username=username or (pending.asked.login_hint or "")[:LONGEST_USERNAME],
        problem=problem,
        minutes=ceil(wait / 60),
        other_url=_other_url(request, asked),
        status=_STATUS[problem],
    )
    back = f"{view.action}?{urlencode({'state': asked.state})}"
    response = http.page(request, view, back=back)
    if wait:
        response.headers["Retry-After"] = str(ceil(wait))  # RFC 6585 §4
    return response


def _path(request: web.Request, asked: Asked) -> str:
    return request.app[SERVICES].at(f"/login/{asked.upstream.id}")


def _other_url(request: web.Request, asked: Asked) -> str | None:
    """Where the other ways to sign in are, if there are any."""
    services, what = request.app[SERVICES], asked.pending.asked
    allowed = services.config.routing.routes.allowed(asked.client)
    if what.connector is not None or len(allowed) == 1:
        return None
    return f"{_path(request, asked)}/other?{urlencode({'state': asked.state})}"


def _log(request: web.Request, asked: Asked, outcome: str, reason: str, detail: str = "") -> None:
    services = request.app[SERVICES]
    services.events.emit(
        "login_attempt",
        outcome,
        reason=reason,
        detail=detail,
        connector=asked.upstream.id,
        client_id=asked.pending.asked.client_id,
        address=about.client_address(request),
        correlation_id=asked.pending.asked.correlation_id,
    )
