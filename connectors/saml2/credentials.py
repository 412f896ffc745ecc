"""Keys and certificates: ours from the operator's file, theirs pinned by it.

Owns `Certificate` and `Credentials`. A certificate is only the coat of a key here, as SAML metadata wants
it (Metadata Interoperability 1.0 §2.6.1): who it names and when it ends says nothing, that it was pinned
does. So an expired one goes on working, and where the operator has none for us, we make one.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from broker.connector import Secret, UpstreamInvalid

SMALLEST_RSA = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KeyType = Literal["RSA", "EC"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of an identity provider, with a key that we use."""

    x509: x509.Certificate
    fingerprint: str
    """SHA-256 of its DER, in lower-case hexadecimal."""

    @classmethod
    def read(cls, text: str) -> Certificate:
        """From PEM, or from the bare base64 that metadata has.

        Raises:
            UpstreamInvalid: it is none, or has a key that is too weak.
        """
        match = _PEM.search(text)
        try:
            der = b64decode("".join((match[1] if match else text).split()), validate=True)
            found = x509.load_der_x509_certificate(der)
            key = found.public_key()
        except (ValueError, binascii.Error, UnsupportedAlgorithm, x509.InvalidVersion):
            raise UpstreamInvalid("certificate_unusable", "that is no certificate") from None
        _check_strength(key)
        return cls(found, sha256(der).hexdigest())

    @property
    def base64(self) -> str:
        """As XML Signature writes it."""
        return b64encode(self.x509.public_bytes(Encoding.DER)).decode("ascii")

    @property
    def ends(self) -> datetime:
        """When it ends, which stops nobody."""
        return self.x509.not_valid_after_utc


def _check_strength(key: object) -> None:
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        if key.key_size < SMALLEST_RSA:
            raise UpstreamInvalid(
                "key_too_weak", f"RSA with {key.key_size} bits; {SMALLEST_RSA} are the least"
            )
    elif not (
        isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey)
        and isinstance(key.curve, _CURVES)
    ):
        raise UpstreamInvalid("key_unsupported", "neither RSA nor ECDSA on P-256, P-384 or P-521")


class Credentials:
    """A key pair of ours, and the certificate that shows its public half."""

    def __init__(self, private_key: Secret, certificate: str | None = None, *, name: str = "broker") -> None:
        self._secret, self._given, self._name = private_key, certificate, name

    @cached_property
    def key(self) -> PrivateKey:
        """The private key.

        Raises:
            UpstreamInvalid: the file has none that we use.
        """
        try:
            key = load_pem_private_key(self._secret.reveal().encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise UpstreamInvalid("private_key_unusable", "no unencrypted private key in PEM") from None
        _check_strength(key)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise UpstreamInvalid("private_key_unusable", "neither RSA nor ECDSA")
        return key

    @property
    def type(self) -> KeyType:
        """What kind of key it is."""
        return "RSA" if isinstance(self.key, rsa.RSAPrivateKey) else "EC"

    @cached_property
    def certificate(self) -> Certificate:
        """The operator's, or one of our own making: the same in every process that has the key."""
        if self._given is None:
            made = _self_signed(self.key, self._name)
            return Certificate.read(made.public_bytes(Encoding.PEM).decode("ascii"))
        found = Certificate.read(self._given)
        if _public(found.x509.public_key()) != _public(self.key.public_key()):
            raise UpstreamInvalid("certificate_unusable", "the certificate is not that of the private key")
        return found


def _public(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _self_signed(key: PrivateKey, name: str) -> x509.Certificate:
    """The same bytes whenever it is made: its number comes of the key, its signature has no dice in it."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    number = int.from_bytes(sha256(_public(key.public_key())).digest()[:16]) >> 1
    builder = x509.CertificateBuilder(
        subject_name=who,
        issuer_name=who,
        public_key=key.public_key(),
        serial_number=number or 1,
        not_valid_before=_FROM,
        not_valid_after=_UNTIL,
    )
    steady = isinstance(key, ec.EllipticCurvePrivateKey)
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True if steady else None)
