"""The keys that sign and the keys that verify.

Owns `SigningKey`, a private key loaded once with the one algorithm it signs by, and `KeySet`, the usable
public keys of a JWK set that somebody else wrote. RFC 7517 (JWK), RFC 7518 §3 and §6, RFC 8037, RFC 7638
(thumbprints), RFC 9864 (Ed25519 by its own name).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

import msgspec
from joserfc.errors import JoseError as LibraryError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from broker import strictjson
from broker.jose.signatures import EDWARDS, RSA, Seen, sign, verifies

MAX_KEYS = 64
"""Keys read from one set."""
MAX_TRIES = 4
"""Signatures checked for one token when its ``kid`` does not name a single key."""

_BY_CURVE = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): EDWARDS,
}
_MEMBERS: Mapping[str, tuple[type[RSAKey | ECKey | OKPKey], tuple[str, ...]]] = {
    "RSA": (RSAKey, ("n", "e")),
    "EC": (ECKey, ("crv", "x", "y")),
    "OKP": (OKPKey, ("crv", "x")),
}
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi")
_GENERATE: Mapping[str, Mapping[str, Any]] = {
    "RS256": {"kty": "RSA", "size": 2048},
    "PS256": {"kty": "RSA", "size": 2048},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "Ed25519": {"kty": "OKP", "crv": "Ed25519"},
}


class JoseError(Exception):
    """A key or token that is not believed. ``reason`` is a short stable word for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class UnknownKid(JoseError):
    """No key of this set is the one that signed; a newer edition of the set may have it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("unknown_kid", detail)


def b64encode(data: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=")


def b64decode(text: bytes) -> bytes:
    """The bytes that ``text`` spells, if that is their one spelling: no padding, strangers or spare bits."""
    data = urlsafe_b64decode(text + b"=" * (-len(text) % 4))  # binascii.Error is a ValueError
    if b64encode(data) != text:
        raise ValueError("not base64url in its one spelling")
    return data


# ── Keys that sign ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key, loaded, with the one algorithm it signs by. Its ``kid`` is its thumbprint (RFC 7638)."""

    kid: str
    alg: str
    _jwk: JWK = field(repr=False)
    _key: Any = field(repr=False)

    @classmethod
    def generate(cls, alg: str) -> Self:
        """A fresh key for RS256, PS256, ES256, EdDSA or Ed25519."""
        if alg not in _GENERATE:
            raise JoseError("bad_algorithm", f"no key can be made for {alg!r}")
        return cls._of(JWK.generate(**_GENERATE[alg]), alg)

    @classmethod
    def from_pem(cls, pem: bytes, alg: str | None = None) -> Self:
        """The key in a PEM file; without ``alg`` it signs RS256, ES256 or EdDSA, as its kind goes."""
        try:
            jwk = JWK.from_pem(pem)
        except (ValueError, TypeError, JWException) as error:
            raise JoseError("bad_key", "not an unencrypted private key in PEM") from error
        return cls._of(jwk, alg)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The key that `to_json` wrote, or any private JWK; its ``alg`` member is respected."""
        try:
            members = strictjson.parse_object(text.encode() if isinstance(text, str) else text)
            kept = {name: members[name] for name in members if name not in {"kid", "use", "key_ops"}}
            jwk = JWK(**{"kty": members["kty"], **kept})
        except (ValueError, TypeError, KeyError, JWException) as error:
            raise JoseError("bad_key", "not a private JWK") from error
        alg = members.get("alg")
        return cls._of(jwk, alg if isinstance(alg, str) else None)

    @classmethod
    def _of(cls, jwk: JWK, alg: str | None) -> Self:
        members = dict(jwk.export(private_key=True, as_dict=True)) if jwk.has_private else {}
        fitting = _able(members)
        alg = alg or next((name for name in ("RS256", "ES256", "EdDSA") if name in fitting), None)
        if alg not in fitting or alg not in _GENERATE:
            raise JoseError("bad_key", f"not a private key that signs {alg or 'by an algorithm we know'}")
        kind, names = _MEMBERS[members["kty"]]
        kept = {name: members[name] for name in ("kty", *names, *_PRIVATE) if name in members}
        try:
            if kind is RSAKey and not is_sound_rsa(members["n"], members["e"]):
                raise JoseError("weak_key", "an RSA key has 2048 to 8192 bits")
            key = kind.import_key(kept)
            sign(alg, key, b"proof")  # loads it now: an RSA key takes 36 ms at its first use
        except (ValueError, TypeError, LibraryError) as error:
            raise JoseError("bad_key", "the private key does not load") from error
        return cls(jwk.thumbprint(), alg, JWK(**kept), key)

    def to_json(self) -> str:
        """The whole private key as a JWK, for a vault."""
        members = self._jwk.export(private_key=True, as_dict=True)
        return msgspec.json.encode({**members, "alg": self.alg, "kid": self.kid}).decode()

    def public_jwk(self) -> dict[str, Any]:
        """Its public half for a JWK set.

        An Edwards key says no ``alg``: it signs for clients that ask for EdDSA and for those that ask for
        Ed25519 (RFC 9864), and a reader that compares ``alg`` would find it under one name only.
        """
        members = {**self._jwk.export_public(as_dict=True), "use": "sig", "kid": self.kid}
        return members if self.alg in EDWARDS else {**members, "alg": self.alg}

    def signature(self, message: bytes, alg: str) -> bytes:
        """The bare signature over ``message``, by an algorithm that this key has."""
        if alg != self.alg and not {alg, self.alg} <= EDWARDS:
            raise JoseError("bad_algorithm", f"key {self.kid} signs {self.alg}, not {alg}")
        return sign(alg, self._key, message)


# ── Keys that verify ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """A public key and the algorithms it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    _key: Any = field(repr=False)
    issuer: str | None = None
    """Whose tokens alone it may verify, where a set serves several issuers and says so key by key."""
    _seen: Seen | None = field(default=None, repr=False)
    """What it has verified, where that is remembered."""

    def speaks_for(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token with these claims is of the issuer that this key belongs to."""
        if self.issuer is None:
            return True
        tenant = claims.get("tid")
        named = self.issuer.replace("{tenantid}", tenant) if isinstance(tenant, str) else self.issuer
        return claims.get("iss") == named

    def verifies(self, alg: str, message: bytes, signature: bytes) -> bool:
        """Whether this key made ``signature`` over ``message``."""
        if self._seen is None:
            return self._verifies(alg, message, signature)
        mark = self._seen.mark(alg, message, signature)
        if mark in self._seen:
            return True
        if right := self._verifies(alg, message, signature):
            self._seen.add(mark)
        return right

    def _verifies(self, alg: str, message: bytes, signature: bytes) -> bool:
        try:
            return alg in self.algorithms and verifies(alg, self._key, message, signature)
        except (ValueError, TypeError, OverflowError, LibraryError):
            return False  # a signature of a shape that no key makes: r or s out of range, wrong length


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """Public keys, found by ``kid``."""

    keys: tuple[VerificationKey, ...] = ()

    @classmethod
    def from_jwks(cls, document: object) -> Self:
        """The usable keys of a JWK set; what is odd is left out, so that it cannot spoil the others.

        RFC 7517 §5: implementations SHOULD ignore keys they do not understand.
        """
        listed = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(listed, list):
            raise JoseError("bad_key_set", "no list of keys")
        read = (read_key(entry) for entry in listed[:MAX_KEYS])
        return cls(tuple(key for key in read if key is not None))

    @classmethod
    def of(cls, keys: Iterable[SigningKey]) -> Self:
        """The public halves of keys of our own, whose tokens come back to us often."""
        read = (read_key(key.public_jwk(), seen=Seen()) for key in keys)
        return cls(tuple(key for key in read if key is not None))

    def candidates(self, kid: str | None, alg: str) -> list[VerificationKey]:
        """The few keys that may have signed a token which says ``kid`` and ``alg``.

        Raises:
            UnknownKid: none of them.
            JoseError: the key named is not one for this algorithm (RFC 8725 §3.1).
        """
        named = [key for key in self.keys if key.kid == kid] if kid is not None else list(self.keys)
        named = named or [key for key in self.keys if key.kid is None]
        fitting = [key for key in named if alg in key.algorithms]
        if fitting:
            return fitting[:MAX_TRIES]
        if named and kid is not None:
            raise JoseError("alg_key_mismatch", f"the key named is not one for {alg}")
        raise UnknownKid(f"no key for {alg}, or none of that name")


def _able(members: Mapping[str, Any]) -> frozenset[str]:
    """What a key of this kind can do, by its type and curve alone (RFC 7518 §3.1, RFC 8037 §3.1)."""
    kind, curve = members.get("kty"), members.get("crv")
    if kind == "RSA":
        return RSA
    known = isinstance(kind, str) and isinstance(curve, str)
    return _BY_CURVE.get((str(kind), str(curve)), frozenset()) if known else frozenset()


def _allowed(entry: Mapping[str, Any]) -> frozenset[str]:
    """What a JWK lets itself be used for: ``use``, ``key_ops`` and ``alg`` (RFC 7517 §4.2 to §4.4)."""
    use, operations, alg = entry.get("use", "sig"), entry.get("key_ops", ["verify"]), entry.get("alg")
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    able = _able(entry)
    if alg is None or (able == EDWARDS and alg in ("EdDSA", "Ed25519")):
        return able
    return able & {alg} if isinstance(alg, str) else frozenset()


def read_key(entry: object, *, seen: Seen | None = None) -> VerificationKey | None:
    """One key of a set, or None when it is not one that verifies our tokens."""
    if not isinstance(entry, Mapping) or not (algorithms := _allowed(entry)):
        return None
    kind, names = _MEMBERS[entry["kty"]]
    public = {name: entry[name] for name in names if isinstance(entry.get(name), str)}
    if len(public) != len(names):
        return None
    try:
        if kind is RSAKey and not is_sound_rsa(public["n"], public["e"]):
            return None
        key = kind.import_key({"kty": entry["kty"], **public})  # whatever was private stays behind
    except (ValueError, TypeError, LibraryError):
        return None  # not on the curve, not base64url: RFC 7517 §5 lets us go on with the others
    kid, issuer = entry.get("kid"), entry.get("issuer")
    if issuer is not None and not (isinstance(issuer, str) and issuer):
        return None  # it belongs to somebody who cannot be told
    return VerificationKey(kid if isinstance(kid, str) and kid else None, algorithms, key, issuer, seen)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The name that a key has by itself: SHA-256 over its required members (RFC 7638 §3).

    Raises:
        JoseError: it is no public key that we know, or a member has not its one spelling.
    """
    kind = jwk.get("kty")
    _, names = _MEMBERS.get(kind, (None, ())) if isinstance(kind, str) else (None, ())
    members = {name: jwk.get(name) for name in ("kty", *names)}
    if not names or not all(isinstance(value, str) for value in members.values()):
        raise JoseError("bad_key", "not a public key")
    try:
        for name in names:
            if name != "crv":
                b64decode(str(members[name]).encode())
    except ValueError as error:
        raise JoseError("bad_key", f"{name} is not base64url in its one spelling") from error
    canonical = msgspec.json.encode(dict(sorted(members.items())))
    return b64encode(sha256(canonical).digest()).decode()


def thumbprint_of(public_key: Any) -> str:
    """The same of a key that the library of certificates has read.

    Raises:
        JoseError: it is of a kind that JOSE does not know.
    """
    try:
        name: str = JWK.from_pyca(public_key).thumbprint()
    except (ValueError, TypeError, JWException) as error:
        raise JoseError("bad_key", "not a key that a JWK can say") from error
    return name


def is_sound_rsa(modulus: str, exponent: str) -> bool:
    """Whether the members ``n`` and ``e`` of a JWK are those of a key to be used.

    Raises:
        ValueError: they are not base64url.
    """
    size = int.from_bytes(b64decode(modulus.encode()), "big").bit_length()
    return is_fit_rsa(size, int.from_bytes(b64decode(exponent.encode()), "big"))


def is_fit_rsa(bits: int, exponent: int) -> bool:
    """At least 2048 bits (RFC 7518 §3.3), and no more work for us than a public key should be."""
    return 2048 <= bits <= 8192 and 3 <= exponent < 1 << 33 and exponent % 2 == 1  # noqa: PLR2004
