"""What can go wrong on the wire at any endpoint of a fake provider: `trouble` by its name.

Owns the common failures of HTTP, from a redirect to bytes that are no HTTP at all. None of them takes long:
what waits is waiting until the test lets it go, or the other side hangs up.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from broker.kit.manners import Manners

MEGABYTE = 1 << 20
_SERVER_ERROR = 500

Trouble = Callable[["Manners", web.Request], Awaitable[web.StreamResponse | None]]


async def trouble(idp: Manners, request: web.Request, wrong: str) -> web.StreamResponse | None:
    """The answer that this switch makes; None where the endpoint's own is to follow."""
    if wrong in _KINDS:
        return await _KINDS[wrong](idp, request)
    return _status(idp, int(wrong)) if wrong.isdigit() else None


def _status(idp: Manners, status: int) -> web.Response:
    headers = {"Location": f"{idp.base}/elsewhere"} if 300 <= status < 400 else {}  # noqa: PLR2004
    return web.Response(text="<html>trouble</html>", content_type="text/html", status=status, headers=headers)


async def _slow(idp: Manners, _request: web.Request) -> None:
    idp.waiting.set()
    await idp.released.wait()


async def _drop(_idp: Manners, request: web.Request) -> web.Response:
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _redirect(idp: Manners, _request: web.Request) -> web.Response:
    return _status(idp, 307)


async def _oversize(_idp: Manners, _request: web.Request) -> web.Response:
    return web.json_response({"padding": "x" * (2 * MEGABYTE)})


async def _not_json(_idp: Manners, _request: web.Request) -> web.Response:
    return web.Response(text="{'single': 'quotes'}", content_type="application/json")


async def _html(_idp: Manners, _request: web.Request) -> web.Response:
    return web.Response(text="<html>maintenance</html>", content_type="text/html", status=400)


async def _a_list(_idp: Manners, _request: web.Request) -> web.Response:
    return web.json_response([{"sub": "ann"}])


async def _utf16(_idp: Manners, _request: web.Request) -> web.Response:
    return web.Response(body='{"sub": "ann"}'.encode("utf-16"), content_type="application/json")


async def _gzip_bomb(_idp: Manners, _request: web.Request) -> web.Response:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    return web.Response(body=_bomb(), headers=headers)


@cache
def _bomb() -> bytes:
    """A few kilobytes that want to be many megabytes."""
    return gzip.compress(b" " * (16 * MEGABYTE))


async def _retry_after(_idp: Manners, _request: web.Request) -> web.Response:
    return web.Response(status=503, headers={"Retry-After": "99999999999"})


async def _drip(idp: Manners, request: web.Request) -> web.StreamResponse:
    """One byte, and the next when the test lets it come: for a reader it is always nearly there."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b"{")
    idp.waiting.set()
    while not idp.released.is_set() and not _gone(request):
        await response.write(b" ")
        with suppress(TimeoutError):
            await asyncio.wait_for(idp.released.wait(), 0.02)
    return response


async def _stalled_headers(idp: Manners, request: web.Request) -> web.Response:
    """Half of a header, and then nothing."""
    _raw(request, b"HTTP/1.1 200 OK\r\nContent-Type: appl")
    await _slow(idp, request)
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _endless_headers(_idp: Manners, request: web.Request) -> web.Response:
    """Header after header, until the other side has enough."""
    _raw(request, b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        if _gone(request):
            break
        _raw(request, b"X-%d: %s\r\n" % (number, b"y" * 100))
        await asyncio.sleep(0)
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _long_header(_idp: Manners, request: web.Request) -> web.Response:
    _raw(request, b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * MEGABYTE + b"\r\nContent-Length: 2\r\n\r\n{}")
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _truncated(_idp: Manners, request: web.Request) -> web.Response:
    """Fewer bytes than were announced."""
    _raw(request, b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"sub":')
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _garbage(_idp: Manners, request: web.Request) -> web.Response:
    _raw(request, b"SSH-2.0-not-http\r\n\r\n")
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


async def _second_answer(_idp: Manners, request: web.Request) -> web.Response:
    """An answer behind the answer, for whoever would use the connection next (response splitting)."""
    one = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    planted = b'{"access_token": "planted", "token_type": "Bearer", "sub": "planted"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(planted)
    _raw(request, one + head + planted)
    _hang_up(request)
    return web.Response(status=_SERVER_ERROR)


def _raw(request: web.Request, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


_KINDS: dict[str, Trouble] = {
    "slow": _slow,
    "drop": _drop,
    "redirect": _redirect,
    "oversize": _oversize,
    "not_json": _not_json,
    "html": _html,
    "a_list": _a_list,
    "utf16": _utf16,
    "gzip_bomb": _gzip_bomb,
    "retry_after": _retry_after,
    "drip": _drip,
    "stalled_headers": _stalled_headers,
    "endless_headers": _endless_headers,
    "long_header": _long_header,
    "truncated": _truncated,
    "garbage": _garbage,
    "second_answer": _second_answer,
}
