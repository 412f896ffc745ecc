"""Between aiohttp and the protocol: strict reading of requests, and the shapes of our answers.

Owns how parameters are read (RFC 6749 Appendix B) and how pages, JSON and redirects are written.
Nothing here knows what a parameter means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web

from broker import strictjson
from broker.connector import Departure
from broker.endpoints import about, sealing, speaking
from broker.pages import DepartureView, ErrorView, FormPostView, LeavingView, MessageKey, Page, View
from broker.protocol import metadata
from broker.protocol.client import Client
from broker.protocol.errors import InvalidRequest, OAuthError, Shown
from broker.protocol.params import Params
from broker.protocol.reply import Reply
from broker.services import SERVICES

MAX_FORM = 64 * 1024
_MAX_FIELDS = 100
_BODY_DEADLINE = 10.0
"""Seconds in which a body must have come."""
_FORM = "application/x-www-form-urlencoded"

NO_STORE = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_encode = msgspec.json.Encoder().encode


def _pairs(raw: str, most: int = _MAX_FIELDS) -> list[tuple[str, str]]:
    """The pairs of application/x-www-form-urlencoded (RFC 6749 Appendix B; URL Standard §5.1)."""
    pieces = raw.split("&")
    if len(pieces) > most:
        raise InvalidRequest("There are too many parameters.", reason="parameters_malformed")
    halves = [piece.partition("=") for piece in pieces if piece]
    return [(_decoded(name), _decoded(value)) for name, _, value in halves]


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The parameters are not UTF-8.", reason="parameters_malformed") from None


def _query(request: web.Request) -> list[tuple[str, str]]:
    raw = request.raw_path.partition("?")[2]
    if not raw.isascii():  # RFC 3986 §2: nothing else is a URL
        raise InvalidRequest("The parameters are malformed.", reason="parameters_malformed")
    return _pairs(raw)


def read_query(request: web.Request) -> Params:
    """The parameters of the URL, from the bytes that were sent.

    Raises:
        Shown: they are not valid UTF-8, or far too many.
    """
    try:
        return Params.of(_query(request))
    except InvalidRequest as error:
        raise Shown("bad_request", detail=error.detail) from error


async def read_form(request: web.Request) -> Params:
    """The parameters of the body; none may be in the URL, where secrets would be logged (RFC 6749 §2.3.1).

    Raises: as `read_pairs`; and InvalidRequest where the URL has a query.
    """
    if "?" in request.raw_path:
        raise InvalidRequest("Parameters belong in the body.", reason="parameters_in_url")
    return Params.of(await read_pairs(request))


async def read_pairs(request: web.Request, *, most: int = _MAX_FIELDS) -> list[tuple[str, str]]:
    """The pairs of the URL and of the body together, as they were sent, so that one in both is a repeat.

    Raises:
        InvalidRequest: another content type, or a malformed body.
        web.HTTPRequestEntityTooLarge: more than 64 kB.
    """
    kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = parameters.strip().lower()
    if kind.strip().lower() != _FORM or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise InvalidRequest("The body must be form-encoded.", reason="content_type")
    try:
        text = (await _body(request)).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.", reason="parameters_malformed") from None
    return _query(request) + _pairs(text, most)


async def read_json(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body (RFC 7591 §3.1), read as strictly as anybody's.

    Raises:
        InvalidRequest: another content type, or no JSON object.
        web.HTTPRequestEntityTooLarge: more than 64 kB.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest("The body must be application/json.", reason="content_type")
    try:
        return strictjson.parse_object(await _body(request))
    except strictjson.StrictJSONError as error:
        raise InvalidRequest("The body is no JSON object.", reason="json_malformed") from error


async def _body(request: web.Request) -> bytes:
    """What was sent, whole and as it is."""
    if any(coding.lower() != "identity" for coding in request.headers.getall("Content-Encoding", ())):
        raise InvalidRequest("The body must not be compressed.", reason="content_encoding")
    try:
        # Nearly every body has come whole with its head, and is not waited for.
        async with asyncio.timeout(None if request.content.is_eof() else _BODY_DEADLINE):
            return await request.read()
    except (TimeoutError, web.RequestPayloadError, ConnectionError) as error:
        raise InvalidRequest("The body did not arrive whole.", reason="body_incomplete") from error


async def read_params(request: web.Request) -> Params:
    """The parameters of a GET, or of a POST (Core §3.1.2.1 wants both).

    Raises:
        Shown: they cannot be read.
    """
    if request.method == "GET":
        return read_query(request)
    try:
        return Params.of(await read_pairs(request))
    except InvalidRequest as error:
        raise Shown("bad_request", detail=error.reason) from error


def json(
    body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> web.Response:
    """A JSON answer that nobody keeps (RFC 6749 §5.1)."""
    return web.Response(body=_encode(body), status=status, headers=headers, content_type="application/json")


def token(text: str, content_type: str) -> web.Response:
    """An answer that is a token itself, which nobody keeps."""
    return web.Response(body=text.encode("ascii"), headers=NO_STORE, content_type=content_type)


def see_other(url: str) -> web.Response:
    """Send the browser on with a GET. The URL is written as it is, not quoted again."""
    return web.Response(status=303, headers={"Location": url, **NO_STORE})


def departing(request: web.Request, departure: Departure, *, upstream: str) -> web.Response:
    """On to the upstream: by a redirect, or by a form where the upstream wants one (SAML Bindings §3.5)."""
    if departure.form is None:
        return see_other(departure.url)
    fields = tuple(departure.form.items())
    return page(request, DepartureView(action=departure.url, fields=fields, upstream=upstream))


def page(
    request: web.Request,
    view: View,
    *,
    status: int | None = None,
    back: str | None = None,
) -> web.Response:
    """One of our pages, in the person's language; with another ``status`` than the view's own, where needed.

    ``back`` is the path of ours at which the page is found again, where it is the answer to a form.
    """
    rendered: Page = request.app[SERVICES].pages.render(
        view,
        languages=speaking.wanted(request),
        switch=speaking.switch(request, back),
    )
    return web.Response(body=rendered.html, status=status or rendered.status, headers=rendered.headers)


def error_page(
    request: web.Request, message: MessageKey, *, status: int, back_url: str | None = None
) -> web.Response:
    """The plain page that says what happened, what to do now, and the correlation id."""
    view = ErrorView(
        message=message, correlation_id=request[about.CORRELATION], status=status, back_url=back_url
    )
    return page(request, view)


async def at_client(request: web.Request, reply: Reply) -> web.Response:
    """Answer the client app through the browser."""
    services = request.app[SERVICES]
    if reply.redirect_uri == services.issuer + metadata.DEVICE:
        return _at_device(request, reply)
    client = await services.clients.find(reply.client_id)
    client_name = client.client_name if client is not None else ""
    if reply.is_signed:
        reply = await sealing.answer(services, client, reply)
    if reply.by_form:
        fields = tuple(reply.members.items())
        # A browser holds form-action against what the app's own answer redirects to as well.
        onward = (*client.redirect_uris, *client.post_logout_redirect_uris) if client is not None else ()
        view = FormPostView(
            action=reply.redirect_uri,
            fields=fields,
            client_name=client_name,
            client_id=reply.client_id,
            onward=onward,
        )
        return page(request, view)
    return go(request, reply.url, client)


def _at_device(request: web.Request, reply: Reply) -> web.Response:
    """A person could not be signed in for a device, which waits still: they may try again (RFC 8628 §3.3)."""
    away = reply.members.get("error") in ("temporarily_unavailable", "server_error")
    message: MessageKey = "server_error" if away else "upstream_refused"
    again = request.app[SERVICES].at(metadata.DEVICE)
    return error_page(request, message, status=503 if away else 400, back_url=again)


def go(request: web.Request, url: str, client: Client | None) -> web.Response:
    """On to another site, such as that of a client app.

    A POST to a page of ours answers with a page: browsers hold ``form-action`` against the redirects that
    follow a form, and ours allows no other site.
    """
    if request.method != "POST" or about.path(request) == metadata.AUTHORIZE:
        return see_other(url)
    view = LeavingView(
        url=url,
        client_name=client.client_name if client is not None else "",
        client_id=client.client_id if client is not None else None,
        custom_scheme=custom_scheme(url),
    )
    return page(request, view)


def custom_scheme(url: str) -> str | None:
    """The scheme of an app's own that ``url`` has; None on the web (RFC 8252 §7.1)."""
    scheme = url.partition(":")[0].lower()
    return None if scheme in ("https", "http") else scheme


def oauth_error(
    error: OAuthError, *, headers: Mapping[str, str] | None = None, status: int | None = None
) -> web.Response:
    """An error answer of RFC 6749 §5.2: JSON whatever ``Accept`` says."""
    return json(error.body(), status=status or error.status, headers=NO_STORE | dict(headers or {}))
