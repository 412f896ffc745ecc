"""The demo identity provider: a small OpenID Provider with two people and one client, the broker.

Owns nothing of the broker: it is the upstream of the demo, in a process of its own, and strict in what it
asks of whoever signs people in with it. OpenID Connect Core 1.0 §3.1 and §5.3, Discovery 1.0, RFC 6749 §4.1,
RFC 7636 (S256 only), RFC 9207. Not for production: anyone who opens the page may be anyone on it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from broker.demo import provider_tokens as tokens
from broker.demo.people import PEOPLE, Person
from broker.demo.web import (
    LOOPBACK,
    Clock,
    FormError,
    Shelf,
    application,
    form,
    page,
    query,
    remember,
    see,
    serve,
)

SESSION_COOKIE = "demo_provider_session"
BROWSER_COOKIE = "demo_provider_browser"
LOGIN, SESSION = 600, 8 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who is signed in at the provider with one browser."""

    person: Person
    sid: str
    auth_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that waits for a person to be picked, in the browser that brought it."""

    asked: dict[str, str]
    browser: str


@dataclass(slots=True)
class Provider:
    """The provider's whole memory. It forgets everything but its key when it stops."""

    client: tokens.Client
    key: tokens.Key
    now: Clock = time.time
    sessions: Shelf[Session] = field(init=False)
    waiting: Shelf[Waiting] = field(init=False)
    desk: tokens.Desk = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = Shelf(SESSION, self.now)
        self.waiting = Shelf(LOGIN, self.now)
        self.desk = tokens.Desk(self.client, self.key, self.now)


PROVIDER = web.AppKey("provider", Provider)


class Refused(Exception):  # not an error: the app hears it at its redirect_uri
    """An answer with ``error`` (RFC 6749 §4.1.2.1; Core §3.1.2.6)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


# ── /authorize ────────────────────────────────────────────────────────────────────────────────


async def authorize(request: web.Request) -> web.Response:
    """An app sends a browser: answer at once when that may be, else ask who it is."""
    provider = request.app[PROVIDER]
    asked = await form(request) if request.method == "POST" else query(request)
    if asked.get("client_id") != provider.client.client_id:
        raise FormError("no app is registered here under that client_id")
    if asked.get("redirect_uri") != provider.client.redirect_uri:
        raise FormError("that redirect_uri is not registered for this app")
    # ── From here on the app is told (RFC 6749 §4.1.2.1). ──
    try:
        _check(asked)
        session = provider.sessions.get(request.cookies.get(SESSION_COOKIE, ""))
        if session is not None and not _wants_page(asked, session, provider.now()):
            return _with_code(provider, asked, session)
        if asked.get("prompt") == "none":
            raise Refused("login_required", "nobody is signed in with this browser")
    except Refused as refused:
        return _answer(provider, asked, error=refused.error, error_description=refused.description)
    return _ask_who(request, provider, asked, session)


def _check(asked: dict[str, str]) -> None:
    if "request" in asked or "request_uri" in asked:
        raise Refused("request_not_supported", "request objects are not supported")
    if asked.get("response_type") != "code":
        raise Refused("unsupported_response_type", "only the code flow is supported")
    if "openid" not in asked.get("scope", "").split():
        raise Refused("invalid_scope", "the scope must contain openid")
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        raise Refused("invalid_request", "PKCE with S256 is required")
    if not asked.get("max_age", "0").isdecimal():
        raise Refused("invalid_request", "max_age must be a number of seconds")
    prompts = asked.get("prompt", "").split()
    if "none" in prompts and len(prompts) > 1:
        raise Refused("invalid_request", "prompt=none stands alone")


def _wants_page(asked: dict[str, str], session: Session, now: float) -> bool:
    """Whether a person who is signed in must nevertheless be asked (Core §3.1.2.1)."""
    if {"login", "select_account"} & set(asked.get("prompt", "").split()):
        return True
    return "max_age" in asked and now - session.auth_time > int(asked["max_age"])


def _ask_who(
    request: web.Request, provider: Provider, asked: dict[str, str], session: Session | None
) -> web.Response:
    browser = request.cookies.get(BROWSER_COOKIE) or secrets.token_urlsafe(16)
    hint = asked.get("login_hint", "")
    people = sorted(PEOPLE.values(), key=lambda person: not person.is_meant_by(hint))
    response = page(
        "provider_login.html",
        people=people,
        waiting=provider.waiting.put(Waiting(asked=asked, browser=browser)),
        already=session.person if session else None,
        again="login" in asked.get("prompt", "").split() or "max_age" in asked,
    )
    remember(response, BROWSER_COOKIE, browser)
    return response


async def login(request: web.Request) -> web.Response:
    """Somebody was picked, or nobody."""
    provider, posted = request.app[PROVIDER], await form(request)
    waiting = provider.waiting.get(posted.get("waiting", ""))
    if waiting is None or waiting.browser != request.cookies.get(BROWSER_COOKIE):
        raise FormError("this page is too old or another browser's; go back to the app")
    provider.waiting.take(posted["waiting"])
    person = PEOPLE.get(posted.get("person", ""))
    if person is None:
        return _answer(provider, waiting.asked, error="access_denied", error_description="went back")
    session = Session(person=person, sid=secrets.token_urlsafe(12), auth_time=int(provider.now()))
    response = _with_code(provider, waiting.asked, session)
    # Core §3.1.2.1: whoever signed in before is signed out with the new login.
    provider.sessions.take(request.cookies.get(SESSION_COOKIE, ""))
    remember(response, SESSION_COOKIE, provider.sessions.put(session))
    return response


def _with_code(provider: Provider, asked: dict[str, str], session: Session) -> web.Response:
    code = provider.desk.code(
        tokens.Promise(
            person=session.person,
            sid=session.sid,
            auth_time=session.auth_time,
            code_challenge=asked["code_challenge"],
            nonce=asked.get("nonce"),
            scope=asked["scope"],
        )
    )
    return _answer(provider, asked, code=code)


def _answer(provider: Provider, asked: dict[str, str], **members: str) -> web.Response:
    """Back to the app, with ``iss`` in every answer (RFC 9207 §2)."""
    if "state" in asked:
        members["state"] = asked["state"]
    members["iss"] = provider.client.issuer
    return see(f"{provider.client.redirect_uri}?{urlencode(members)}")


# ── What the broker calls ─────────────────────────────────────────────────────────────────────


async def token(request: web.Request) -> web.Response:
    """A code becomes tokens (RFC 6749 §4.1.3)."""
    desk = request.app[PROVIDER].desk
    try:
        desk.authenticate(request.headers.get("Authorization", ""))
        return _json(desk.redeem(await form(request)))
    except FormError as error:
        return _json({"error": "invalid_request", "error_description": str(error)}, 400)
    except tokens.TokenRefused as refused:
        response = _json({"error": refused.error}, refused.status)
        if refused.status == HTTPStatus.UNAUTHORIZED:  # RFC 6749 §5.2
            response.headers["WWW-Authenticate"] = 'Basic realm="demo provider"'
        return response


async def userinfo(request: web.Request) -> web.Response:
    """Whose access token this is (Core §5.3)."""
    found = request.app[PROVIDER].desk.userinfo(request.headers.get("Authorization", ""))
    if found is None:
        challenge = 'Bearer realm="demo provider", error="invalid_token"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})
    return _json(found)


def _json(document: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(document, status=status, headers={"Cache-Control": "no-store"})


# ── What anyone may read ──────────────────────────────────────────────────────────────────────


async def discovery(request: web.Request) -> web.Response:
    """What this provider can do (Discovery §3)."""
    return web.json_response(tokens.metadata(request.app[PROVIDER].client.issuer))


async def jwks(request: web.Request) -> web.Response:
    """The key that its ID Tokens are signed with."""
    return web.json_response({"keys": [request.app[PROVIDER].key.public()]})


async def front(request: web.Request) -> web.Response:
    """Who is signed in at the provider, and a way out."""
    session = request.app[PROVIDER].sessions.get(request.cookies.get(SESSION_COOKIE, ""))
    return page("provider_front.html", person=session.person if session else None)


async def sign_out(request: web.Request) -> web.Response:
    """End the provider's own session; apps and broker keep theirs."""
    request.app[PROVIDER].sessions.take(request.cookies.get(SESSION_COOKIE, ""))
    response = see("/")
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


def build(provider: Provider) -> web.Application:
    """The provider as an application."""
    app = application()
    app[PROVIDER] = provider
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", discovery),
            web.get("/jwks", jwks),
            web.get("/authorize", authorize),
            web.post("/authorize", authorize),
            web.post("/login", login),
            web.post("/token", token),
            web.get("/userinfo", userinfo),
            web.post("/userinfo", userinfo),
            web.get("/", front),
            web.post("/sign-out", sign_out),
        ]
    )
    return app


def main(arguments: list[str] | None = None) -> int:
    """Run it: `python -m broker.demo.provider --help`."""
    parser = argparse.ArgumentParser(prog="python -m broker.demo.provider", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--client-id", default="broker")
    parser.add_argument("--client-secret-file", type=Path, required=True)
    parser.add_argument("--redirect-uri", required=True, help="where the client hears the answer")
    parser.add_argument("--key-file", type=Path, required=True, help="made when it is not there")
    given = parser.parse_args(arguments)
    client = tokens.Client(
        issuer=f"http://{LOOPBACK}:{given.port}",
        client_id=given.client_id,
        client_secret=given.client_secret_file.read_text().strip(),
        redirect_uri=given.redirect_uri,
    )
    return serve(build(Provider(client, tokens.Key.kept_in(given.key_file))), given.port)


if __name__ == "__main__":
    sys.exit(main())
