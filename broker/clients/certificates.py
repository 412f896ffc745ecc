"""Client certificates: read, judged, and compared with what a client app is registered by.

Owns `Certificate`, `Authorities` and `Anchors`. RFC 8705 §2.1.2 (names), §2.2 (keys of one's own), §3.1
(``x5t#S256``); RFC 4514 (names as text); RFC 9440 §2 and the habits of proxies for certificates in a header;
RFC 5280 §6 for what an authority has issued. What is read here has been shown in a handshake, ours or that of
a proxy which the operator trusts, so its holder has the key.
"""

from __future__ import annotations

import binascii
import re
import ssl
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from broker.jose import JoseError, is_fit_rsa, thumbprint, thumbprint_of
from broker.protocol import base64url
from broker.protocol.client import Client

MAX_DER = 16 * 1024
_LONGEST_CHAIN = 8
_MOST_ANCHORS = 4096
_BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/]*={0,2}):")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_BARE = re.compile(r"([A-Za-z0-9+/]+={0,2})")
_PURPOSES = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})
_NAMES: Final = {
    "emailAddress": ObjectIdentifier("1.2.840.113549.1.9.1"),
    "E": ObjectIdentifier("1.2.840.113549.1.9.1"),
    "serialNumber": ObjectIdentifier("2.5.4.5"),
    "GN": ObjectIdentifier("2.5.4.42"),
    "SN": ObjectIdentifier("2.5.4.4"),
    "T": ObjectIdentifier("2.5.4.12"),
    "organizationIdentifier": ObjectIdentifier("2.5.4.97"),
    "businessCategory": ObjectIdentifier("2.5.4.15"),
    "jurisdictionC": ObjectIdentifier("1.3.6.1.4.1.311.60.2.1.3"),
}
"""Names of attributes beyond those of RFC 4514 §3 that authorities put into certificates."""

Relative = frozenset[tuple[str, str]]


class CertificateError(Exception):
    """What was shown is no certificate. ``reason`` is a short stable word for the log."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate that somebody showed, with whatever leads up to its authority."""

    thumbprint: str
    """``x5t#S256``: SHA-256 over the whole, in base64url (RFC 8705 §3.1)."""
    der: bytes = field(repr=False)
    _parsed: x509.Certificate = field(repr=False)
    _chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, der: bytes, chain: Sequence[bytes] = ()) -> Self:
        """The certificate in ``der``; ``chain`` are those between it and its authority, in any order.

        Raises:
            CertificateError: one of them is none.
        """
        thumbprint = base64url.encoded(sha256(der).digest())
        # A way up has each name once. Of authorities that issue each other, every way would be gone.
        between: dict[x509.Name, x509.Certificate] = {}
        for one in map(_parse, chain[:_LONGEST_CHAIN]):
            between.setdefault(one.subject, one)
        return cls(thumbprint, der, _parse(der), tuple(between.values()))

    def is_valid(self, now: float) -> bool:
        """Whether now is between its two dates."""
        at = datetime.fromtimestamp(now, UTC)
        return self._parsed.not_valid_before_utc <= at <= self._parsed.not_valid_after_utc

    def is_issued_by(self, authorities: Authorities, now: float) -> bool:
        """Whether one of the authorities issued it for a client, by way of the chain (RFC 5280 §6)."""
        return authorities.issued(self._parsed, self._chain, now)

    def is_of(self, client: Client) -> bool:
        """Whether it carries the name by which this client is registered (RFC 8705 §2.1.2)."""
        if client.tls_client_auth_subject_dn is not None:
            return _relative(self._parsed.subject) == read_dn(client.tls_client_auth_subject_dn)
        if client.tls_client_auth_san_dns is not None:  # host names have no case (RFC 5280 §7.2)
            wanted = client.tls_client_auth_san_dns.lower()
            return wanted in {name.lower() for name in self._alternatives(x509.DNSName)}
        if client.tls_client_auth_san_uri is not None:
            return client.tls_client_auth_san_uri in self._alternatives(x509.UniformResourceIdentifier)
        if client.tls_client_auth_san_ip is not None:
            wanted = str(ip_address(client.tls_client_auth_san_ip))
            return wanted in {str(address) for address in self._alternatives(x509.IPAddress)}
        if client.tls_client_auth_san_email is not None:
            return client.tls_client_auth_san_email in self._alternatives(x509.RFC822Name)
        return False

    def is_among(self, jwks: Mapping[str, Any]) -> bool:
        """Whether a JWK set holds it: whole where a key says ``x5c``, else by its key (RFC 8705 §2.2)."""
        listed = jwks.get("keys")
        keys = [key for key in listed if isinstance(key, Mapping)] if isinstance(listed, list) else []
        return any(self._is_key(key) for key in keys)

    def _is_key(self, jwk: Mapping[str, Any]) -> bool:
        registered = _x5c(jwk)
        if registered is not None:
            return registered == self.der
        try:
            return thumbprint(jwk) == thumbprint_of(self._parsed.public_key())
        except JoseError:
            return False  # another key of the set may be it

    def _alternatives(self, kind: type[Any]) -> list[Any]:
        try:
            names = self._parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            return list(names.get_values_for_type(kind))
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return []  # none that can be read, so it is nobody's name


class Authorities:
    """Whose word the operator takes for client certificates."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        self._store = Store(list(certificates)) if certificates else None
        # What RFC 5280 §6 wants of everybody, and not what the browsers' authorities have agreed on beside
        # it: an authority of one's own seldom says what its keys are for.
        ee = ExtensionPolicy.permit_all()
        ca = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        ca = ca.may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
        self._builder = PolicyBuilder().extension_policies(ca_policy=ca, ee_policy=ee)

    @classmethod
    def load(cls, files: Iterable[Path]) -> Self:
        """Those in PEM files.

        Raises:
            CertificateError: a file is not there, or holds none.
        """
        found: list[x509.Certificate] = []
        for path in files:
            try:
                found += x509.load_pem_x509_certificates(path.read_bytes())
            except (OSError, ValueError) as error:
                raise CertificateError("bad_authority", f"{path}: no certificates in PEM") from error
        return cls(found)

    def issued(self, leaf: x509.Certificate, chain: Sequence[x509.Certificate], now: float) -> bool:
        """Whether the leaf comes from one of them, and is for a client."""
        if self._store is None or not _is_for_clients(leaf):
            return False
        at = datetime.fromtimestamp(now, UTC)
        verifier = self._builder.store(self._store).time(at).build_client_verifier()
        try:
            verifier.verify(leaf, list(chain))
        except (VerificationError, ValueError, UnsupportedAlgorithm):
            return False
        return True


class Anchors:
    """What the listener for client certificates lets through: OpenSSL ends a handshake by itself otherwise.

    That says nothing of whose a certificate is; each is judged anew by the request that shows it.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}
        self._contexts: list[ssl.SSLContext] = []

    def attach(self, context: ssl.SSLContext) -> None:
        """Keep this context informed, from now on."""
        self._contexts.append(context)
        for der in self._known:
            context.load_verify_locations(cadata=der)

    def learn(self, jwks: Mapping[str, Any]) -> None:
        """Let the certificates of a client app through, as far as its keys say them."""
        listed = jwks.get("keys")
        for key in listed if isinstance(listed, list) else []:
            der = _x5c(key) if isinstance(key, Mapping) else None
            if der is None or der in self._known or len(self._known) >= _MOST_ANCHORS:
                continue
            try:
                _parse(der)
            except CertificateError:
                continue  # it spoils nobody else's (RFC 7517 §5)
            self._known[der] = None
            for context in self._contexts:
                context.load_verify_locations(cadata=der)


def read_dn(text: str) -> list[Relative]:
    """A distinguished name as text (RFC 4514), as it is compared: attribute by attribute, in order.

    Raises:
        ValueError: it is none.
    """
    return _relative(x509.Name.from_rfc4514_string(text, _NAMES))


def from_header(text: str) -> bytes:
    """The certificate in a header, in any of the spellings that proxies have.

    ``:base64:`` (RFC 9440 §2.1), PEM with its line ends escaped (nginx) or made spaces (Apache), or base64
    alone (HAProxy, Traefik).

    Raises:
        CertificateError: it is none of them.
    """
    whole = unquote(text).strip() if "%" in text else text.strip()
    match = _BYTE_SEQUENCE.fullmatch(whole) or _PEM.fullmatch(whole) or _BARE.fullmatch(whole)
    if match is None:
        raise CertificateError("certificate_header_malformed")
    try:
        return b64decode("".join(match[1].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateError("certificate_header_malformed") from error


def chain_from_header(text: str) -> list[bytes]:
    """The certificates in ``Client-Cert-Chain`` (RFC 9440 §2.2).

    Raises:
        CertificateError: it is no list of them.
    """
    return [from_header(one.strip(" \t")) for one in text.split(",")] if text else []


def _parse(der: bytes) -> x509.Certificate:
    if len(der) > MAX_DER:
        raise CertificateError("certificate_too_large")
    try:
        parsed = x509.load_der_x509_certificate(der)
        _ = parsed.extensions, parsed.subject, parsed.issuer  # read now: what is malformed is found here
        key = parsed.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise CertificateError("certificate_malformed", type(error).__name__) from error
    if isinstance(key, RSAPublicKey) and not is_fit_rsa(key.key_size, key.public_numbers().e):
        raise CertificateError(
            "certificate_key_unfit", "an RSA key has 2048 to 8192 bits, and a small exponent"
        )
    return parsed


def _signs_certificates(_policy: Policy, _issuer: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    """RFC 5280 §6.1.4 (n): where an issuer says what its key is for, that is among it."""
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the key of an issuer may not sign certificates")


def _is_for_clients(leaf: x509.Certificate) -> bool:
    """RFC 5280 §4.2.1.12: where it says what it is for, that is among it."""
    try:
        usage = leaf.extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
    except x509.ExtensionNotFound:
        return True
    return isinstance(usage, x509.ExtendedKeyUsage) and bool(_PURPOSES & set(usage))


def _relative(name: x509.Name) -> list[Relative]:
    """By attribute and value; how a value is encoded makes no difference (RFC 5280 §7.1)."""
    return [frozenset((one.oid.dotted_string, str(one.value)) for one in rdn) for rdn in name.rdns]


def _x5c(jwk: Mapping[str, Any]) -> bytes | None:
    """The certificate that a key says to be of (RFC 7517 §4.7: base64, not base64url)."""
    chain = jwk.get("x5c")
    first = chain[0] if isinstance(chain, list) and chain else None
    if first is None:
        return None
    try:
        return b64decode(first, validate=True) if isinstance(first, str) else b""
    except (binascii.Error, ValueError):
        return b""
