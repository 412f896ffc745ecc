"""A strict OpenID Provider on a free port, with a switch for everything that can go wrong.

    async with FakeProvider.running() as idp:
        idp.person("ann", name="Ann", email="ann@example.com")
        idp.switch(nonce="wrong")

Left alone it does everything right and demands the same: PKCE, one method of client authentication, a code
once, the same redirect_uri. The person is signed in without a page: /authorize redirects straight back.
What was asked of it is in ``requests``. A vendor's *personality* is a subclass that overrides what its
vendor does otherwise:

    paths                    endpoint → path under ``base``
    issuer_name()            what it calls itself, where that is not its base
    metadata()               the discovery document          extra_routes(router)  endpoints of its own
    accepts(asked)           whether it takes a request to authorize; an error answer, or None
    callback_answer(asked)   what the browser brings back    token_answer(code, …)  what a code gives
    refresh_answer(form)     what a refresh token gives      refusal(error)         an error in its words
    id_token_claims(code)    access_token_claims(code)       userinfo_claims(person)
    header(key)              of its tokens                   jwk(key)               as its JWKS shows it

Its own switches are plain names in ``switches``. The common ones:

    a claim of the ID Token (iss aud azp nonce exp iat nbf sub at_hash c_hash auth_time acr amr …):
                    "missing", "wrong", or the value to say
    alg             "none", "HS256" (with the public key), or a name to write in the header
    kid             "missing", "unknown", or a value          signature   "bad", "foreign"
    duplicate_keys  "header" or "payload"                     typ         the header's typ
    token           "slow" "oversize" "redirect" "500" "429" "not_json" "no_id_token" "drop" "html"
                    "error_in_200" "no_token_type", or a dict: members to change
    userinfo        "slow" "oversize" "redirect" "500" "401" "not_json" "jwt" "other_sub" "no_sub" "drop"
    jwks            "slow" "oversize" "redirect" "500" "404" "not_json" "empty" "odd" "duplicate_kid" "drop"
    discovery       "slow" "oversize" "redirect" "500" "404" "not_json" "drop", or a dict: members to change
    callback        a dict: members to change, None removes one
    refresh         "invalid_grant": every refresh token is gone
    ignores_prompt  the old session answers whatever prompt and max_age say
    cookies         every answer sets one                     down        every connection is cut
"""

import asyncio
import json
import secrets
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape, unescape
from re import findall
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jws
from joserfc.jwk import import_key

from tests.fakes.forging import Key, b64, challenge_of, compact, half_hash

CLAIMS = {
    "iss",
    "aud",
    "azp",
    "nonce",
    "exp",
    "iat",
    "nbf",
    "sub",
    "at_hash",
    "c_hash",
    "auth_time",
    "acr",
    "amr",
    "sid",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Seen:
    """A request that came in."""

    endpoint: str
    method: str
    headers: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]


@dataclass
class Code:
    """What a code stands for."""

    asked: dict[str, str]
    person: str
    auth_time: int
    redeemed: bool = False


class Refused(Exception):
    """An OAuth error of the token endpoint."""

    def __init__(self, error: str, status: int = 400):
        super().__init__(error)
        self.error, self.status = error, status


@dataclass
class FakeProvider:
    """One provider, one client; see the module."""

    client_id: str = "broker"
    client_secret: str = "s3cret/with +odd=characters:é"
    auth_method: str = "client_secret_basic"
    client_jwks: dict[str, Any] | None = None
    alg: str = "RS256"
    path: str = ""
    """What follows the port in the issuer, such as /realms/acme; or a single slash."""
    redirect_uris: set[str] | None = None
    """None: any, as long as both requests say the same."""
    pkce: bool = True
    now: Callable[[], float] = time.time
    rotates: bool = False
    """Whether a refresh token is good once."""

    paths: ClassVar[dict[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "jwks": "/jwks",
        "authorize": "/authorize",
        "token": "/token",
        "userinfo": "/userinfo",
        "end_session": "/logout",
    }

    origin: str = ""
    """The scheme, host and port; known once it runs."""
    issuer: str = ""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    current: str = "ann"
    requests: list[Seen] = field(default_factory=list)
    switches: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    access_tokens: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, Code] = field(default_factory=dict)
    session_since: int | None = None
    jtis: set[str] = field(default_factory=set)
    keys: list[Key] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a slow request waits."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    # ── For tests ─────────────────────────────────────────────────────────────────────────────

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator["FakeProvider"]:
        """The provider, listening."""
        idp = cls(**how)
        idp.keys = [Key("first", idp.alg)]
        idp.person("ann", name="Ann Example", email="ann@example.com", email_verified=True)
        runner = web.AppRunner(idp._application(), access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        idp.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        idp.issuer = idp.issuer_name()
        try:
            yield idp
        finally:
            idp.release()
            await runner.cleanup()

    def person(self, sub: str, **claims: Any) -> None:
        """Make this person, and let them be the one who signs in from now on."""
        self.people[sub] = claims
        self.current = sub

    def switch(self, **values: Any) -> None:
        """Turn something wrong; None turns it right again."""
        self.switches.update(values)
        self.switches = {name: value for name, value in self.switches.items() if value is not None}

    def reset(self) -> None:
        """Turn everything right again."""
        self.switches.clear()

    def rotate(self) -> Key:
        """A new key signs from now on, and the old one is gone."""
        self.keys = [Key(f"key-{secrets.token_hex(4)}", self.alg)]
        return self.keys[0]

    def release(self) -> None:
        """Let what is slow go on."""
        self.released.set()

    def seen(self, endpoint: str) -> list[Seen]:
        """What came to this endpoint: discovery, jwks, authorize, token, userinfo."""
        return [request for request in self.requests if request.endpoint == endpoint]

    @property
    def base(self) -> str:
        """What its paths follow."""
        return self.origin + self.path.removesuffix("/")

    def url(self, endpoint: str) -> str:
        """Where this endpoint is."""
        return self.base + self.paths[endpoint]

    async def sign_in(self, url: str) -> dict[str, str]:
        """Be the browser: open the authorization URL, and say what it would bring to the callback."""
        async with aiohttp.ClientSession() as browser, browser.get(url, allow_redirects=False) as response:
            if response.status == 200:
                return form_fields(await response.text())
            if response.status != 303:
                raise AssertionError(f"{response.status} {await response.text()}")
            return dict(parse_qsl(urlsplit(response.headers["Location"]).query, keep_blank_values=True))

    # ── The server ────────────────────────────────────────────────────────────────────────────

    def _application(self) -> web.Application:
        @web.middleware
        async def around(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._around(request, handler)

        app = web.Application(middlewares=[around])
        base = self.path.removesuffix("/")
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

    # ── What a personality overrides ──────────────────────────────────────────────────────────

    def issuer_name(self) -> str:
        """What it calls itself; ``origin`` is known when this is asked."""
        return self.origin + self.path

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        """Endpoints of its own: ``router.add_get(f"{base}/orgs", self.orgs, name="orgs")``.

        The name makes ``seen(name)`` and the common switches (``orgs="500"``) work for it.
        """

    def metadata(self) -> dict[str, Any]:
        """The discovery document, before switches."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "userinfo_endpoint": self.url("userinfo"),
            "jwks_uri": self.url("jwks"),
            "end_session_endpoint": self.url("end_session"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.alg],
            "token_endpoint_auth_methods_supported": [self.auth_method],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        """The error that it answers this request to authorize with; None where it takes it."""
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return {"error": "invalid_request", "error_description": "response_type or scope"}
        if self.pkce and (not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256"):
            return {"error": "invalid_request", "error_description": "PKCE is required"}
        if asked.get("prompt") == "none" and self.session_since is None:
            return {"error": "login_required"}
        return None

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """What the browser brings back, before switches."""
        answer = self._answer(asked) | {"iss": self.issuer}
        return answer | ({"state": asked["state"]} if "state" in asked else {})

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        """What a code gives, before switches."""
        token = self._access_token(code)
        self.access_tokens[token] = code.person
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self._id_token(code, token, form.get("code", "")),
        }
        return answer | ({"refresh_token": self._refresh_token(code)} if self.gives_refresh(code) else {})

    def gives_refresh(self, code: Code) -> bool:
        """Whether this login gets a refresh token."""
        return "offline_access" in code.asked.get("scope", "").split()

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """What a refresh token gives; ``refresh="invalid_grant"`` ends them all."""
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if code is None or self.switches.get("refresh") == "invalid_grant":
            raise Refused("invalid_grant")
        if self.rotates:
            del self.refresh_tokens[form["refresh_token"]]
        answer = self.token_answer(code, form)
        if not self.rotates:
            answer.pop("refresh_token", None)
        return answer

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        """How the token endpoint says no: a status and a body."""
        status = 200 if self.switches.get("token") == "error_in_200" else error.status
        return status, {"error": error.error, "error_description": "as the tests asked"}

    def access_token_claims(self, code: Code) -> dict[str, Any]:
        """Of an access token in the manner of Keycloak; ``access_token`` switches them."""
        now = int(self.now())
        return {
            "iss": self.issuer,
            "sub": code.person,
            "aud": "account",
            "azp": self.client_id,
            "typ": "Bearer",
            "iat": now,
            "exp": now + 300,
            "jti": secrets.token_urlsafe(8),
            "realm_access": {"roles": ["staff"]},
        }

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        """Of an ID Token, before switches; a claim that is None is left out. ``value`` is the code."""
        now = int(self.now())
        return {
            **self.people[code.person],
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": code.person,
            "nonce": code.asked.get("nonce"),
            "iat": now,
            "exp": now + 300,
            "auth_time": code.auth_time,
            "acr": code.asked.get("acr_values", "0").split()[0],
            "amr": ["pwd"],
            "sid": "upstream-session",
            "at_hash": half_hash(access_token, self.keys[0].alg),
        }

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        """What userinfo says, before switches."""
        return {"sub": person, **self.people[person]}

    def header(self, key: Key) -> dict[str, Any]:
        """The header of an ID Token, before switches."""
        return {"alg": key.alg, "kid": key.kid, "typ": "JWT"}

    def jwk(self, key: Key) -> dict[str, Any]:
        """A key as the JWKS shows it."""
        return key.jwk()

    # ── What can go wrong anywhere ────────────────────────────────────────────────────────────

    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = request.match_info.route.name or "unknown"
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append(Seen(name, request.method, dict(request.headers), dict(request.query), form))
        wrong = "drop" if self.switches.get("down") else self.switches.get(name)
        response = await self._trouble(request, wrong) if isinstance(wrong, str) else None
        response = response or await handler(request)
        if self.switches.get("cookies"):
            response.set_cookie("session", secrets.token_hex(8), path="/")
        return response

    async def _trouble(self, request: web.Request, wrong: str) -> web.StreamResponse | None:
        """What can go wrong at any endpoint."""
        if wrong == "slow":
            self.waiting.set()
            await self.released.wait()
        elif wrong == "drop":
            request.transport.close()
            return web.Response(status=500)
        elif wrong == "redirect":
            return web.Response(status=307, headers={"Location": f"{self.base}/elsewhere"})
        elif wrong == "oversize":
            return web.json_response({"padding": "x" * (2 << 20)})
        elif wrong == "not_json":
            return web.Response(text="{'single': 'quotes'}", content_type="application/json")
        elif wrong == "html":
            return web.Response(text="<html>maintenance</html>", content_type="text/html", status=400)
        elif wrong.isdigit():
            return web.Response(text="<html>trouble</html>", content_type="text/html", status=int(wrong))
        return None

    async def _discovery(self, request: web.Request) -> web.Response:
        return web.json_response(changed(self.metadata(), self.switches.get("discovery")))

    async def _jwks(self, request: web.Request) -> web.Response:
        keys: list[Any] = [self.jwk(key) for key in self.keys]
        wrong = self.switches.get("jwks")
        if wrong == "empty":
            keys = []
        elif wrong == "odd":
            keys = [None, {"kty": "AKP"}, {"kty": "oct", "k": "AA", "kid": self.keys[0].kid}, *keys]
        elif wrong == "duplicate_kid":
            keys = [Key(self.keys[0].kid, "ES256" if self.alg != "ES256" else "RS256").jwk(), *keys]
        return web.json_response({"keys": keys})

    # ── /authorize ────────────────────────────────────────────────────────────────────────────

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

    def _answer(self, asked: dict[str, str]) -> dict[str, str]:
        refused = self.accepts(asked)
        if refused is not None:
            return refused
        self._sign_in(asked)
        code = secrets.token_urlsafe(16)
        hint = asked.get("login_hint", "")
        person = hint if hint in self.people else self.current
        self.codes[code] = Code(asked, person, self.session_since or 0)
        return {"code": code}

    def _sign_in(self, asked: dict[str, str]) -> None:
        """A new session where there is none, or where a fresh one is asked for."""
        now = int(self.now())
        fresh = "login" in asked.get("prompt", "").split()
        if "max_age" in asked and self.session_since is not None:
            fresh = fresh or now - self.session_since > int(asked["max_age"])
        if self.session_since is None or (fresh and not self.switches.get("ignores_prompt")):
            self.session_since = now

    # ── /token ────────────────────────────────────────────────────────────────────────────────

    async def _token(self, request: web.Request) -> web.Response:
        form = self.requests[-1].form
        no_store = {"Cache-Control": "no-store"}
        try:
            self._authenticate(request, form)
            refreshes = form.get("grant_type") == "refresh_token"
            answer = self.refresh_answer(form) if refreshes else self._redeem(form)
        except Refused as error:
            status, body = self.refusal(error)
            return web.json_response(body, status=status, headers=no_store)
        wrong = self.switches.get("token")
        if wrong == "error_in_200":
            return web.json_response({"error": "bad_verification_code"}, headers=no_store)
        if wrong in ("no_id_token", "no_token_type"):
            del answer[wrong.removeprefix("no_")]
        return web.json_response(changed(answer, wrong), headers=no_store)

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        header = request.headers.get("Authorization")
        ways = [header is not None, "client_secret" in form, "client_assertion" in form]
        if sum(ways) > 1:
            raise Refused("invalid_request")
        used = (
            ["client_secret_basic", "client_secret_post", "private_key_jwt"][ways.index(True)]
            if any(ways)
            else "none"
        )
        if used != self.auth_method:
            raise Refused("invalid_client", 401)
        proved = {
            "client_secret_basic": lambda: self._basic(header or ""),
            "client_secret_post": lambda: (form.get("client_id"), form["client_secret"]),
            "private_key_jwt": lambda: self._assertion(form),
            "none": lambda: (form.get("client_id"), self.client_secret),
        }[used]()
        if proved != (self.client_id, self.client_secret):
            raise Refused("invalid_client", 401)

    def _basic(self, header: str) -> tuple[str, str]:
        scheme, _, value = header.partition(" ")
        name, _, secret = b64decode(value).decode().partition(":")
        return (unquote_plus(name), unquote_plus(secret)) if scheme == "Basic" else ("", "")

    def _assertion(self, form: dict[str, str]) -> tuple[str, str]:
        key = import_key((self.client_jwks or {})["keys"][0])
        signed = jws.deserialize_compact(
            form["client_assertion"], key, algorithms=["RS256", "ES256", "PS256"]
        )
        claims = json.loads(signed.payload)
        good = (
            form["client_assertion_type"] == ASSERTION
            and claims["iss"] == claims["sub"] == self.client_id
            and claims["aud"] in {self.issuer, self.url("token")}
            and self.now() < claims["exp"] <= self.now() + 300
            and claims["jti"] not in self.jtis
        )
        self.jtis.add(claims["jti"])
        return (self.client_id, self.client_secret) if good else ("", "")

    def _redeem(self, form: dict[str, str]) -> dict[str, Any]:
        code = self.codes.get(form.get("code", ""))
        if form.get("grant_type") != "authorization_code" or code is None or code.redeemed:
            raise Refused("invalid_grant")
        code.redeemed = True
        if form.get("redirect_uri") != code.asked["redirect_uri"]:
            raise Refused("invalid_grant")
        challenge = code.asked.get("code_challenge")
        if challenge is not None and challenge_of(form.get("code_verifier", "")) != challenge:
            raise Refused("invalid_grant")
        if challenge is None and "code_verifier" in form:
            raise Refused("invalid_grant")
        return self.token_answer(code, form)

    def _refresh_token(self, code: Code) -> str:
        token = secrets.token_urlsafe(16)
        self.refresh_tokens[token] = code
        return token

    def _access_token(self, code: Code) -> str:
        key = self.keys[0]
        return compact(
            key,
            {"alg": key.alg, "kid": key.kid},
            changed(self.access_token_claims(code), self.switches.get("access_token")),
        )

    # ── The ID Token ──────────────────────────────────────────────────────────────────────────

    def _id_token(self, code: Code, access_token: str, value: str) -> str:
        claims = self.id_token_claims(code, access_token, value)
        said = {name: value for name, value in claims.items() if value is not None}
        return self._sign(self.keys[0], self._lie(said))

    def _lie(self, claims: dict[str, Any]) -> dict[str, Any]:
        now = int(self.now())
        wrong = {"exp": now - 3600, "iat": now + 3600, "nbf": now + 3600, "auth_time": now - 86400}
        for name in CLAIMS & self.switches.keys():
            said = self.switches[name]
            if said == "missing":
                claims.pop(name, None)
            else:
                claims[name] = wrong.get(name, f"wrong-{name}") if said == "wrong" else said
        return claims

    def _sign(self, key: Key, claims: dict[str, Any]) -> str:
        say = self.switches
        header = self.header(key)
        header.update({name: say[name] for name in ("alg", "kid", "typ") if name in say})
        if say.get("kid") == "missing":
            del header["kid"]
        head, body = json.dumps(header), json.dumps(claims)
        if say.get("duplicate_keys") == "header":
            head = head.replace("{", '{"alg": "none", ', 1)
        elif say.get("duplicate_keys") == "payload":
            body = body.replace("{", '{"sub": "somebody else", ', 1)
        if say.get("alg") == "none":
            return f"{b64(head.encode())}.{b64(body.encode())}."
        if say.get("alg") == "HS256":
            return compact(key, head, body, secret=key.public_pem())
        token = compact(Key(key.kid, key.alg) if say.get("signature") == "foreign" else key, head, body)
        if say.get("signature") == "bad":
            message, _, signature = token.rpartition(".")
            token = f"{message}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        return token

    # ── /userinfo ─────────────────────────────────────────────────────────────────────────────

    async def _userinfo(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        person = self.access_tokens.get(token)
        if scheme != "Bearer" or person is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return web.json_response({}, status=401, headers=challenge)
        said = self.userinfo_claims(person)
        wrong = self.switches.get("userinfo")
        if wrong == "jwt":
            key = self.keys[0]
            text = compact(key, {"alg": key.alg, "kid": key.kid}, said)
            return web.Response(text=text, content_type="application/jwt")
        if wrong == "other_sub":
            said["sub"] = "somebody else"
        elif wrong == "no_sub":
            del said["sub"]
        return web.json_response(changed(said, wrong))

    # ── /logout ───────────────────────────────────────────────────────────────────────────────

    async def _end_session(self, request: web.Request) -> web.Response:
        """RP-Initiated Logout: the session ends, and the browser goes back where it is told to."""
        self.session_since = None
        back = request.query.get("post_logout_redirect_uri")
        if back is None:
            return web.Response(text="You are signed out.")
        return web.Response(status=303, headers={"Location": back})


def changed(document: dict[str, Any], changes: Any) -> dict[str, Any]:
    """The document with members changed; None removes one."""
    if not isinstance(changes, dict):
        return document
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def _form(uri: str, answer: dict[str, str]) -> str:
    inputs = "".join(
        f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in answer.items()
    )
    form = f'<form method="post" action="{escape(uri)}">{inputs}<button>Go on</button></form>'
    return f"<!doctype html><title>Continue</title>{form}"


def form_fields(page: str) -> dict[str, str]:
    """What a page of the form_post mode would send."""
    return {unescape(k): unescape(v) for k, v in findall(r'name="([^"]*)" value="([^"]*)"', page)}
