"""What the demo provider hands out: codes, ID Tokens and access tokens, and the document that says how.

RFC 6749 §4.1.3 and §5, RFC 7636 §4.6, OpenID Connect Core §2, §3.1.3 and §5.3. No HTTP in here.
"""

from __future__ import annotations

import hmac
import json
import os
import time
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.jwk import RSAKey

from broker.demo.people import Person
from broker.demo.web import Clock, Shelf

CODE, TOKEN = 60, 300
ACR = "urn:demo:picked"


class TokenRefused(Exception):  # an answer, not an accident
    """An error of the token endpoint (RFC 6749 §5.2). One body whatever was wrong with a code."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The one client of the provider, and the name the provider goes by."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Key:
    """The provider's signing key."""

    _key: RSAKey

    @classmethod
    def kept_in(cls, path: Path) -> Key:
        """The key in that file; made and written there the first time, for its owner alone."""
        if not path.exists():
            fresh = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
            with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
                json.dump(fresh, file)
        return cls(RSAKey.import_key(json.loads(path.read_text())))

    def public(self) -> dict[str, Any]:
        """Its public half, as it stands in the JWKS."""
        return {**self._key.as_dict(private=False), "use": "sig", "alg": "RS256"}

    def sign(self, claims: dict[str, Any]) -> str:
        """An ID Token."""
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key, algorithms=["RS256"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a code will be good for, and then the access token that it became."""

    person: Person
    sid: str
    auth_time: int
    code_challenge: str
    nonce: str | None
    scope: str


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Desk:
    """Where codes are handed out and redeemed."""

    def __init__(self, client: Client, key: Key, now: Clock = time.time) -> None:
        self._client, self._key, self._now = client, key, now
        self._codes: Shelf[Promise] = Shelf(CODE, now)
        self._access: Shelf[Promise] = Shelf(TOKEN, now)
        self._spent: Shelf[str] = Shelf(TOKEN, now)  # code → the access token that it became

    def code(self, promise: Promise) -> str:
        """A fresh code."""
        return self._codes.put(promise)

    def authenticate(self, authorization: str) -> None:
        """client_secret_basic, form-encoded before it is base64 (RFC 6749 §2.3.1)."""
        name, secret = _basic(authorization)
        known = self._client
        fits = hmac.compare_digest(secret.encode(), known.client_secret.encode())
        if name != known.client_id or not fits:
            raise TokenRefused("invalid_client", 401)

    def redeem(self, asked: dict[str, str]) -> dict[str, Any]:
        """The token document for a code, once."""
        if asked.get("grant_type") != "authorization_code":
            raise TokenRefused("unsupported_grant_type")
        code = asked.get("code", "")
        promise = self._codes.get(code)
        if promise is None:
            # RFC 6749 §4.1.2: what a code gave is taken back when it comes a second time.
            self._access.take(self._spent.take(code) or "")
            raise TokenRefused("invalid_grant")
        if asked.get("redirect_uri") != self._client.redirect_uri or not _proves(promise, asked):
            raise TokenRefused("invalid_grant")  # not spent: whoever asks has not proved that it is theirs
        self._codes.take(code)
        access = self._access.put(promise)
        self._spent.put(access, code)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN,
            "scope": promise.scope,
            "id_token": self._id_token(promise, access),
        }

    def userinfo(self, authorization: str) -> dict[str, Any] | None:
        """What userinfo says for this Authorization header; None when its token is not good."""
        scheme, _, access = authorization.partition(" ")
        promise = self._access.get(access) if scheme.lower() == "bearer" else None
        return {"sub": promise.person.subject, **promise.person.userinfo} if promise else None

    def _id_token(self, promise: Promise, access: str) -> str:
        now = int(self._now())
        claims = {
            "iss": self._client.issuer,
            "sub": promise.person.subject,
            "aud": self._client.client_id,
            "iat": now,
            "exp": now + TOKEN,
            "auth_time": promise.auth_time,
            "acr": ACR,
            "amr": ["user"],  # RFC 8176: somebody was there, and that is all that is known
            "sid": promise.sid,
            "at_hash": b64(sha256(access.encode()).digest()[:16]),
            **promise.person.id_token,
        }
        if promise.nonce is not None:
            claims["nonce"] = promise.nonce
        return self._key.sign(claims)


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        scheme = name = colon = secret = ""
    if scheme.lower() != "basic" or not colon:
        raise TokenRefused("invalid_client", 401)
    return unquote_plus(name), unquote_plus(secret)


def _proves(promise: Promise, asked: dict[str, str]) -> bool:
    """Whether the verifier fits the challenge (RFC 7636 §4.6)."""
    verifier = asked.get("code_verifier", "")
    made = b64(sha256(verifier.encode()).digest())
    return verifier.isascii() and hmac.compare_digest(made, promise.code_challenge)


def metadata(issuer: str) -> dict[str, Any]:
    """The discovery document (Discovery §3)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email", "groups"],
        "acr_values_supported": [ACR],
        "prompt_values_supported": ["none", "login", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": False,
    }
