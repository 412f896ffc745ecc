"""How a key that the library has read signs a message, and verifies a signature.

Owns the algorithms. The library looks a key over and makes its parameters anew for every signature, which for
ES256 costs as much again as the signature itself; so the two that nearly everybody signs by are said here:
RS256 (RFC 7518 §3.3) and ES256 (§3.4: R and then S, 32 bytes each). All others are the library's.
"""

from __future__ import annotations

import warnings
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import SecurityWarning
from joserfc.jws import JWSRegistry

EDWARDS: Final = frozenset({"EdDSA", "Ed25519"})
RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
ASYMMETRIC: Final = EDWARDS | RSA | {"ES256", "ES384", "ES512"}
"""Every algorithm that a signature may have here. No ``none`` and no HMAC (RFC 8725 §3.1, §3.2)."""

with warnings.catch_warnings():
    # RFC 9864 renames EdDSA; it is still what most client apps ask for, so this one warning is known.
    warnings.filterwarnings("ignore", "EdDSA is deprecated via RFC 9864", SecurityWarning)
    _REGISTRY = JWSRegistry(algorithms=sorted(ASYMMETRIC))
    _ALGORITHMS = {name: _REGISTRY.get_alg(name) for name in sorted(ASYMMETRIC)}

_SHA256, _PKCS1, _ECDSA = SHA256(), PKCS1v15(), ECDSA(SHA256())
_HALF = 32
"""Bytes of R, and of S, on P-256."""
MOST_SEEN = 4096
"""Signatures remembered of one key."""


def sign(alg: str, key: Any, message: bytes) -> bytes:
    """The bare signature of a private key over ``message``."""
    if alg == "ES256":
        r, s = decode_dss_signature(key.raw_value.sign(message, _ECDSA))
        return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
    return _ALGORITHMS[alg].sign(message, key)


def verifies(alg: str, key: Any, message: bytes, signature: bytes) -> bool:
    """Whether the private half of this public key made ``signature`` over ``message``.

    Raises:
        ValueError, TypeError, OverflowError, joserfc's JoseError: its shape is one that no such key makes.
    """
    try:
        if alg == "RS256":
            key.raw_value.verify(signature, message, _PKCS1, _SHA256)
        elif alg == "ES256":
            key.raw_value.verify(_der(signature), message, _ECDSA)
        else:
            return _ALGORITHMS[alg].verify(message, signature, key)
    except InvalidSignature:
        return False
    return True


class Seen:
    """Signatures of one key that were right, by a hash of all that they are over.

    APIs show one token again and again, and what was right once stays it for as long as the key is believed.
    """

    def __init__(self) -> None:
        self._marks: dict[bytes, None] = {}

    @staticmethod
    def mark(alg: str, message: bytes, signature: bytes) -> bytes:
        """What tells this signature from any other; no algorithm has a dot in its name, and each JWS one."""
        return sha256(b".".join((alg.encode(), message, signature))).digest()

    def __contains__(self, mark: bytes) -> bool:
        """Whether it was right."""
        return mark in self._marks

    def add(self, mark: bytes) -> None:
        """It is right; the oldest is forgotten where there are too many."""
        if len(self._marks) >= MOST_SEEN:
            del self._marks[next(iter(self._marks))]
        self._marks[mark] = None


def _der(signature: bytes) -> bytes:
    """R and S as the library of keys wants them."""
    if len(signature) != 2 * _HALF:
        raise ValueError("not R and S of 32 bytes each")
    return encode_dss_signature(
        int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
    )
