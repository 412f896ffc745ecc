"""Encrypting to somebody else's key: a signed token of ours inside a compact JWE.

Owns `EncryptionKey`. RFC 7516 §5.1 and §7.1; RFC 7518 §4 and §5; RFC 7519 §5.2 and §11.2 (signed first, then
encrypted); OpenID Connect Core §10.2. The key comes from the client app's own set, the algorithm from its
registration; nothing is encrypted by a password or a shared secret, and nothing is compressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgspec
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwe import JWE  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from broker.jose.encrypted import ECDH_WRAPPING, ENCODINGS, RSA_WRAPPING
from broker.jose.keys import MAX_KEYS, JoseError, is_sound_rsa

WRAPPINGS: Final = (*RSA_WRAPPING, *ECDH_WRAPPING)
"""Every way in which a content key may be given to a client app."""
DEFAULT_ENCODING: Final = "A128CBC-HS256"
"""What encrypts the content where a client names only how the key is given (RFC 7591, Registration §2)."""

_CURVES = frozenset({"P-256", "P-384", "P-521", "X25519"})
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_WRAPS = frozenset({"wrapKey", "encrypt", "deriveKey", "deriveBits"})


@dataclass(frozen=True, slots=True, eq=False)
class EncryptionKey:
    """A public key of somebody else's, with the one way in which it is used."""

    alg: str
    kid: str | None
    _jwk: JWK = field(repr=False)

    @classmethod
    def from_jwks(cls, document: object, alg: str) -> Self:
        """The first key of a JWK set that can be encrypted to by ``alg``.

        Raises:
            JoseError: there is none.
        """
        listed = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(listed, list):
            raise JoseError("bad_key_set", "no list of keys")
        for entry in _fitting(listed, alg):
            jwk = _read(entry)
            if jwk is not None:
                kid = entry.get("kid")
                return cls(alg, kid if isinstance(kid, str) and kid else None, jwk)
        raise JoseError("no_encryption_key", f"no key for {alg} in the set")

    def seal(self, token: str, *, enc: str = DEFAULT_ENCODING) -> str:
        """The signed token inside a compact JWE that says it holds one (RFC 7519 §5.2)."""
        if enc not in ENCODINGS:
            raise JoseError("bad_encryption", f"enc {enc[:20]!r} is not one of ours")
        header = {"alg": self.alg, "enc": enc, "cty": "JWT"}
        if self.kid is not None:
            header["kid"] = self.kid
        try:
            made = JWE(token.encode("ascii"), msgspec.json.encode(header).decode(), algs=[self.alg, enc])
            made.add_recipient(self._jwk)
            sealed: str = made.serialize(compact=True)
        except (JWException, ValueError, TypeError) as error:
            raise JoseError("not_encrypted", type(error).__name__) from error
        return sealed


def _fitting(listed: list[Any], alg: str) -> Iterator[Mapping[str, Any]]:
    """The entries that let themselves be used so; one made for it comes first (RFC 7517 §4.2 to §4.4)."""
    entries = [entry for entry in listed[:MAX_KEYS] if isinstance(entry, Mapping) and _lets(entry, alg)]
    yield from sorted(entries, key=lambda entry: (entry.get("alg") != alg, entry.get("use") != "enc"))


def _lets(entry: Mapping[str, Any], alg: str) -> bool:
    if entry.get("alg", alg) != alg or entry.get("use", "enc") != "enc":
        return False
    operations = entry.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and _WRAPS & set(map(str, operations))):
        return False
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "RSA":
        return alg in RSA_WRAPPING
    known = isinstance(curve, str) and curve in _CURVES
    return alg in ECDH_WRAPPING and known and kind in ("EC", "OKP")


def _read(entry: Mapping[str, Any]) -> JWK | None:
    """The public key of an entry; None where it is not a sound one (RFC 7517 §5 lets us go on)."""
    try:
        if entry["kty"] == "RSA" and not is_sound_rsa(entry["n"], entry["e"]):
            return None
        members = {name: entry[name] for name in _MEMBERS[entry["kty"]]}
        jwk = JWK(kty=entry["kty"], **members)
        jwk.get_op_key("wrapKey")  # loads it: a point off its curve is none
    except (JWException, ValueError, TypeError, KeyError, AttributeError):
        return None
    return jwk
