"""Compact JWE: opening what an upstream encrypted to a key of ours.

Owns `DecryptionKey`. RFC 7516 §5.2 and §7.1, RFC 7518 §4 and §5; RFC 8725 §3.1, §3.2 and §3.6. The one
algorithm and the few encodings are those that were agreed on, named by whoever asks; RSA1_5, passwords and
compression are not among what can be asked for. What fails once a key is used fails with one reason, whatever
it was, so that nobody learns anything about a plaintext by trying.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwe import JWE  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from broker import strictjson
from broker.jose.compact import MAX_HEADER, MAX_TOKEN
from broker.jose.keys import JoseError, b64decode

RSA_WRAPPING = ("RSA-OAEP", "RSA-OAEP-256")
ECDH_WRAPPING = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
ENCODINGS = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")

MAX_ENCRYPTED = 2 * MAX_TOKEN
_PARTS = 5
_CURVES = frozenset({"P-256", "P-384", "P-521", "X25519"})
_KEPT = ("kty", "n", "e", "crv", "x", "y", "d", "p", "q", "dp", "dq", "qi")
_SMALLEST_RSA = 2048


@dataclass(frozen=True, slots=True, eq=False)
class DecryptionKey:
    """A private key that opens what was encrypted to its public half. Its ``kid`` is its thumbprint."""

    kid: str
    kty: str
    _jwk: JWK = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """The key in a PEM file, or a private JWK.

        Raises:
            JoseError: it is neither, or not one that decrypts.
        """
        try:
            if text.lstrip().startswith("{"):
                members = strictjson.parse_object(text.encode())
            else:
                members = JWK.from_pem(text.encode()).export(private_key=True, as_dict=True)
            jwk = JWK(**{"kty": members["kty"], **{n: members[n] for n in _KEPT if n in members}})
        except (ValueError, TypeError, KeyError, JWException) as error:
            raise JoseError("bad_key", "neither a private key in PEM nor a private JWK") from error
        return cls._of(jwk)

    @classmethod
    def _of(cls, jwk: JWK) -> Self:
        public = jwk.export_public(as_dict=True) if jwk.has_private else {}
        rsa = public.get("kty") == "RSA" and _bits(public) >= _SMALLEST_RSA
        if not rsa and public.get("crv") not in _CURVES:
            raise JoseError("bad_key", "not a private RSA key of 2048 bits, nor one on a curve for ECDH")
        return cls(jwk.thumbprint(), public["kty"], jwk)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The ways of key management that this key has."""
        return RSA_WRAPPING if self.kty == "RSA" else ECDH_WRAPPING

    def public_jwk(self, alg: str | None = None) -> dict[str, Any]:
        """Its public half for a JWK set (RFC 7517 §4.2)."""
        members = {**self._jwk.export_public(as_dict=True), "use": "enc", "kid": self.kid}
        return members if alg is None else {**members, "alg": alg}

    def open(self, token: str, *, alg: str, encodings: Collection[str]) -> str:
        """The compact JWS that was encrypted to this key.

        Raises:
            JoseError: it is no such thing.
        """
        header = _header(token)
        if header.get("alg") != alg or alg not in self.algorithms:
            raise JoseError("bad_encryption", f"alg {str(header.get('alg'))[:20]!r} was not agreed on")
        if header.get("enc") not in encodings or header.get("enc") not in ENCODINGS:
            raise JoseError("bad_encryption", f"enc {str(header.get('enc'))[:20]!r} was not agreed on")
        return self._opened(token, alg, str(header["enc"]))

    def _opened(self, token: str, alg: str, enc: str) -> str:
        try:
            opened = JWE(algs=[alg, enc])
            opened.deserialize(token)
            opened.decrypt(self._jwk, max_plaintext=MAX_TOKEN)
            inner: str = bytes(opened.plaintext).decode("ascii")
        except (JWException, ValueError, TypeError, KeyError, OverflowError):
            raise JoseError("not_decrypted") from None  # why is nobody's business: RFC 7516 §11.5
        if inner.count(".") != 2:  # noqa: PLR2004 - a JWS inside, or nobody has said anything (RFC 7519 §5.2)
            raise JoseError("not_decrypted")
        return inner


def _header(token: str) -> Mapping[str, Any]:
    """The protected header, once the outer shape is right. Nothing is decrypted for what is refused here."""
    if len(token) > MAX_ENCRYPTED:
        raise JoseError("token_too_large")
    if token.count(".") != _PARTS - 1 or not token.isascii():
        raise JoseError("not_encrypted", "not a compact JWE")
    parts = token.encode("ascii").split(b".")
    if len(parts[0]) > MAX_HEADER:
        raise JoseError("header_too_large")
    try:
        first, *_ = [b64decode(part) for part in parts]  # each has its one spelling
        header = strictjson.parse_object(first)
    except strictjson.StrictJSONError as error:
        raise JoseError("bad_header", str(error)) from error
    except ValueError as error:
        raise JoseError("not_base64url") from error
    if header.keys() & {"zip", "crit", "b64"}:  # a small token stays small; and we understand no extension
        raise JoseError("bad_encryption", "compressed, or with an extension")
    return header


def _bits(public: Mapping[str, Any]) -> int:
    return int.from_bytes(b64decode(str(public["n"]).encode()), "big").bit_length()
