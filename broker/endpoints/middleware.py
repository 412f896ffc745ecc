"""The one gate through which every answer leaves: errors become what their listener understands.

    Shown              our page                        AnsweredAtClient   the client app's redirect_uri
    OAuthError         JSON of RFC 6749 §5.2           StoreUnavailable   503: a page, or JSON
    HTTPException      our page or JSON, its status    anything else      500: nothing of it is told

The log hears ``reason`` and ``detail``; nobody else does.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil
from time import perf_counter

from aiohttp import web

from broker.clients.documents import asked_from
from broker.clients.registered import for_a_new_request
from broker.endpoints import about, attempts, cors, explaining, health, http, possession, register
from broker.events import timed, traced
from broker.pages import MessageKey
from broker.protocol import metadata
from broker.protocol.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    ProtocolError,
    ServerError,
    Shown,
    TemporarilyUnavailable,
    TooManyAttempts,
    TooManyRequests,
)
from broker.protocol.reply import AnsweredAtClient
from broker.services import SERVICES
from broker.store import StoreError, StoreUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FOR_PROGRAMS = frozenset(
    {
        metadata.TOKEN,
        metadata.PUSHED_REQUEST,
        metadata.USERINFO,
        metadata.INTROSPECT,
        metadata.REVOKE,
        metadata.DEVICE_AUTHORIZATION,
        metadata.REGISTER,
        metadata.JWKS,
        metadata.OPENID_CONFIGURATION,
        metadata.OAUTH_METADATA,
        health.HEALTHZ,
        health.READYZ,
    }
)
_WELL_KNOWN = (metadata.OPENID_CONFIGURATION, metadata.OAUTH_METADATA)
_API = re.compile("/login/[^/]+/requests/|/connectors/[^/]+/backchannel-logout$")
_MESSAGES: dict[int, MessageKey] = {
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
_SAID = {
    404: "There is nothing here, or it is switched off.",
    405: "This method is not taken here.",
    413: "The request is too large.",
}
"""The same to programs."""


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the request, whatever happens."""
    if request.match_info.apps[-1] is not request.app:  # a workspace's, which has a gate of its own
        return await handler(request)
    request[about.CORRELATION], request[about.CONCERNS] = secrets.token_hex(8), {}
    explaining.begin(request)
    began = perf_counter()
    shared = cors.is_shared(request)
    if shared and request.method == "OPTIONS":
        return await cors.preflight(request)
    for_a_new_request()
    asked_from(partial(attempts.places, request))
    try:
        response = await _answered(request, handler)
    except Exception as error:  # noqa: BLE001  (the gate: nothing passes it unanswered)
        response = _unexpected(request, error)
    await explaining.keep(request)
    possession.tell(request, response)
    if shared:
        await cors.allow(request, response)
    outcome = "ok" if response.status < 400 else "refused" if response.status < 500 else "failed"  # noqa: PLR2004
    timed(_endpoint(request), outcome).observe(perf_counter() - began)
    return response


def _endpoint(request: web.Request) -> str:
    """Which of our addresses this is, by one name in all workspaces: however many those are, it is one."""
    resource = request.match_info.route.resource
    if resource is None:
        return "unknown"
    name = resource.canonical.removeprefix(request.app[SERVICES].mount)
    return next((well for well in _WELL_KNOWN if name.startswith(f"{well}/")), name)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (ProtocolError, StoreUnavailable, web.HTTPException) as error:
        return await _answer(request, error)


def _is_program(request: web.Request) -> bool:
    path = about.path(request)
    # That of a workspace has the workspace's path behind it (RFC 8414 §3.1).
    if path.startswith(tuple(f"{well}/" for well in _WELL_KNOWN)):
        return True
    return path in _FOR_PROGRAMS or _API.match(path) is not None or register.is_here(request)


async def _answer(
    request: web.Request, error: ProtocolError | StoreUnavailable | web.HTTPException
) -> web.StreamResponse:
    if isinstance(error, AnsweredAtClient):
        outcome = "failed" if error.error.status >= 500 else "refused"  # noqa: PLR2004
        _log(request, error.reason, error.detail, outcome=outcome, client_id=error.reply_to.client_id)
        try:
            return await http.at_client(request, error.reply_to.error(error.error))
        except OAuthError as untellable:  # it cannot be encrypted to the app, which hears nothing then
            return _told(request, untellable)
    if isinstance(error, Shown):
        _log(request, error.reason, error.detail)
        if _is_program(request):
            return http.json({"error": "invalid_request"}, status=error.status)
        return http.error_page(request, error.message, status=error.status, back_url=error.back_url)
    if isinstance(error, OAuthError):
        return _told(request, error)
    if isinstance(error, StoreUnavailable):
        return _store_away(request, error)
    if isinstance(error, web.HTTPException):
        return _http_error(request, error)
    return _unexpected(request, error)


def _told(request: web.Request, error: OAuthError) -> web.Response:
    """An OAuth error for a client app that called us itself; on a page of ours, a page."""
    if not error.told_often:
        _log(request, error.reason, error.detail)
    if not _is_program(request):
        ours = error.status >= 500  # noqa: PLR2004
        return http.error_page(request, "server_error" if ours else "bad_request", status=error.status)
    headers = {}
    if isinstance(error, InvalidClient) and "Authorization" in request.headers:  # RFC 6749 §5.2
        headers["WWW-Authenticate"] = 'Basic realm="client", charset="UTF-8"'
    status = error.status
    if about.path(request) == metadata.USERINFO:
        status, challenge = possession.refused(request, error)
        headers |= challenge
    if isinstance(error, InvalidToken) and register.is_here(request):
        headers["WWW-Authenticate"] = register.challenge(error)
    if isinstance(error, TemporarilyUnavailable):
        headers["Retry-After"] = "1"
    if isinstance(error, TooManyRequests | TooManyAttempts):
        headers["Retry-After"] = str(ceil(error.wait))
    return http.oauth_error(error, headers=headers, status=status)


def _store_away(request: web.Request, error: StoreUnavailable) -> web.Response:
    if _is_program(request):
        return _told(request, TemporarilyUnavailable(reason="store_unavailable", detail=str(error)))
    _log(request, "store_unavailable", str(error))
    response = http.error_page(request, "store_away", status=503)
    response.headers["Retry-After"] = "1"
    return response


def _http_error(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Aiohttp's own refusals (no such path or method, too large), in our words."""
    _log(request, error.reason.lower().replace(" ", "_"), "")
    if _is_program(request):
        told = InvalidRequest(_SAID.get(error.status, ""))
        answer = http.json(told.body(), status=error.status)
    else:
        message = _MESSAGES.get(error.status, "bad_request")
        answer = http.error_page(request, message, status=error.status)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _unexpected(request: web.Request, error: Exception) -> web.Response:
    reason = f"store_{error.reason}" if isinstance(error, StoreError) else type(error).__name__
    _log(request, reason, traced(error), outcome="failed")
    if _is_program(request):
        return http.oauth_error(ServerError())
    return http.error_page(request, "server_error", status=500)


def _log(
    request: web.Request, reason: str, detail: str, *, outcome: str = "refused", client_id: str = ""
) -> None:
    explaining.failed(request, reason, detail, outcome)
    services = request.app[SERVICES]
    named = request.match_info.get("connector", "")
    known = {"client_id": client_id, "connector": named if named in services.upstreams else ""}
    services.events.emit(
        "refusal",
        outcome,
        reason=reason,
        detail=detail,
        address=about.client_address(request),
        endpoint=_endpoint(request),
        correlation_id=request[about.CORRELATION],
        **(known | request[about.CONCERNS]),
    )
