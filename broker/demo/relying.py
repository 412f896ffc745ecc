"""How a demo app signs people in: the client side of OpenID Connect, for one client at one issuer.

OpenID Connect Core 1.0 §3.1 and §12, RFC 6749 §4.1 and §6, RFC 7636, RFC 9207 §2.4. Nothing here is
particular to the broker: it would sign people in anywhere.
"""

from __future__ import annotations

import hmac
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import JoseError

from broker.demo.issuer import Issuer
from broker.demo.web import Clock

SKEW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the app and the issuer agreed on (RFC 7591)."""

    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Departed:
    """What the app keeps, in the person's session, while the browser is away."""

    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the token endpoint gave, checked."""

    id_token: str
    id_token_claims: Mapping[str, Any]
    access_token: str
    refresh_token: str | None
    scope: str
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, to be shown as it is."""

    status: int
    body: Any
    challenge: str | None = None


class SignInFailed(Exception):
    """The login did not end in tokens: the issuer said so, or its answer must not be believed."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(description or error)
        self.error, self.description = error, description


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class RelyingParty:
    """One client app's way in."""

    def __init__(
        self, registered: Registration, issuer: Issuer, http: aiohttp.ClientSession, now: Clock = time.time
    ) -> None:
        self.registered, self.issuer = registered, issuer
        self._http, self._now = http, now

    async def depart(self, **more: str) -> tuple[str, Departed]:
        """Where to send the browser, and what to remember until it is back (Core §3.1.2.1)."""
        departed = Departed(
            state=secrets.token_urlsafe(16),
            nonce=secrets.token_urlsafe(16),
            code_verifier=secrets.token_urlsafe(48),
        )
        asked = {
            "response_type": "code",
            "client_id": self.registered.client_id,
            "redirect_uri": self.registered.redirect_uri,
            "scope": self.registered.scope,
            "state": departed.state,
            "nonce": departed.nonce,
            "code_challenge": _b64(sha256(departed.code_verifier.encode()).digest()),
            "code_challenge_method": "S256",
            **more,
        }
        endpoint = (await self.issuer.metadata())["authorization_endpoint"]
        return f"{endpoint}?{urlencode(asked)}", departed

    async def arrive(self, departed: Departed, answer: Mapping[str, str]) -> Tokens:
        """The tokens for what the browser brought back; ``departed`` was found by its ``state``."""
        if answer.get("iss") != self.issuer.name:  # RFC 9207 §2.4: before anything else is believed
            raise SignInFailed("wrong_issuer", "somebody else answered")
        if "error" in answer:
            raise SignInFailed(answer["error"], answer.get("error_description", ""))
        document = await self._token(
            grant_type="authorization_code",
            code=answer.get("code", ""),
            redirect_uri=self.registered.redirect_uri,
            code_verifier=departed.code_verifier,
        )
        claims = await self._id_token(document)
        if not hmac.compare_digest(str(claims.get("nonce")), departed.nonce):
            raise SignInFailed("wrong_nonce", "the ID Token answers another question")
        return self._tokens(document, str(document["id_token"]), claims)

    async def refresh(self, tokens: Tokens) -> Tokens:
        """Fresh tokens for the same person (Core §12)."""
        document = await self._token(grant_type="refresh_token", refresh_token=tokens.refresh_token or "")
        document.setdefault("refresh_token", tokens.refresh_token)
        document.setdefault("scope", tokens.scope)
        if "id_token" not in document:
            return self._tokens(document, tokens.id_token, tokens.id_token_claims)
        claims = await self._id_token(document)
        if claims.get("sub") != tokens.id_token_claims["sub"]:  # Core §12.2
            raise SignInFailed("wrong_person", "the refreshed ID Token is somebody else's")
        return self._tokens(document, str(document["id_token"]), claims)

    async def userinfo(self, tokens: Tokens) -> Answer:
        """What userinfo says now, for the person of the ID Token (Core §5.3)."""
        endpoint = (await self.issuer.metadata())["userinfo_endpoint"]
        answer = await self.get(endpoint, tokens)
        if answer.status == HTTPStatus.OK and answer.body.get("sub") != tokens.id_token_claims["sub"]:
            raise SignInFailed("wrong_person", "userinfo speaks of somebody else")  # Core §5.3.2
        return answer

    async def get(self, url: str, tokens: Tokens) -> Answer:
        """GET with the access token."""
        header = {"Authorization": f"Bearer {tokens.access_token}"}
        async with self._http.get(url, headers=header, allow_redirects=False) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.text()
            return Answer(status=answer.status, body=body, challenge=answer.headers.get("WWW-Authenticate"))

    async def way_out(self, tokens: Tokens, back_to: str) -> str | None:
        """Where the browser ends its session at the issuer too, if there is such a place."""
        endpoint = (await self.issuer.metadata()).get("end_session_endpoint")
        asked = {
            "id_token_hint": tokens.id_token,
            "client_id": self.registered.client_id,
            "post_logout_redirect_uri": back_to,
        }
        return f"{endpoint}?{urlencode(asked)}" if endpoint else None

    async def _token(self, **form: str) -> dict[str, Any]:
        # RFC 6749 §2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(self.registered.client_id)}:{quote_plus(self.registered.client_secret)}"
        header = {"Authorization": "Basic " + b64encode(pair.encode()).decode()}
        endpoint = (await self.issuer.metadata())["token_endpoint"]
        async with self._http.post(endpoint, data=form, headers=header, allow_redirects=False) as answer:
            document: dict[str, Any] = await answer.json()
        if answer.status != HTTPStatus.OK:  # RFC 6749 §5.1
            raise SignInFailed(document.get("error", "server_error"), document.get("error_description", ""))
        return document

    async def _id_token(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The claims of the ID Token, once Core §3.1.3.7 is satisfied."""
        token = str(document.get("id_token", ""))
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            signed = jwt.decode(token, await self.issuer.key(str(kid)), algorithms=["RS256"])
        except (JoseError, ValueError) as error:
            raise SignInFailed("wrong_signature", "no key of the issuer has signed the ID Token") from error
        claims = CodeIDToken(
            signed.claims,
            signed.header,
            # Said in full: a check that is not asked for is not made.
            options={
                "iss": {"essential": True, "value": self.issuer.name},
                "aud": {"essential": True, "value": self.registered.client_id},
            },
            params={
                "client_id": self.registered.client_id,
                "access_token": document["access_token"],
            },
        )
        try:
            claims.validate(now=int(self._now()), leeway=SKEW)
        except JoseError as error:
            raise SignInFailed("wrong_id_token", "one of its claims does not fit") from error
        return signed.claims

    def _tokens(self, document: Mapping[str, Any], id_token: str, claims: Mapping[str, Any]) -> Tokens:
        return Tokens(
            id_token=id_token,
            id_token_claims=claims,
            access_token=str(document["access_token"]),
            refresh_token=document.get("refresh_token"),
            scope=str(document.get("scope", self.registered.scope)),
            expires_at=self._now() + float(document.get("expires_in", 0)),
        )
