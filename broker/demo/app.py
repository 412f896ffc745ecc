"""Two demo apps and their API, in one process: what a person sees of the demo.

Owns the pages and the session of the apps. Harbour Notes asks for consent and may read the API; Harbour
Calendar is trusted and may not, so that single sign-on and a refusal (RFC 6750 §3.1) can be seen too. How an
app signs people in is in relying.py, how the API checks tokens in api.py.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from broker.demo import api, telling
from broker.demo.apps import APPS, AppEntry
from broker.demo.issuer import Issuer, IssuerUnavailable
from broker.demo.relying import Departed, Registration, RelyingParty, SignInFailed, Tokens
from broker.demo.web import (
    LOOPBACK,
    Clock,
    FormError,
    Handler,
    Shelf,
    application,
    page,
    query,
    remember,
    see,
    serve,
)

COOKIE = "demo_app_session"
VISIT = 8 * 3600
TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass(slots=True)
class SignedIn:
    """One person at one app."""

    tokens: Tokens
    refreshed: int = 0


@dataclass(slots=True)
class Visit:
    """What the apps remember of one browser."""

    away: dict[str, Departed] = field(default_factory=dict)
    """State → a login that is on its way, for at most a few at once."""
    here: dict[str, SignedIn] = field(default_factory=dict)
    """App → who is signed in there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where everybody is."""

    base: str
    issuer: str
    account: str
    """The broker's page where a person sees and withdraws what they allowed."""
    provider: str
    secrets: dict[str, str]
    """App → its client secret."""
    now: Clock = time.time


@dataclass(slots=True)
class Apps:
    """Both apps while they run."""

    settings: Settings
    relying: dict[str, RelyingParty]
    http: aiohttp.ClientSession
    visits: Shelf[Visit]


SETTINGS, RUNNING = web.AppKey("settings", Settings), web.AppKey("apps", Apps)


async def _running(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as http:
        issuer = Issuer(settings.issuer, http, settings.now)
        relying = {
            entry.key: RelyingParty(_registration(entry, settings), issuer, http, settings.now)
            for entry in APPS
        }
        app[RUNNING] = Apps(settings, relying, http, Shelf(VISIT, settings.now))
        app[api.TOKENS] = api.AccessTokens(issuer, f"{settings.base}/api", settings.now)
        yield


def _registration(entry: AppEntry, settings: Settings) -> Registration:
    return Registration(
        client_id=entry.key,
        client_secret=settings.secrets[entry.key],
        redirect_uri=f"{settings.base}/{entry.key}/callback",
        scope=" ".join(entry.scopes),
    )


def _entry(request: web.Request) -> AppEntry:
    for entry in APPS:
        if entry.key == request.match_info["app"]:
            return entry
    raise web.HTTPNotFound


def _visit(request: web.Request) -> Visit | None:
    return request.app[RUNNING].visits.get(request.cookies.get(COOKIE, ""))


# ── Signing in ────────────────────────────────────────────────────────────────────────────────


async def front(request: web.Request) -> web.Response:
    """The first page: what this is, and two ways in."""
    visit = _visit(request)
    return page("app_front.html", apps=APPS, here=visit.here if visit else {}, settings=request.app[SETTINGS])


async def sign_in(request: web.Request) -> web.Response:
    """Off to the broker."""
    apps, entry = request.app[RUNNING], _entry(request)
    again = {"prompt": "login"} if "again" in query(request) else {}
    url, departed = await apps.relying[entry.key].depart(**again)
    visit, name = _visit(request), request.cookies.get(COOKIE, "")
    response = see(url)
    if visit is None:
        visit = Visit()
        name = apps.visits.put(visit)
        remember(response, COOKIE, name)
    visit.away = dict([*visit.away.items(), (departed.state, departed)][-8:])
    return response


async def callback(request: web.Request) -> web.Response:
    """Back from the broker: the state must be one that this very browser left with."""
    apps, entry, visit, answer = request.app[RUNNING], _entry(request), _visit(request), query(request)
    departed = visit.away.pop(answer.get("state", ""), None) if visit else None
    if visit is None or departed is None:
        raise SignInFailed("unknown_state", "this sign-in was not started here, or it is over already")
    visit.here[entry.key] = SignedIn(await apps.relying[entry.key].arrive(departed, answer))
    # A new name for the session, so that nobody who knew the old one is signed in with it.
    apps.visits.take(request.cookies[COOKIE])
    response = see(f"/{entry.key}/")
    remember(response, COOKIE, apps.visits.put(visit))
    return response


# ── Signed in ─────────────────────────────────────────────────────────────────────────────────


async def home(request: web.Request) -> web.Response:
    """The one page that shows everything: tokens, userinfo, the API's answer, and who said what."""
    apps, entry, visit = request.app[RUNNING], _entry(request), _visit(request)
    signed_in = visit.here.get(entry.key) if visit else None
    if signed_in is None:
        return see("/")
    relying, tokens = apps.relying[entry.key], signed_in.tokens
    userinfo, answer = await asyncio.gather(
        relying.userinfo(tokens), relying.get(f"{apps.settings.base}/api/me", tokens)
    )
    return page(
        "app_home.html",
        app=entry,
        other=next(other for other in APPS if other is not entry),
        signed_in=signed_in,
        story=telling.Story.of(tokens, userinfo),
        userinfo=userinfo,
        answer=answer,
        settings=apps.settings,
    )


async def refresh(request: web.Request) -> web.Response:
    """Fresh tokens, without the person."""
    apps, entry, visit = request.app[RUNNING], _entry(request), _visit(request)
    signed_in = visit.here.get(entry.key) if visit else None
    if signed_in is None:
        return see("/")
    signed_in.tokens = await apps.relying[entry.key].refresh(signed_in.tokens)
    signed_in.refreshed += 1
    return see(f"/{entry.key}/")


async def sign_out(request: web.Request) -> web.Response:
    """Forget who it was here, and go on to the broker's way out where it has one."""
    apps, entry, visit = request.app[RUNNING], _entry(request), _visit(request)
    signed_in = visit.here.pop(entry.key, None) if visit else None
    if signed_in is None:
        return see("/")
    onwards = await apps.relying[entry.key].way_out(signed_in.tokens, f"{apps.settings.base}/")
    return see(onwards) if onwards else page("app_signed_out.html", app=entry, settings=apps.settings)


@web.middleware
async def say_what_failed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A login that failed is a page with a way on; a POST of another site is nothing at all."""
    base = request.app[SETTINGS].base
    if request.method == "POST" and request.headers.get("Origin", base) != base:
        raise FormError("it was sent from another site")
    try:
        return await handler(request)
    except SignInFailed as failed:
        title = "You did not sign in" if failed.error == "access_denied" else "That did not work"
        return page("trouble.html", 400, title=title, said=f"{failed.description} ({failed.error})")
    except (IssuerUnavailable, aiohttp.ClientError, TimeoutError):
        return page("trouble.html", 503, title="The broker does not answer", said="Try again in a moment.")


def build(settings: Settings) -> web.Application:
    """Both apps and the API as one application."""
    app = application()
    app[SETTINGS] = settings
    app.middlewares.append(say_what_failed)
    app.cleanup_ctx.append(_running)
    app.add_routes(
        [
            web.get("/", front),
            web.get("/api/me", api.me),
            web.get("/{app}/", home),
            web.get("/{app}/sign-in", sign_in),
            web.get("/{app}/callback", callback),
            web.post("/{app}/refresh", refresh),
            web.post("/{app}/sign-out", sign_out),
        ]
    )
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run them: `python -m broker.demo.app --help`."""
    parser = argparse.ArgumentParser(prog="python -m broker.demo.app", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--secrets", type=Path, required=True, help="a folder with one file per app")
    given = parser.parse_args(arguments)
    secrets: dict[str, Any] = {app.key: (given.secrets / app.key).read_text().strip() for app in APPS}
    settings = Settings(
        base=f"http://{LOOPBACK}:{given.port}",
        issuer=given.issuer,
        account=f"{given.issuer}/account",
        provider=given.provider,
        secrets=secrets,
    )
    return serve(build(settings), given.port)


if __name__ == "__main__":
    sys.exit(main())
