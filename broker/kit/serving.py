"""The endpoints of a fake provider, over HTTP.

Owns the aiohttp application: it notes what was asked, lets a switch spoil the answer, and else asks the
provider what to say. Core §3.1.2, §3.1.3, §5.3; Discovery §4; OAuth 2.0 Form Post Response Mode;
RP-Initiated Logout §2.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape, unescape
from re import findall
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from broker.kit.forging import compact
from broker.kit.lies import changed
from broker.kit.manners import Manners
from broker.kit.proving import Refused
from broker.kit.seen import Seen
from broker.kit.trouble import trouble

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass
class Serving(Manners):
    """A provider that is asked over HTTP."""

    def application(self) -> web.Application:
        """An application with every endpoint that the provider has a path for."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._around(request, handler)

        app, base = web.Application(middlewares=[around]), self.path.removesuffix("/")
        handlers: dict[str, tuple[str, Handler]] = {
            "discovery": ("GET", self._discovery),
            "jwks": ("GET", self._jwks),
            "authorize": ("GET", self._authorize),
            "token": ("POST", self._token),
            "userinfo": ("*", self._userinfo),
            "end_session": ("GET", self._end_session),
        }
        for name, (method, handler) in handlers.items():
            if name in self.paths:
                app.router.add_route(method, base + self.paths[name], handler, name=name)
        self.extra_routes(app.router, base)
        return app

    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.match_info.route.name or "unknown"
        form = {key: str(value) for key, value in (await request.post()).items()}
        seen = Seen(name, request.method, dict(request.headers), dict(request.query), form, request.path_qs)
        self.requests.append(seen)
        wrong = "drop" if self.switches.get("down") else self.switches.get(name)
        spoilt = await trouble(self, request, wrong) if isinstance(wrong, str) else None
        response = spoilt or await handler(request)
        if self.switches.get("cookies") and not response.prepared:
            response.set_cookie("session", secrets.token_hex(8), path="/")
        return response

    async def _discovery(self, _request: web.Request) -> web.Response:
        switch = self.switches.get("discovery")
        return _json(changed(self.metadata(), switch), doubled=switch)

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": self.published_keys()})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        if len(asked) != len(request.query) or asked.get("client_id") != self.client_id:
            return web.Response(status=400, text="unknown client, or a parameter twice")
        uri = asked.get("redirect_uri", "")
        if not uri or (self.redirect_uris is not None and uri not in self.redirect_uris):
            return web.Response(status=400, text="unregistered redirect_uri")
        answer = changed(self.callback_answer(asked), self.switches.get("callback"))
        if asked.get("response_mode") == "form_post":
            return web.Response(text=_form(uri, answer), content_type="text/html")
        joint = "&" if "?" in uri else "?"
        return web.Response(status=303, headers={"Location": f"{uri}{joint}{urlencode(answer)}"})

    async def _token(self, request: web.Request) -> web.Response:
        form = self.requests[-1].form
        switch = self.switches.get("token")
        try:
            self._authenticate(request, form)
            refreshes = form.get("grant_type") == "refresh_token"
            answer = self.refresh_answer(form) if refreshes else self.token_answer(self._redeem(form), form)
        except Refused as error:
            status, body = self.refusal(error)
            return web.json_response(body, status=status, headers=_NO_STORE)
        self.told.append(answer)
        if switch == "error_in_200":
            return web.json_response({"error": "bad_verification_code"}, headers=_NO_STORE)
        if switch in ("no_id_token", "no_token_type"):
            answer.pop(switch.removeprefix("no_"), None)
        return _json(changed(answer, switch), doubled=switch, headers=_NO_STORE)

    async def _userinfo(self, request: web.Request) -> web.Response:
        switch = self.switches.get("userinfo")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        person = self.access_tokens.get(token)
        if scheme != "Bearer" or person is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return web.json_response({}, status=401, headers=challenge)
        said = self.userinfo_claims(person)
        if switch == "jwt":
            key = self.keys[0]
            text = compact(key, {"alg": key.alg, "kid": key.kid}, said)
            return web.Response(text=text, content_type="application/jwt")
        if switch == "other_sub":
            said["sub"] = "somebody else"
        elif switch == "no_sub":
            del said["sub"]
        return _json(changed(said, switch), doubled=switch)

    async def _end_session(self, request: web.Request) -> web.Response:
        """The session ends, and the browser goes back where it is told to."""
        self.session_since = None
        back = request.query.get("post_logout_redirect_uri")
        if back is None:
            return web.Response(text="You are signed out.")
        state = request.query.get("state")
        query = f"{'&' if '?' in back else '?'}{urlencode({'state': state})}" if state else ""
        return web.Response(status=303, headers={"Location": back + query})


def _json(
    document: dict[str, Any], *, doubled: object = None, headers: dict[str, str] | None = None
) -> web.Response:
    """The document; with the switch ``duplicate_keys`` each of its members stands there twice."""
    text = json.dumps(document)
    if doubled == "duplicate_keys":
        text = f"{json.dumps(dict.fromkeys(document, 'planted'))[:-1]}, {text[1:]}"
    return web.Response(text=text, content_type="application/json", headers=headers)


def _form(uri: str, answer: dict[str, str]) -> str:
    inputs = "".join(
        f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in answer.items()
    )
    form = f'<form method="post" action="{escape(uri)}">{inputs}<button>Go on</button></form>'
    return f"<!doctype html><title>Continue</title>{form}"


def form_fields(page: str) -> dict[str, str]:
    """What a page of the form_post mode would send."""
    return {unescape(k): unescape(v) for k, v in findall(r'name="([^"]*)" value="([^"]*)"', page)}
