"""Tokens made with plain cryptography, honest or crooked: the broker's own code is not its own judge.

Owns `Key` and the makers of compact JWS (RFC 7515 §3.1) and JWE (RFC 7516 §3.1). An RSA key takes long to
make, so keys are lent: a provider borrows some and gives them back, and no two have one at the same time.
"""

from __future__ import annotations

import hmac
import json
import warnings
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256, sha384, sha512
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwe
from joserfc.errors import SecurityWarning
from joserfc.jwk import import_key

HASHES = {"256": sha256, "384": sha384, "512": sha512}
_DIGESTS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
_CURVES: dict[str, tuple[type[ec.EllipticCurve], str, int]] = {
    "ES256": (ec.SECP256R1, "P-256", 32),
    "ES384": (ec.SECP384R1, "P-384", 48),
    "ES512": (ec.SECP521R1, "P-521", 66),
}


def b64(data: bytes) -> str:
    """As base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def b64int(number: int, size: int | None = None) -> str:
    """A number as JWK writes it (RFC 7518 §2)."""
    return b64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _new_private(alg: str) -> Any:
    if alg.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048)
    if alg in _CURVES:
        return ec.generate_private_key(_CURVES[alg][0]())
    return ed25519.Ed25519PrivateKey.generate()


def _family(alg: str) -> str:
    """Algorithms that one kind of key serves."""
    return "RSA" if alg.startswith(("RS", "PS")) else alg


@dataclass
class Key:
    """A provider's key: RS*, PS*, ES* or EdDSA."""

    kid: str
    alg: str = "RS256"
    private: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.private = self.private or _new_private(self.alg)

    def signature(self, message: bytes) -> bytes:
        """Over this message, as RFC 7518 §3 and RFC 8037 §3.1 want it."""
        made: bytes
        if self.alg.startswith(("RS", "PS")):
            digest = _DIGESTS[self.alg[2:]]()
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            made = self.private.sign(message, pss if self.alg[0] == "P" else padding.PKCS1v15(), digest)
        elif self.alg in _CURVES:
            digest, size = _DIGESTS[self.alg[2:]](), _CURVES[self.alg][2]
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(digest)))
            made = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        else:
            made = self.private.sign(message)
        return made

    def private_pem(self) -> bytes:
        """The whole key, as PEM."""
        form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem: bytes = self.private.private_bytes(serialization.Encoding.PEM, form, none)
        return pem

    def public_forms(self) -> dict[str, bytes]:
        """The public half in every form that somebody may take for an HMAC secret."""
        encoding, shape = serialization.Encoding, serialization.PublicFormat
        written = self.private.public_key().public_bytes
        forms = {
            "pem": written(encoding.PEM, shape.SubjectPublicKeyInfo),
            "der": written(encoding.DER, shape.SubjectPublicKeyInfo),
            "ssh": written(encoding.OpenSSH, shape.OpenSSH),
            "jwk": json.dumps(self.jwk()).encode(),
            "jwk sorted": json.dumps(self.jwk(), separators=(",", ":"), sort_keys=True).encode(),
        }
        if _family(self.alg) == "RSA":
            forms["pkcs1"] = written(encoding.PEM, shape.PKCS1)
            forms["modulus"] = self.jwk()["n"].encode()
        return forms | {"pem without its end": forms["pem"].strip()}

    def jwk(self) -> dict[str, Any]:
        """The public half, as it stands in a JWKS."""
        public = self.private.public_key()
        named = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if _family(self.alg) == "RSA":
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": b64int(numbers.n), "e": b64int(numbers.e), **named}
        if self.alg in _CURVES:
            numbers, (_, name, size) = public.public_numbers(), _CURVES[self.alg]
            point = {"x": b64int(numbers.x, size), "y": b64int(numbers.y, size)}
            return {"kty": "EC", "crv": name, **point, **named}
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw()), **named}


class Purse:
    """Keys borrowed for a while."""

    _spare: dict[str, list[Any]] = defaultdict(list)  # noqa: RUF012 - one for the whole process

    def __init__(self) -> None:
        self._lent: list[tuple[str, Any]] = []

    def key(self, kid: str, alg: str = "RS256") -> Key:
        """A key that nobody else has now."""
        family = _family(alg)
        private = self._spare[family].pop() if self._spare[family] else _new_private(alg)
        self._lent.append((family, private))
        return Key(kid, alg, private)

    def close(self) -> None:
        """Give all of them back."""
        for family, private in self._lent:
            self._spare[family].append(private)
        self._lent.clear()


@cache
def strangers_key(alg: str) -> Key:
    """A key that no provider ever publishes."""
    return Key("stranger", alg)


def compact(
    key: Key, header: dict[str, Any] | str, claims: dict[str, Any] | str, *, secret: bytes | None = None
) -> str:
    """A compact JWS over any header and claims; with ``secret`` it is an HMAC, whatever the header says."""
    parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
    message = ".".join(b64(part.encode()) for part in parts)
    made = (
        hmac.digest(secret, message.encode(), "sha256")
        if secret is not None
        else key.signature(message.encode())
    )
    return f"{message}.{b64(made)}"


def encrypted(text: str, jwk: dict[str, Any], *, alg: str, enc: str, cty: str | None = "JWT") -> str:
    """A compact JWE of this text for the holder of the key (RFC 7516 §3.1; ``cty`` as in RFC 7519 §5.2)."""
    header = {"alg": alg, "enc": enc, "kid": jwk.get("kid"), "cty": cty}
    said = {name: value for name, value in header.items() if value is not None}
    with warnings.catch_warnings():  # a provider may use an old algorithm, which we refuse
        warnings.simplefilter("ignore", SecurityWarning)
        return jwe.encrypt_compact(said, text, import_key(jwk), algorithms=[alg, enc])


def half_hash(value: str, alg: str) -> str:
    """``at_hash`` and ``c_hash`` (Core §3.1.3.6)."""
    digest = HASHES.get(alg[2:], sha512)(value.encode()).digest()
    return b64(digest[: len(digest) // 2])


def challenge_of(verifier: str) -> str:
    """S256 (RFC 7636 §4.2)."""
    return b64(sha256(verifier.encode()).digest())
