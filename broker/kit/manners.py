"""How a fake provider behaves: what it is, what it remembers, and each answer before a switch spoils it.

Owns `Manners`, whose methods a vendor's personality overrides (the list is in `broker.kit.provider`).
Core §3.1.2 and §3.1.3, §5.3; RFC 6749 §4.1, §5 and §6; RFC 7636; RFC 9207.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from aiohttp import web

from broker.kit.forging import Key, Purse, challenge_of, compact, encrypted, half_hash
from broker.kit.lies import changed, header_of, lied, signed
from broker.kit.proving import Refused, check_client
from broker.kit.seen import Code, Seen


@dataclass
class Manners:
    """What a provider says, given what it was asked."""

    client_id: str = "broker"
    client_secret: str = "s3cret/with +odd=characters:é"
    auth_method: str = "client_secret_basic"
    client_jwks: Mapping[str, Any] | None = None
    """The public keys by which the client proves who it is."""
    alg: str = "RS256"
    path: str = ""
    """What follows the host in the issuer, such as /realms/acme; or a single slash."""
    hosts: tuple[str, ...] = ()
    """The names that it stands in for; without any it is at 127.0.0.1 and its port."""
    paths: ClassVar[Mapping[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "jwks": "/jwks",
        "authorize": "/authorize",
        "token": "/token",
        "userinfo": "/userinfo",
        "end_session": "/logout",
    }
    """Its endpoints, each a path under the base."""
    redirect_uris: set[str] | None = None
    """None: any, as long as both requests say the same."""
    pkce: bool = True
    """Whether it demands PKCE."""
    rotates: bool = False
    """Whether a refresh token is good once."""
    tls: ssl.SSLContext | None = None
    """Serves https by it."""
    now: Callable[[], float] = time.time

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
    told: list[dict[str, Any]] = field(default_factory=list)
    """What the token endpoint would have answered, before switches changed members of it."""
    session_since: int | None = None
    jtis: set[str] = field(default_factory=set)
    keys: list[Key] = field(default_factory=list)
    purse: Purse = field(default_factory=Purse)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while a slow request waits."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base(self) -> str:
        """What its paths follow."""
        return (f"https://{self.hosts[0]}" if self.hosts else self.origin) + self.path.removesuffix("/")

    def url(self, endpoint: str) -> str:
        """Where this endpoint is."""
        return self.base + self.paths[endpoint]

    def reached(self, url: str) -> str:
        """Where a URL of a host that it stands in for is really asked."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.netloc not in self.hosts:
            return url
        return self.origin + url.removeprefix(f"https://{parts.netloc}")

    # ── Names and endpoints ───────────────────────────────────────────────────────────────────

    def issuer_name(self) -> str:
        """What it calls itself; ``origin`` is known when this is asked."""
        return self.base + ("/" if self.path.endswith("/") else "")

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

    def assertion_audiences(self) -> set[str]:
        """Whom a client assertion may be for."""
        return {self.issuer, self.url("token")}

    def jwk(self, key: Key) -> dict[str, Any]:
        """A key as the JWKS shows it."""
        return key.jwk()

    def published_keys(self) -> list[Any]:
        """The keys of its JWKS, after switches."""
        keys: list[Any] = [self.jwk(key) for key in self.keys]
        wrong = self.switches.get("jwks")
        if wrong == "empty":
            return []
        first = self.keys[0].kid
        if wrong == "odd":
            return [None, 7, {"kty": "AKP"}, {"kty": ["RSA"]}, {"kty": "oct", "k": "AA", "kid": first}, *keys]
        if wrong == "duplicate_kid":
            other = self.purse.key(first, "ES256" if self.alg != "ES256" else "RS256")
            return [self.jwk(other), *keys]
        return keys

    # ── /authorize ────────────────────────────────────────────────────────────────────────────

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
        answer = self.accepts(asked) or {"code": self.code(asked)}
        answer |= {"iss": self.issuer}
        return answer | ({"state": asked["state"]} if "state" in asked else {})

    def code(self, asked: dict[str, str]) -> str:
        """A fresh code for this request; the person is signed in."""
        now = int(self.time)
        fresh = "login" in asked.get("prompt", "").split()
        if "max_age" in asked and self.session_since is not None:
            fresh = fresh or now - self.session_since > int(asked["max_age"])
        if self.session_since is None or (fresh and not self.switches.get("ignores_prompt")):
            self.session_since = now
        code, hint = secrets.token_urlsafe(16), asked.get("login_hint", "")
        person = hint if hint in self.people else self.current
        self.codes[code] = Code(asked, person, self.session_since)
        return code

    # ── /token ────────────────────────────────────────────────────────────────────────────────

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        """That this request is its client's; raises Refused."""
        check_client(self, request, form)

    def _redeem(self, form: dict[str, str]) -> Code:
        """What the code stands for, once; raises Refused."""
        code = self.codes.get(form.get("code", ""))
        if form.get("grant_type") != "authorization_code" or code is None or code.redeemed:
            raise Refused("invalid_grant")
        code.redeemed = True
        if form.get("redirect_uri") != code.asked["redirect_uri"]:
            raise Refused("invalid_grant")
        challenge, verifier = code.asked.get("code_challenge"), form.get("code_verifier")
        if challenge != (None if verifier is None else challenge_of(verifier)):
            raise Refused("invalid_grant")
        return code

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
        """What a refresh token gives, before switches; raises Refused."""
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if code is None or self.switches.get("refresh") == "invalid_grant":
            raise Refused("invalid_grant")
        if self.rotates:
            del self.refresh_tokens[form["refresh_token"]]
            return self.token_answer(code, form)
        return changed(self.token_answer(code, form), {"refresh_token": None})

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        """How the token endpoint says no: a status and a body."""
        status = 200 if self.switches.get("token") == "error_in_200" else error.status
        return status, {"error": error.error, "error_description": "as the tests asked", **error.more}

    # ── What it makes ─────────────────────────────────────────────────────────────────────────

    @property
    def time(self) -> float:
        """What its clock says."""
        return self.now() + float(self.switches.get("clock_skew", 0))

    def _access_token(self, code: Code) -> str:
        """A fresh one, a JWT in the manner of Keycloak."""
        key = self.keys[0]
        claims = changed(self.access_token_claims(code), self.switches.get("access_token"))
        return compact(key, {"alg": key.alg, "kid": key.kid}, claims)

    def _refresh_token(self, code: Code) -> str:
        """A fresh one."""
        token = secrets.token_urlsafe(16)
        self.refresh_tokens[token] = code
        return token

    def _id_token(self, code: Code, access_token: str, value: str) -> str:
        """An ID Token, after switches; ``value`` is the code."""
        claims = changed(self.id_token_claims(code, access_token, value), {})
        return self.signed(lied(claims, self.switches, int(self.time)))

    def signed(self, claims: dict[str, Any]) -> str:
        """A token of these claims, signed and encrypted as the switches want it."""
        key = self.keys[0]
        token = signed(key, header_of(self.header(key), self.switches), claims, self.switches)
        wrapped = self.switches.get("encrypted")
        return token if wrapped is None else encrypted(token, **wrapped)

    def header(self, key: Key) -> dict[str, Any]:
        """The header of an ID Token, before switches."""
        return {"alg": key.alg, "kid": key.kid, "typ": "JWT"}

    def access_token_claims(self, code: Code) -> dict[str, Any]:
        """Of an access token, before the switch ``access_token``."""
        now = int(self.time)
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

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:  # noqa: ARG002
        """Of an ID Token, before switches; a claim that is None is left out. ``value`` is the code."""
        now = int(self.time)
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
