"""Compact JWS: how we sign, and the one strict reader of what others signed.

Owns `sign`, `verify` and `read`. RFC 7515 §3.1, §5 and §7.1; RFC 8725 §3. What is read is taken apart here
once and the same bytes are verified, so that no second parser can see another token in them. A header never
brings its own key: ``jwk``, ``jku``, ``x5u`` and ``x5c`` are not looked at, and ``alg`` must be one that both
the caller and the key allow.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from broker import strictjson
from broker.jose.keys import JoseError, KeySet, SigningKey, UnknownKid, b64decode, b64encode
from broker.jose.signatures import ASYMMETRIC
from broker.record import Record

MAX_TOKEN = 128 * 1024
"""Characters of a token; upstreams put at most 100 kB of claims into one."""
MAX_HEADER = 8 * 1024

ABSENT = ""
"""In a set of allowed ``typ`` values: the token may say none."""


def _plain(value: object) -> Any:
    """Mappings that are not dicts, such as a read-only view."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be a claim")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


@lru_cache(maxsize=256)
def _protected(alg: str, typ: str, name: str, value: str) -> bytes:
    return b64encode(_encode({"alg": alg, name: value, "typ": typ})) + b"."


def sign(
    key: SigningKey,
    claims: Mapping[str, Any],
    *,
    typ: str,
    alg: str | None = None,
    kid: str | None = None,
    x5t: str | None = None,
) -> str:
    """A compact JWS over ``claims``. ``alg`` may choose between the two names of an Edwards key.

    ``kid`` is for a reader who gave the key a name of its own; ``x5t``, the SHA-256 thumbprint of its
    certificate, for one who finds the key by that (RFC 7515 §4.1.8).
    """
    alg = alg or key.alg
    name, value = ("kid", kid or key.kid) if x5t is None else ("x5t#S256", x5t)
    message = _protected(alg, typ, name, value) + b64encode(_encode(claims))
    return (message + b"." + b64encode(key.signature(message, alg))).decode("ascii")


def sign_with_secret(secret: str, claims: Mapping[str, Any]) -> str:
    """A compact JWS by HS256 (RFC 7518 §3.2). Nothing of ours is ever verified by such a one."""
    message = b64encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + b64encode(_encode(claims))
    return (message + b"." + b64encode(hmac.digest(secret.encode(), message, "sha256"))).decode("ascii")


class Signed(Record, frozen=True):
    """What one of the keys signed, and by which algorithm (``at_hash`` depends on it)."""

    alg: str
    claims: dict[str, Any]


def verify(
    token: str, keys: KeySet, *, algorithms: Collection[str], typ: Collection[str] | None
) -> dict[str, Any]:
    """The claims of a compact JWS; see `read`."""
    return read(token, keys, algorithms=algorithms, typ=typ).claims


def read(token: str, keys: KeySet, *, algorithms: Collection[str], typ: Collection[str] | None) -> Signed:
    """What one of ``keys`` signed by one of ``algorithms``, as a compact JWS.

    ``typ`` holds the allowed values of that header (lower case, `ABSENT` for none); None allows any.

    Raises:
        UnknownKid: the key is not in this set.
        JoseError: everything else that is wrong with it.
    """
    head, payload, signature, message = take_apart(token)
    alg, kid = check_header(read_json(head, "bad_header"), algorithms, typ, known=ASYMMETRIC)
    candidates = keys.candidates(kid, alg)
    claims = read_json(payload, "bad_payload")
    candidates = [key for key in candidates if key.speaks_for(claims)]
    if not candidates:
        raise JoseError("key_issuer_mismatch", "the key that is named belongs to another issuer")
    if not any(key.verifies(alg, message, signature) for key in candidates):
        if any(key.kid == kid for key in candidates if kid is not None):
            raise JoseError("bad_signature")
        raise UnknownKid("no key fits")  # without a name the right one may not have been seen yet
    return Signed(alg, claims)


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS that nobody has verified: only to find out whose key to look for.

    Raises:
        JoseError: it is none.
    """
    head, payload, _, _ = take_apart(token)
    return read_json(head, "bad_header"), read_json(payload, "bad_payload")


def take_apart(token: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Header, payload, signature, and what the signature covers. Size and shape come before all else."""
    if len(token) > MAX_TOKEN:
        raise JoseError("token_too_large")
    if token.count(".") != 2 or not token.isascii():  # noqa: PLR2004 - RFC 7515 §7.1: three parts
        raise JoseError("not_a_jws")
    message, _, last = token.encode("ascii").rpartition(b".")
    first, _, middle = message.partition(b".")
    if len(first) > MAX_HEADER:
        raise JoseError("header_too_large")
    try:
        return b64decode(first), b64decode(middle), b64decode(last), message
    except ValueError as error:
        raise JoseError("not_base64url") from error


def read_json(data: bytes, reason: str) -> dict[str, Any]:
    """The JSON object that a part of a token holds; ``reason`` is what to say where it is none."""
    try:
        return strictjson.parse_object(data)
    except strictjson.StrictJSONError as error:
        raise JoseError(reason, str(error)) from error


def check_header(
    header: Mapping[str, Any],
    algorithms: Collection[str],
    typ: Collection[str] | None,
    *,
    known: Collection[str],
) -> tuple[str, str | None]:
    """The token's ``alg`` and ``kid``; everything that would change its meaning is refused.

    ``known`` are the algorithms of the kind of key that the caller has, whatever ``algorithms`` says: a
    public key is never taken for a secret (RFC 8725 §2.1).
    """
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in known or alg not in algorithms:
        raise JoseError("bad_algorithm", f"alg {str(alg)[:20]!r} is not allowed here")
    if "crit" in header or "b64" in header:  # RFC 7515 §4.1.11: we understand no extension; RFC 7797
        raise JoseError("critical_header")
    if kid is not None and not isinstance(kid, str):
        raise JoseError("bad_header", "kid is not a string")
    if typ is not None and _media_type(header.get("typ", ABSENT)) not in typ:
        raise JoseError("bad_typ", f"typ {str(header.get('typ'))[:20]!r} is not allowed here")
    return alg, kid


def _media_type(typ: object) -> str | None:
    """RFC 7515 §4.1.9: compared without case, ``application/`` may be left out."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else None
