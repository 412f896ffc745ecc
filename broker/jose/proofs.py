"""Proofs of possession: a compact JWS whose header brings the key that it proves.

Owns `read_proof`. RFC 9449 §4.2 and §4.3. It is the one place where a key out of a header is used, and it
proves nothing but that the sender has the private half: whose key it is, a token or a code says by its
thumbprint (RFC 7638). An app has one key for long, and the same header with it, so that what is made of a
header is kept for the next proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from broker import strictjson
from broker.jose.compact import check_header, read_json, take_apart
from broker.jose.keys import JoseError, VerificationKey, b64decode, read_key, thumbprint
from broker.jose.signatures import ASYMMETRIC
from broker.protocol.dpop import ALGORITHMS
from broker.protocol.public_jwks import PRIVATE

MAX_PROOF = 8 * 1024
"""Characters. One with an RSA key of 4096 bits has some 1700."""
_MAX_MODULUS = 683
"""Base64url characters of 4096 bits: a larger key only costs whoever must verify with it."""
_TYP = frozenset({"dpop+jwt"})


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature is right. Its claims are still to be judged."""

    jkt: str
    """The thumbprint of the key that made it (RFC 9449 §6.1)."""
    alg: str
    claims: dict[str, Any]


def read_proof(text: str) -> Proof:
    """The proof that ``text`` is.

    Raises:
        JoseError: it is none (RFC 9449 §4.3, checks 2 to 7).
    """
    if len(text) > MAX_PROOF:  # before anything is decoded
        raise JoseError("token_too_large")
    _, payload, signature, message = take_apart(text)
    alg, key, jkt = _key_of(text.partition(".")[0])
    claims = read_json(payload, "bad_payload")
    if not key.verifies(alg, message, signature):
        raise JoseError("bad_signature")
    return Proof(jkt, alg, claims)


@lru_cache(maxsize=1024)
def _key_of(head: str) -> tuple[str, VerificationKey, str]:
    """The algorithm and the key that a header says, and the key's thumbprint."""
    try:
        header = strictjson.parse_object(b64decode(head.encode("ascii")))
    except ValueError as error:  # a StrictJSONError is one
        raise JoseError("bad_header", str(error)) from error
    alg, _ = check_header(header, ALGORITHMS, _TYP, known=ASYMMETRIC)
    jwk = header.get("jwk")
    if not isinstance(jwk, Mapping):
        raise JoseError("no_key", "the header has no jwk")
    if PRIVATE & jwk.keys():  # RFC 9449 §4.3, check 7
        raise JoseError("private_key", "the jwk is a private key, or a secret")
    if len(str(jwk.get("n", ""))) > _MAX_MODULUS:
        raise JoseError("key_too_large", "an RSA key has at most 4096 bits here")
    key = read_key(jwk)
    if key is None or alg not in key.algorithms:
        raise JoseError("bad_key", f"the jwk is not a public key for {alg}")
    return alg, key, thumbprint(jwk)
