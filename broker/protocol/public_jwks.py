"""A JWK set that somebody registers: public keys, each with a name of its own, none of them weak.

Pure: the shape alone is looked at; whether a key verifies anything is for `broker.jose`. RFC 7517 §4 and §5;
RFC 7518 §6; RFC 8725 §3.2 (no shared secrets among them) and §3.5.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

_MOST_KEYS = 20
_LONGEST_NAME = 200
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members that no public key has (RFC 7518 §6)."""
_CURVES = {"EC": frozenset({"P-256", "P-384", "P-521"}), "OKP": frozenset({"Ed25519", "X25519"})}
_LEAST_RSA, _MOST_RSA = 2048, 8192
_PUBLIC_OF = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def objection(jwks: object) -> str | None:
    """Why this is no JWK set to be registered; None when it is one."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= _MOST_KEYS:
        return f"jwks holds 1 to {_MOST_KEYS} keys"
    names = [key.get("kid") for key in keys if isinstance(key, Mapping)]
    given = [name for name in names if name is not None]
    if any(not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME for name in given):
        return "a kid in jwks is no short text"
    if len(set(given)) != len(given) or (len(keys) > 1 and len(given) != len(keys)):
        return "every key in jwks needs a kid of its own"
    return next((why for key in keys if (why := _of_key(key)) is not None), None)


def _of_key(key: object) -> str | None:
    if not isinstance(key, Mapping):
        return "a key in jwks is no object"
    if PRIVATE & key.keys():
        return "jwks holds a private or secret key, which nobody may be sent"
    kind = key.get("kty")
    if not isinstance(kind, str) or kind not in _PUBLIC_OF:
        return "a key in jwks is neither RSA, EC nor OKP"
    if any(not isinstance(key.get(name), str) for name in _PUBLIC_OF[kind]):
        return "a key in jwks lacks a member of its kind"
    if kind == "RSA":
        return None if _sound(key["n"]) else "an RSA key in jwks has fewer than 2048 bits, or too many"
    return None if key["crv"] in _CURVES[kind] else "a key in jwks is on a curve that is not used here"


def _sound(modulus: Any) -> bool:
    try:
        number = int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4)), "big")
    except ValueError:
        return False
    return _LEAST_RSA <= number.bit_length() <= _MOST_RSA
