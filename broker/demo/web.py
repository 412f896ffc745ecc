"""What the demo's web pages share: templates, headers, strict forms, and running on one loopback port."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
MAX_FORM = 16_384

Clock = Callable[[], float]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


def pretty(value: Any) -> str:
    """JSON as one reads it."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["pretty"] = pretty

# No form-action: browsers apply it to the redirects that follow a POST, and a login redirects onwards
# through addresses that this page cannot know.
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not no-referrer: with that a browser sends "Origin: null" even to ourselves (Fetch, request origin).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Shelf(Generic[T]):
    """Things kept in memory for a while, each under a name that nobody can guess."""

    def __init__(self, seconds: float, now: Clock = time.time) -> None:
        self._seconds, self._now = seconds, now
        self._kept: dict[str, tuple[float, T]] = {}

    def put(self, thing: T, name: str | None = None) -> str:
        """Keep ``thing``; its name is the answer. Whatever is too old goes."""
        now = self._now()
        self._kept = {old: kept for old, kept in self._kept.items() if kept[0] > now}
        name = name or secrets.token_urlsafe(32)
        self._kept[name] = (now + self._seconds, thing)
        return name

    def get(self, name: str) -> T | None:
        """The thing of that name, if it is still there."""
        ends, thing = self._kept.get(name, (0.0, None))
        return thing if ends > self._now() else None

    def take(self, name: str) -> T | None:
        """The thing of that name, for the last time."""
        thing = self.get(name)
        self._kept.pop(name, None)
        return thing


class FormError(Exception):
    """A query or form that repeats a parameter or is no form at all (RFC 6749 §3.1)."""


def query(request: web.Request) -> dict[str, str]:
    """The query, without empty parameters and with no parameter twice."""
    return _once(request.rel_url.raw_query_string)


async def form(request: web.Request) -> dict[str, str]:
    """The posted form, without empty parameters and with no parameter twice."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise FormError("not a form")
    body = await request.content.read(MAX_FORM + 1)
    if len(body) > MAX_FORM or not request.content.at_eof():
        raise FormError("too long")
    try:
        return _once(body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise FormError("not a form") from error


def _once(encoded: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(encoded, errors="strict")
    except ValueError as error:
        raise FormError("not a form") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormError("a parameter is repeated")
    return found


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """A page of ours, never kept by a cache."""
    text = _templates.get_template(template).render(**values)
    response = web.Response(text=text, status=status, content_type="text/html", headers=_PAGE_HEADERS)
    response.headers["Cache-Control"] = "no-store"
    return response


def see(url: str) -> web.Response:
    """Go there, with a GET. Not `web.HTTPFound`, which rewrites the address."""
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def remember(response: web.Response, cookie: str, value: str) -> None:
    """Set a cookie for as long as the browser runs. The demo is plain http on loopback: no Secure."""
    response.set_cookie(cookie, value, httponly=True, samesite="Lax", path="/")


@web.middleware
async def plain_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a malformed request with a page instead of a stack."""
    try:
        return await handler(request)
    except FormError as error:
        return page("trouble.html", 400, title="That request cannot be read", said=f"{error}.")


def application() -> web.Application:
    """An empty application with what every demo process has."""
    app = web.Application(middlewares=[plain_words])
    app.router.add_static("/static", HERE / "static")
    app.router.add_get("/healthz", _healthy)
    return app


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def serve(app: web.Application, port: int) -> int:
    """Serve on loopback until SIGTERM or SIGINT; 1 when the port cannot be had."""
    try:
        web.run_app(app, host=LOOPBACK, port=port, print=None, access_log=None, shutdown_timeout=1)
    except OSError as error:
        print(f"cannot listen on {LOOPBACK}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
