"""/login/{connector}/requests: the API by which a login page of the operator's reads and decides a login.

Owns its HTTP: JSON only, HTTP Basic with the connector's own credentials (RFC 7617), and an answer in JSON
whatever goes wrong. What a decision must say is the connector's affair. A decision reaches nobody by itself:
the browser that began the login fetches it, at our callback, with its cookie.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from aiohttp import web

from broker.connector import HandsOff, Json, Secret, UpstreamInvalid
from broker.endpoints import about, http
from broker.protocol.errors import InvalidRequest
from broker.services import SERVICES
from broker.store import HandOff

REQUESTS = "/login/{connector}/requests/{login_id}"


class Refused(Exception):
    """An answer of this API that is not the one that was wanted."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(error)
        self.status, self.error, self.description = status, error, description


async def read(request: web.Request) -> web.Response:
    """GET: what is asked."""
    return await _answered(request, _read(request))


async def accept(request: web.Request) -> web.Response:
    """POST …/accept: somebody is signed in."""
    return await _answered(request, _decide(request, "accepted", lambda by, said: by.accepted(said)))


async def reject(request: web.Request) -> web.Response:
    """POST …/reject: nobody is."""
    return await _answered(request, _decide(request, "rejected", lambda by, said: by.rejected(said)))


async def _answered(request: web.Request, answer: Coroutine[Any, Any, web.Response]) -> web.Response:
    """The answer, or why there is none; in JSON, whatever it is."""
    try:
        return await answer
    except Refused as refused:
        _log(request, "refused", refused.error, refused.description)
        headers = dict(http.NO_STORE)
        if refused.status == 401:  # noqa: PLR2004
            headers["WWW-Authenticate"] = 'Basic realm="login", charset="UTF-8"'
        body = {"error": refused.error, "error_description": refused.description}
        return http.json(body, status=refused.status, headers=headers)


async def _read(request: web.Request) -> web.Response:
    _deciding(request)
    params = http.read_query(request)
    hand_off = await _there(request, params.get("login_state"))
    if hand_off.decided is not None or hand_off.taken:
        raise Refused(409, "already_decided", "This login was accepted or rejected before.")
    return http.json({"login_id": request.match_info["login_id"], **hand_off.asked})


async def _decide(
    request: web.Request,
    what: str,
    said: Callable[[HandsOff, Mapping[str, Json]], Mapping[str, Json]],
) -> web.Response:
    by = _deciding(request)
    body = await _body(request)
    hand_off = await _there(request, body.get("login_state"))
    try:
        decision = said(by, body)
    except UpstreamInvalid as error:
        raise Refused(400, "invalid_request", error.detail) from error
    services, name = request.app[SERVICES], request.match_info["connector"]
    if not await services.store.decide_hand_off(name, request.match_info["login_id"], decision):
        raise Refused(409, "already_decided", "This login was accepted or rejected before.")
    _log(request, "ok", what)
    return http.json({"redirect_to": hand_off.back})


def _deciding(request: web.Request) -> HandsOff:
    """The connector, if this is its own program."""
    services, name = request.app[SERVICES], request.match_info["connector"]
    upstream = services.upstreams[name] if name in services.upstreams.enabled else None
    by = upstream.hands_off if upstream is not None else None
    if by is None:
        raise Refused(404, "not_found", "No connector here hands its logins off.")
    client_id, secret = _basic(request.headers.getall("Authorization", []))
    if not by.is_from_the_page(client_id, secret):
        raise _unknown()
    return by


def _basic(headers: Sequence[str]) -> tuple[str, Secret]:
    """The credentials of RFC 7617 §2, in UTF-8."""
    scheme, _, coded = (headers[0] if len(headers) == 1 else "").partition(" ")
    try:
        text = b64decode(coded.strip(), validate=True).decode()
    except ValueError as error:
        raise _unknown() from error
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon or not secret:
        raise _unknown()
    return client_id, Secret(secret)


def _unknown() -> Refused:
    return Refused(401, "invalid_client", "Send the client_id and client_secret of the connector.")


async def _body(request: web.Request) -> Mapping[str, Json]:
    try:
        return await http.read_json(request)
    except InvalidRequest as error:
        if error.reason in {"content_type", "content_encoding"}:
            raise Refused(415, "unsupported_media_type", error.description) from error
        raise Refused(400, "invalid_request", error.description) from error


async def _there(request: web.Request, login_state: Json) -> HandOff:
    """The hand-off of this connector, for whoever names both of its secrets."""
    services, name = request.app[SERVICES], request.match_info["connector"]
    if not isinstance(login_state, str) or not login_state:
        raise Refused(400, "invalid_request", "login_state is missing.")
    hand_off = await services.store.read_hand_off(name, request.match_info["login_id"])
    if hand_off is None:
        raise Refused(404, "not_found", "There is no such login, or it waited too long.")
    if not hmac.compare_digest(hand_off.login_state.encode(), login_state.encode()):
        raise Refused(403, "state_mismatch", "login_state is not that of this login.")
    return hand_off


def _log(request: web.Request, outcome: str, reason: str, detail: str = "") -> None:
    services, name = request.app[SERVICES], request.match_info["connector"]
    services.events.emit(
        "hand_off",
        outcome,
        reason=reason,
        detail=detail,
        connector=name if name in services.upstreams else "",
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
    )
