"""Certificates of client apps: from an authority, by way of another, or of their own making."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from jwcrypto.jwk import JWK

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Holder:
    """A certificate, its key, and what leads up to its authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def chain_der(self) -> list[bytes]:
        return [one.public_bytes(serialization.Encoding.DER) for one in self.chain]

    @property
    def thumbprint(self) -> str:
        return urlsafe_b64encode(sha256(self.der).digest()).rstrip(b"=").decode()

    @property
    def header(self) -> str:
        """As RFC 9440 has it."""
        return f":{b64encode(self.der).decode()}:"

    def jwk(self, *, x5c: bool = True) -> dict[str, Any]:
        public: dict[str, Any] = json.loads(JWK.from_pyca(self.key.public_key()).export_public())
        return public | ({"x5c": [b64encode(self.der).decode()]} if x5c else {})


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def made(
    common: str,
    by: Holder | None = None,
    *,
    ca: bool = False,
    client: bool = True,
    days: tuple[int, int] = (-1, 300),
    subject: x509.Name | None = None,
    alternatives: list[x509.GeneralName] | None = None,
    may_issue: bool | None = None,
) -> Holder:
    """A fresh certificate, by ``by`` or by itself; ``may_issue`` is what it says of the use of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = subject or name((NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Acme"))
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if may_issue is not None:
        unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        uses = dict.fromkeys((*unused, "crl_sign", "encipher_only", "decipher_only"), False)
        usage_of_key = x509.KeyUsage(digital_signature=True, key_cert_sign=may_issue, **uses)
        builder = builder.add_extension(usage_of_key, critical=True)
    if alternatives is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    signed = builder.sign(by.key if by else key, hashes.SHA256())
    is_root = by is None or by.certificate.issuer == by.certificate.subject
    return Holder(signed, key, () if by is None or is_root else (by.certificate, *by.chain))


EVERY_NAME: list[x509.GeneralName] = [
    x509.DNSName("billing.acme.example"),
    x509.UniformResourceIdentifier("spiffe://acme.example/billing"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
    x509.RFC822Name("billing@acme.example"),
]
