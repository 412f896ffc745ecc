"""Tokens signed with plain cryptography, honest or crooked: the broker's own code is not its own judge."""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256, sha384, sha512
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HASHES = {
    "RS256": sha256,
    "PS256": sha256,
    "ES256": sha256,
    "ES384": sha384,
    "EdDSA": sha512,
    "Ed25519": sha512,
}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def b64int(number: int, size: int | None = None) -> str:
    return b64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _new_private(alg: str) -> Any:
    if alg.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else ed25519.Ed25519PrivateKey.generate()


@dataclass
class Key:
    """A provider's key."""

    kid: str
    alg: str = "RS256"
    private: Any = field(default=None, repr=False)

    def __post_init__(self):
        self.private = self.private or _new_private(self.alg)

    def signature(self, message: bytes) -> bytes:
        if self.alg == "RS256":
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if self.alg == "PS256":
            return self.private.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if self.alg == "ES256":
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(message)

    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)

    def private_pem(self) -> bytes:
        form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.private.private_bytes(serialization.Encoding.PEM, form, none)

    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        named = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg.startswith(("RS", "PS")):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": b64int(numbers.n), "e": b64int(numbers.e), **named}
        if self.alg == "ES256":
            numbers = public.public_numbers()
            return {
                "kty": "EC",
                "crv": "P-256",
                "x": b64int(numbers.x, 32),
                "y": b64int(numbers.y, 32),
                **named,
            }
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw()), **named}


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


def half_hash(value: str, alg: str) -> str:
    digest = HASHES[alg](value.encode()).digest()
    return b64(digest[: len(digest) // 2])


def challenge_of(verifier: str) -> str:
    return b64(sha256(verifier.encode()).digest())
