"""What a connector is given to check and to prove with: its own key cache and its own client key.

Owns `Verifier`, `Opener` and `ClientKey`. Keys are cached per connector, never shared, so a key of one
upstream cannot speak for another (RFC 8725 §3.10). Core §3.1.3.7, §10.1.1 (rotation), §10.2 (encryption);
RFC 7523 §3 (client assertions).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, Self

from broker.connector import (
    ConnectorSettings,
    Expected,
    Json,
    Secret,
    SignedClaims,
    UpstreamHTTP,
    UpstreamInvalid,
)
from broker.jose import (
    ABSENT,
    DecryptionKey,
    JoseError,
    KeySet,
    Signed,
    SigningKey,
    UnknownKid,
    read,
    sign,
    sign_with_secret,
)
from broker.protocol.id_token import IdTokenRefused, check_id_token
from broker.protocol.logout import ExpectedLogout, check_logout_token

ID_TOKEN_TYPES = frozenset({ABSENT, "jwt"})
"""An access token or logout token says so in ``typ``, and is no ID Token (RFC 8725 §3.11)."""
LOGOUT_TOKEN_TYPES = ID_TOKEN_TYPES | {"logout+jwt"}
"""Many upstreams type theirs as nothing or JWT; its ``events`` tell it apart (Back-Channel Logout §2.4)."""
ASSERTION_LIFETIME = 60


class Verifier:
    """Checks what one upstream signed; see `broker.connector.Verify`, which this is."""

    def __init__(self, http: UpstreamHTTP, now: Callable[[], float], opener: Opener) -> None:
        self._http, self._now, self._opener = http, now, opener
        self._read: dict[str, tuple[Mapping[str, Json], KeySet]] = {}

    async def __call__(self, token: str, *, jwks_uri: str, expected: Expected) -> SignedClaims:
        """An ID Token's claims, the token checked in full."""
        signed = await self._signed(token, jwks_uri, expected.algorithms, ID_TOKEN_TYPES)
        try:
            check_id_token(signed.claims, expected, alg=signed.alg, now=self._now())
        except IdTokenRefused as error:
            raise UpstreamInvalid(f"id_token_{error.reason}", error.detail) from error
        return SignedClaims(signed.claims)

    async def logout_token(self, token: str, *, jwks_uri: str, expected: ExpectedLogout) -> SignedClaims:
        """A logout token's claims, the token checked in full."""
        signed = await self._signed(token, jwks_uri, expected.algorithms, LOGOUT_TOKEN_TYPES)
        try:
            check_logout_token(signed.claims, expected, now=self._now())
        except IdTokenRefused as error:
            raise UpstreamInvalid(f"logout_token_{error.reason}", error.detail) from error
        return SignedClaims(signed.claims)

    async def signed(
        self,
        token: str,
        *,
        jwks_uri: str,
        algorithms: tuple[str, ...],
        types: tuple[str, ...] | None = None,
    ) -> Mapping[str, Json]:
        """The claims of another token, of which only the signature and perhaps the type is checked."""
        return (await self._signed(token, jwks_uri, algorithms, types)).claims

    async def algorithms(self, *, jwks_uri: str) -> frozenset[str]:
        """What the keys that are published there now can verify."""
        keys = self._keys(jwks_uri, await self._http.newer_document(jwks_uri))
        return frozenset[str]().union(*(key.algorithms for key in keys.keys))

    def opened(self, token: str, *, algorithm: str, encodings: tuple[str, ...]) -> str:
        """The signed token inside an encrypted one."""
        return self._opener.open(token, algorithm, encodings)

    async def _signed(
        self, token: str, jwks_uri: str, algorithms: Collection[str], typ: Collection[str] | None
    ) -> Signed:
        keys = self._keys(jwks_uri, await self._http.document(jwks_uri))
        try:
            return _read(token, keys, algorithms, typ)
        except UnknownKid:
            # Perhaps rotated (Core §10.1.1). A minute passes before another stranger's kid is looked up.
            newer = self._keys(jwks_uri, await self._http.newer_document(jwks_uri))
        try:
            return _read(token, newer, algorithms, typ)
        except UnknownKid as error:
            raise UpstreamInvalid(f"token_{error.reason}", error.detail) from error

    def _keys(self, jwks_uri: str, document: Mapping[str, Json]) -> KeySet:
        """The keys of this edition, read once."""
        held = self._read.get(jwks_uri)
        if held is not None and held[0] is document:
            return held[1]
        try:
            keys = KeySet.from_jwks(document)
        except JoseError as error:
            raise UpstreamInvalid(f"jwks_{error.reason}", error.detail) from error
        self._read[jwks_uri] = (document, keys)
        return keys


def _read(token: str, keys: KeySet, algorithms: Collection[str], typ: Collection[str] | None) -> Signed:
    try:
        return read(token, keys, algorithms=algorithms, typ=typ)
    except UnknownKid:
        raise
    except JoseError as error:
        raise UpstreamInvalid(f"token_{error.reason}", error.detail) from error


class Opener:
    """What one upstream encrypts to: a key, or two while one replaces the other, loaded at first use."""

    def __init__(self, decryption_keys: tuple[Secret, ...] = (), alg: str | None = None) -> None:
        self._decryption_keys, self._alg = decryption_keys, alg

    @classmethod
    def of(cls, settings: ConnectorSettings) -> Self:
        """What a connector's settings say of encryption, if they know of it."""
        asked = (
            getattr(settings, f"{kind}_encrypted_response_alg", None) for kind in ("id_token", "userinfo")
        )
        named = {alg for alg in asked if alg is not None}
        return cls(getattr(settings, "decryption_key", None) or (), named.pop() if len(named) == 1 else None)

    def open(self, token: str, algorithm: str, encodings: Collection[str]) -> str:
        """The signed token inside an encrypted one."""
        if not self._keys:
            raise UpstreamInvalid("no_decryption_key")
        for key in self._keys:
            try:
                return key.open(token, alg=algorithm, encodings=encodings)
            except JoseError as error:
                refused = error
        raise UpstreamInvalid(f"token_{refused.reason}", refused.detail) from refused

    def public_jwk(self) -> dict[str, Any] | None:
        """What the upstream encrypts to from now on, the first key; None where nothing is encrypted."""
        return self._keys[0].public_jwk(self._alg) if self._keys else None

    @cached_property
    def _keys(self) -> tuple[DecryptionKey, ...]:
        try:
            return tuple(DecryptionKey.read(one.reveal().strip()) for one in self._decryption_keys)
        except JoseError as error:
            raise UpstreamInvalid("decryption_key_unusable", error.detail) from error


class ClientKey:
    """The key by which we prove to one upstream who we are; loaded at its first use."""

    def __init__(
        self, private_key: Secret | None, now: Callable[[], float], opener: Opener | None = None
    ) -> None:
        self._private_key, self._now = private_key, now
        self._opener = opener or Opener()

    def __call__(
        self,
        *,
        client_id: str,
        audience: str,
        secret: Secret | None = None,
        issuer: str | None = None,
        kid: str | None = None,
        x5t: str | None = None,
    ) -> str:
        """A fresh client assertion (RFC 7523 §2.2 and §3)."""
        now = int(self._now())
        claims = {
            "iss": issuer or client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        }
        if secret is not None:
            return sign_with_secret(secret.reveal(), claims)
        if self._key is None:
            raise UpstreamInvalid("no_private_key", "private_key_jwt without a private_key")
        if x5t is not None:
            return sign(self._with_pss or self._key, {**claims, "nbf": now}, typ="JWT", x5t=x5t)
        return sign(self._key, claims, typ="JWT", kid=kid)

    def public_jwks(self) -> dict[str, Any] | None:
        """What the upstream checks our assertions with and encrypts to; None where neither is done."""
        signs = None if self._key is None else self._key.public_jwk()
        keys = [jwk for jwk in (signs, self._opener.public_jwk()) if jwk is not None]
        return {"keys": keys} if keys else None

    @cached_property
    def _with_pss(self) -> SigningKey | None:
        """The same RSA key for PS256; None for another one."""
        if self._key is None or self._key.alg != "RS256":
            return None
        return SigningKey.from_json(json.dumps({**json.loads(self._key.to_json()), "alg": "PS256"}))

    @cached_property
    def _key(self) -> SigningKey | None:
        if self._private_key is None:
            return None
        text = self._private_key.reveal().strip()
        try:
            return SigningKey.from_json(text) if text.startswith("{") else SigningKey.from_pem(text.encode())
        except JoseError as error:
            raise UpstreamInvalid("private_key_unusable", error.detail) from error
