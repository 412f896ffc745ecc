"""/device_authorization and /device: a device asks for a code, and a person types it in a browser.

RFC 8628 §3.1 to §3.3 and §5.1. The page only finds the device: who it is for signs in as for any app, and
says yes or no on the consent page. Codes are guessed at, so what finds none counts: against an address, and
against all whom nobody knows together, or against the person who is signed in. What is typed counts in its
one form.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import about, device_answers, flow, forms, http
from broker.endpoints.attempts import network_of, site_of
from broker.endpoints.client_auth import authenticated
from broker.endpoints.cookies import Flow
from broker.endpoints.forms import csrf_token, from_our_own_page
from broker.pages import DeviceCodeView, DeviceProblem, OnwardView
from broker.protocol import authorization_details, authorize, device, grants, metadata, resources
from broker.protocol.client import DEVICE_CODE, Client
from broker.protocol.device import DeviceRequest
from broker.protocol.errors import Shown, TemporarilyUnavailable, TooManyRequests
from broker.protocol.flow import ForDevice
from broker.protocol.handles import digest
from broker.protocol.params import Params
from broker.protocol.reply import ReplyTo
from broker.services import SERVICES, Services
from broker.store import Limit

FROM_LINK = f"{metadata.DEVICE}/link"
_COUNTED = "@device"
"""Among the counters of connectors; no connector has this id."""
_QUARTER = 900
_DEVICES = 100
"""How many may begin to wait at one network in a quarter; of a site ten times as many."""
_PAGE = "device"
"""The one page of its kind that a browser has open: what it carries hangs on this cookie."""
_TRIES = 8
"""User codes tried until one is free; of 2³⁴ hardly one is taken."""


# ── the device ────────────────────────────────────────────────────────────────────────────────────


async def authorization(request: web.Request) -> web.Response:
    """POST /device_authorization (RFC 8628 §3.1)."""
    services = request.app[SERVICES]
    if DEVICE_CODE not in services.grant_types:
        raise web.HTTPNotFound
    params = (await http.read_form(request)).without_repeats()
    client = await authenticated(request, params)
    grants.may_use(client, DEVICE_CODE)
    asked = _asked(services, client, params)
    await _not_too_many(request, client)
    device_code = services.fresh()
    user_code = await _kept(request, asked, device_code)
    services.events.emit(
        "device_authorization",
        "ok",
        client_id=client.client_id,
        scope=" ".join(asked.scopes),
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
    page, shown = services.issuer + metadata.DEVICE, device.shown(user_code)
    return http.json(
        {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown}",
            "expires_in": services.config.lifetimes.device,
            "interval": device.INTERVAL,
        }
    )


def _asked(services: Services, client: Client, params: Params) -> DeviceRequest:
    """What the device asks for, held against the same rules as what a browser brings."""
    rules = services.rules
    targets = resources.asked(params.all("resource"), client, rules.resources)
    text = params.get("authorization_details")
    return DeviceRequest(
        client_id=client.client_id,
        scopes=authorize.read_scopes(params, client, rules, targets),
        resources=targets,
        authorization_details=authorization_details.read(text, client, rules.detail_types),
    )


async def _kept(request: web.Request, asked: DeviceRequest, device_code: str) -> str:
    """The user code under which the device waits from now on."""
    services = request.app[SERVICES]
    now = services.now()
    for _ in range(_TRIES):
        waiting = replace(
            asked,
            user_code=device.fresh_user_code(services.chance),
            asked_at=now,
            expires_at=now + services.config.lifetimes.device,
            address=about.client_address(request),
            correlation_id=request[about.CORRELATION],
        )
        if await services.store.put_device(services.store.device_id(device_code), waiting, now=now):
            return waiting.user_code
    raise TemporarilyUnavailable(reason="no_user_code_free")


async def _not_too_many(request: web.Request, client: Client) -> None:
    """That nobody fills the store: an address does not, and one app does not from however many."""
    told = about.client_address(request)
    limits = [Limit("asked_by_client", (client.client_id,), 10_000, _QUARTER)]
    if told:
        limits.append(Limit("asked_from", (network_of(told),), _DEVICES, _QUARTER))
    site = site_of(told)
    if site is not None:
        limits.append(Limit("asked_from_site", (site,), 10 * _DEVICES, _QUARTER))
    wait, which = await request.app[SERVICES].store.spend_attempt(_COUNTED, limits)
    if wait:
        raise TooManyRequests(reason="too_many_devices", detail=which, wait=wait)


# ── the person ────────────────────────────────────────────────────────────────────────────────────


async def show(request: web.Request) -> web.Response:
    """GET /device: the field for the code. A link may have filled it in, and looks nothing up (§3.3.1)."""
    _is_offered(request)
    typed = http.read_query(request).get("user_code") or ""
    return _page(request, user_code=typed[: 2 * device.LENGTH], from_link=bool(typed))


async def entered(request: web.Request) -> web.Response:
    """POST /device and /device/link: on to whoever the device is for."""
    _is_offered(request)
    form, from_link = await _form(request), about.path(request) == FROM_LINK
    typed = form.get("user_code") or ""
    if not typed.strip():
        return _page(request, problem="incomplete", from_link=from_link)
    services, code = request.app[SERVICES], device.canonical(typed)
    limits = await _limits(request, code or digest(typed))
    wait, which = await services.store.spend_attempt(_COUNTED, limits)
    if wait:
        _log(request, "too_many", which)
        shown = typed[: 2 * device.LENGTH]
        return _page(request, user_code=shown, problem="too_many", wait=wait, from_link=from_link)
    found = await services.store.find_device(code) if code is not None else None
    which_device = ForDevice(id=found, from_link=from_link) if found is not None else None
    waiting = await _waiting(services, which_device)
    if which_device is None or waiting is None:
        _log(request, "unknown_code", "")
        return _page(request, user_code=typed[: 2 * device.LENGTH], problem="wrong", from_link=from_link)
    # What was right is no guess; only how often one code may be looked up still counts.
    await services.store.give_back_attempt(_COUNTED, limits[1:])
    return await _onward(request, which_device, waiting)


async def _waiting(services: Services, which: ForDevice | None) -> DeviceRequest | None:
    """The device, if it still waits and its app still is one for devices."""
    if which is None:
        return None
    try:
        found = await device_answers.waiting(services, which)
    except Shown:
        return None
    client = await services.clients.find(found.client_id)
    return found if client is not None and device_answers.may_be_answered(client) else None


async def _onward(request: web.Request, which: ForDevice, waiting: DeviceRequest) -> web.Response:
    """By a page of ours, since a browser holds form-action against the redirects that follow a form."""
    services = request.app[SERVICES]
    request[about.CORRELATION] = waiting.correlation_id
    reply_to = ReplyTo(
        client_id=waiting.client_id,
        redirect_uri=services.issuer + metadata.DEVICE,
        response_mode="query",
        state=None,
        issuer=services.issuer,
    )
    asked = device.as_asked(waiting, which, reply_to)
    with flow.told_to(asked):
        sent = await flow.wait_for_get(request, asked)
    client = await flow.client_of(services, asked)
    onward = http.page(request, OnwardView(url=sent.headers["Location"], name=client.client_name))
    for cookie in sent.headers.getall("Set-Cookie", ()):
        onward.headers.add("Set-Cookie", cookie)
    return onward


async def _limits(request: web.Request, code: str) -> list[Limit]:
    """What an attempt counts against: the code itself first, then whoever tries."""
    limits = [Limit("code", (code,), 10, _QUARTER)]
    session = await flow.current_session(request)
    if session is not None:
        return [*limits, Limit("person", (session.context.subject,), 20, _QUARTER)]
    told = about.client_address(request)
    if told:
        limits.append(Limit("address", (network_of(told),), 20, _QUARTER))
    site = site_of(told)
    if site is not None:
        limits.append(Limit("site", (site,), 100, _QUARTER))
    # Together they find one given code with a chance of 300 in 20⁸, which is one in 85 million. Whoever is
    # signed in is not among them, so strangers cannot use this up for everybody.
    return [*limits, Limit("strangers", (), 300, _QUARTER)]


async def _form(request: web.Request) -> Params:
    form = await forms.read(request)
    secret = request.app[flow.JAR].flow(request, _PAGE)
    if secret is None:
        raise Shown("browser_mismatch", status=403, detail="no cookie of the device page in this browser")
    from_our_own_page(request, form, secret)
    return form


def _is_offered(request: web.Request) -> None:
    if DEVICE_CODE not in request.app[SERVICES].grant_types:
        raise web.HTTPNotFound


_STATUS: dict[DeviceProblem | None, int] = {None: 200, "incomplete": 422, "wrong": 422, "too_many": 429}


def _page(
    request: web.Request,
    *,
    user_code: str = "",
    problem: DeviceProblem | None = None,
    wait: float = 0,
    from_link: bool = False,
) -> web.Response:
    services, jar = request.app[SERVICES], request.app[flow.JAR]
    secret = jar.flow(request, _PAGE) or services.fresh()
    view = DeviceCodeView(
        action=services.at(FROM_LINK if from_link else metadata.DEVICE),
        csrf=csrf_token(secret),
        user_code=user_code,
        problem=problem,
        minutes=ceil(wait / 60),
        status=_STATUS[problem],
    )
    # A code that came with a link comes with it again, so that its page goes on to warn of it.
    back = f"{metadata.DEVICE}?{urlencode({'user_code': user_code})}" if from_link else metadata.DEVICE
    response = http.page(request, view, back=services.at(back))
    jar.set_flow(
        request, response, Flow(_PAGE, secret), now=services.now(), ttl=services.config.lifetimes.device
    )
    if wait:
        response.headers["Retry-After"] = str(ceil(wait))  # RFC 6585 §4
    return response


def _log(request: web.Request, reason: str, detail: str) -> None:
    request.app[SERVICES].events.emit(
        "device_code",
        "refused",
        reason=reason,
        detail=detail,
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
