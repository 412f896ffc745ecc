"""Client certificates: read in every spelling, judged by their authority, compared by one registered name."""

import datetime as dt
import math
from base64 import b64encode
from ipaddress import ip_address
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from broker.clients.certificates import (
    Authorities,
    Certificate,
    CertificateError,
    chain_from_header,
    from_header,
    read_dn,
)
from tests.certificates import DAY, EVERY_NAME, Holder, made, name
from tests.costs import least_cpu
from tests.protocol.samples import client

ROOT, OTHER_ROOT = made("root", ca=True), made("root", ca=True)
BETWEEN = made("between", ROOT, ca=True)
LEAF = made("billing", ROOT, alternatives=EVERY_NAME)
SELF = made("billing")
TRUSTED = Authorities([ROOT.certificate])
NOW = dt.datetime.now(dt.UTC).timestamp()
YEAR = 366 * 86400


def read(holder: Holder, *, chain: bool = True) -> Certificate:
    return Certificate.read(holder.der, holder.chain_der if chain else [])


# ── spellings ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 9440", "§2.1 Client-Cert as a byte sequence")
def test_every_spelling_of_a_proxy_is_the_same_certificate():
    spellings = {
        "RFC 9440": LEAF.header,
        "nginx": quote(LEAF.pem, safe=""),
        "nginx with its slashes": quote(LEAF.pem),
        "Apache": LEAF.pem.replace("\n", " "),
        "HAProxy": b64encode(LEAF.der).decode(),
        "Traefik": quote(b64encode(LEAF.der).decode(), safe=""),
    }
    for proxy, text in spellings.items():
        assert from_header(text) == LEAF.der, proxy


@pytest.mark.standard("RFC 9440", "§2.2 Client-Cert-Chain as a list of byte sequences")
def test_a_chain_is_a_list_of_them():
    assert chain_from_header("") == []
    assert chain_from_header(f"{BETWEEN.header}, {ROOT.header}") == [BETWEEN.der, ROOT.der]
    with pytest.raises(CertificateError):
        chain_from_header(f"{BETWEEN.header};a=b")


@pytest.mark.parametrize(
    "text",
    ["(null)", ":", "::x:", ":AAA:", "-----BEGIN CERTIFICATE-----", "é", "%zz", "a,b", "?1", LEAF.pem * 2],
)
def test_what_is_no_certificate_is_told(text):
    with pytest.raises(CertificateError):
        Certificate.read(from_header(text))


@given(st.text(max_size=200))
def test_no_header_does_more_than_refuse(text):
    with pytest.raises(CertificateError):
        Certificate.read(from_header(text))


@pytest.mark.parametrize("der", [b"", b"x", LEAF.der[:-1], LEAF.der + b"\0", b"\x30" * 20_000])
def test_bytes_that_are_no_certificate_are_told(der):
    with pytest.raises(CertificateError):
        Certificate.read(der)


# ── who issued it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 8705", "§2.1 a certificate from an authority")
def test_it_comes_from_an_authority_directly_or_by_way_of_another():
    assert read(LEAF).is_issued_by(TRUSTED, NOW)
    below = made("billing", BETWEEN)
    assert read(below).is_issued_by(TRUSTED, NOW)
    assert not read(below, chain=False).is_issued_by(TRUSTED, NOW)
    assert read(below, chain=False).is_issued_by(Authorities([BETWEEN.certificate]), NOW)


@pytest.mark.row("DP-11")
def test_what_nobody_issued_or_somebody_else_is_not_believed():
    for holder in (
        SELF,
        made("billing", OTHER_ROOT),  # an authority of the same name
        made("billing", SELF),  # by one that may not issue
        made("billing", made("between", ROOT)),  # the same, in the chain
        made("billing", ROOT, client=False),  # for servers
        made("billing", ROOT, days=(-9, -1)),
        made("billing", ROOT, days=(1, 9)),
    ):
        assert not read(holder).is_issued_by(TRUSTED, NOW)
    assert not read(LEAF).is_issued_by(TRUSTED, NOW + YEAR)
    assert not read(LEAF).is_issued_by(Authorities([]), NOW)


@pytest.mark.row("DP-11")
@pytest.mark.standard("RFC 5280", "§6.1.4 (n) a key that may not sign certificates has issued none")
def test_a_key_that_may_not_sign_certificates_has_issued_none():
    for may_issue in (True, False):
        by_way_of = made("between", ROOT, ca=True, may_issue=may_issue)
        assert read(made("billing", by_way_of)).is_issued_by(TRUSTED, NOW) is may_issue
        root = made("root", ca=True, may_issue=may_issue)
        anchored = Authorities([root.certificate])
        assert read(made("billing", root)).is_issued_by(anchored, NOW) is may_issue
    assert read(made("billing", ROOT, may_issue=False)).is_issued_by(TRUSTED, NOW)


def test_it_is_good_between_its_dates():
    assert read(SELF).is_valid(NOW)
    assert not read(SELF).is_valid(NOW + YEAR)
    assert not read(SELF).is_valid(NOW - YEAR)


# ── whose it is ───────────────────────────────────────────────────────────────────────────────

NAMES = {
    "tls_client_auth_subject_dn": ("O=Acme,CN=billing", "O=Acme,CN=shop"),
    "tls_client_auth_san_dns": ("billing.acme.example", "acme.example"),
    "tls_client_auth_san_uri": ("spiffe://acme.example/billing", "spiffe://acme.example/"),
    "tls_client_auth_san_ip": ("192.0.2.7", "192.0.2.70"),
    "tls_client_auth_san_email": ("billing@acme.example", "Billing@acme.example"),
}


@pytest.mark.row("CA-02")
@pytest.mark.standard("RFC 8705", "§2.1.2 one name of the certificate")
@pytest.mark.parametrize("key", NAMES)
def test_it_is_known_by_the_one_name_that_is_registered(key):
    right, wrong = NAMES[key]
    assert read(LEAF).is_of(client(**{key: right}))
    assert not read(LEAF).is_of(client(**{key: wrong}))
    assert not read(LEAF).is_of(client(**{key: f"{right}.evil.example" if "ip" not in key else "192.0.2.8"}))
    if "san" in key:  # nor by the same words elsewhere in it
        assert not read(SELF).is_of(client(**{key: right}))


def test_without_a_name_it_is_nobodys():
    assert not read(LEAF).is_of(client())


def test_names_of_hosts_and_addresses_have_one_meaning():
    assert read(LEAF).is_of(client(tls_client_auth_san_dns="BILLING.acme.example"))
    six = made("billing", ROOT, alternatives=[x509.IPAddress(ip_address("2001:db8::1"))])
    assert read(six).is_of(client(tls_client_auth_san_ip="2001:DB8:0:0::1"))


@pytest.mark.standard("RFC 4514", "a distinguished name as text")
def test_a_subject_is_compared_attribute_by_attribute_in_order():
    subject = name(
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.ORGANIZATION_NAME, "Acme, Inc."),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "A+B"),
        (NameOID.COMMON_NAME, "billing"),
        (NameOID.SERIAL_NUMBER, "4711"),
        (NameOID.EMAIL_ADDRESS, "billing@acme.example"),
    )
    holder = read(made("", subject=subject))
    told = r"emailAddress=billing@acme.example,serialNumber=4711,CN=billing,OU=A\+B,O=Acme\, Inc.,C=DE"
    assert holder.is_of(client(tls_client_auth_subject_dn=told))
    oid = told.replace("emailAddress", "1.2.840.113549.1.9.1").replace("serialNumber", "2.5.4.5")
    assert holder.is_of(client(tls_client_auth_subject_dn=oid))
    assert holder.is_of(client(tls_client_auth_subject_dn=holder._parsed.subject.rfc4514_string()))
    parts = told.split(",")
    for wrong in (
        told.removesuffix(",C=DE"),
        ",".join(reversed(parts)),
        told.replace("CN=billing", "CN=Billing"),
        f"CN=billing,{told}",
    ):
        try:
            assert not holder.is_of(client(tls_client_auth_subject_dn=wrong)), wrong
        except ValueError:
            assert wrong == ",".join(reversed(parts))  # that is no name at all


def test_how_a_value_is_encoded_makes_no_difference():
    def encoded(kind: x509.name._ASN1Type) -> list[frozenset[tuple[str, str]]]:
        one = x509.NameAttribute(NameOID.COMMON_NAME, "billing", _type=kind)
        return read_dn(x509.Name([one]).rfc4514_string())

    assert encoded(x509.name._ASN1Type.PrintableString) == encoded(x509.name._ASN1Type.UTF8String)
    for wrong in ("billing", "CN", "=x", "CN=a,,O=b"):
        with pytest.raises(ValueError):  # noqa: PT011  (the library's own words)
            read_dn(wrong)


@pytest.mark.standard("RFC 8705", "§2.2 a certificate of the client's own, by its keys")
def test_it_is_known_by_the_whole_certificate_or_by_its_key():
    for jwk in (SELF.jwk(), SELF.jwk(x5c=False)):
        assert read(SELF).is_among({"keys": [{"kty": "oct", "k": "AA"}, made("x").jwk(), jwk]})
        assert not read(made("billing")).is_among({"keys": [jwk]})
    for odd in ({}, {"keys": None}, {"keys": []}, {"keys": [1, "x", {}, {"x5c": ["!"]}, {"x5c": [1]}]}):
        assert not read(SELF).is_among(odd)


@pytest.mark.row("DP-11")
def test_another_certificate_of_the_same_key_is_another_certificate():
    again = (
        x509.CertificateBuilder()
        .subject_name(SELF.certificate.subject)
        .issuer_name(SELF.certificate.subject)
        .public_key(SELF.key.public_key())
        .serial_number(1)
        .not_valid_before(SELF.certificate.not_valid_before_utc)
        .not_valid_after(SELF.certificate.not_valid_after_utc)
        .sign(SELF.key, hashes.SHA256())
    )
    second = read(Holder(again, SELF.key))
    assert second.thumbprint != read(SELF).thumbprint == SELF.thumbprint
    assert not second.is_among({"keys": [SELF.jwk()]})
    assert second.is_among({"keys": [SELF.jwk(x5c=False)]})


def test_an_extension_that_nobody_knows_spoils_nothing():
    odd = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(SELF.certificate.subject)
        .issuer_name(SELF.certificate.subject)
        .public_key(SELF.key.public_key())
        .serial_number(2)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(odd, critical=False)
        .sign(SELF.key, hashes.SHA256())
    )
    assert read(Holder(built, SELF.key)).is_among({"keys": [SELF.jwk(x5c=False)]})


# ── what it may cost ──────────────────────────────────────────────────────────────────────────────

CHEAP = 0.1
"""Seconds of CPU: twenty times what it takes, and a sixth of what the dearest took."""


def issuers_of_each_other(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> list[bytes]:
    """A leaf, and eight authorities of one name and key: each way from one to another is good."""
    one = name((NameOID.COMMON_NAME, "maze"))
    builder = x509.CertificateBuilder().issuer_name(one).not_valid_before(dt.datetime.now(dt.UTC) - DAY)
    builder = builder.not_valid_after(dt.datetime.now(dt.UTC) + DAY)
    leaf = builder.subject_name(name((NameOID.COMMON_NAME, "leaf"))).public_key(SELF.key.public_key())
    authority = builder.subject_name(one).public_key(key.public_key())
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made_so = [leaf, *[authority] * 8]
    signed = (each.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256()) for each in made_so)
    return [each.public_bytes(Encoding.DER) for each in signed]


def with_a_large_exponent(bits: int) -> rsa.RSAPrivateKey:
    """A key whose public half costs what a private one does."""
    usual = rsa.generate_private_key(65537, bits).private_numbers()
    p, q, phi = usual.p, usual.q, (usual.p - 1) * (usual.q - 1)
    e = next(e for e in range((1 << (bits - 2)) + 1, 1 << bits, 2) if math.gcd(e, phi) == 1)
    d = pow(e, -1, phi)
    parts = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    numbers = rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@pytest.mark.row("DS-13")
def test_authorities_that_issue_each_other_are_no_maze_to_go_through():
    leaf, *between = issuers_of_each_other(ec.generate_private_key(ec.SECP521R1()))
    shown = Certificate.read(leaf, between)
    assert not shown.is_issued_by(TRUSTED, NOW)
    assert least_cpu(lambda: shown.is_issued_by(TRUSTED, NOW)) < CHEAP / 2


@pytest.mark.row("DS-13")
def test_a_key_that_only_costs_whoever_verifies_with_it_is_no_key():
    leaf, *between = issuers_of_each_other(with_a_large_exponent(3072))

    def judged() -> None:
        with pytest.raises(CertificateError):
            Certificate.read(leaf, between).is_issued_by(TRUSTED, NOW)

    assert least_cpu(judged) < CHEAP


def test_names_that_are_no_text_are_told():
    malformed = SELF.der.replace(b"billing", b"bill\xff\xfe\xfd")
    with pytest.raises(CertificateError):
        Certificate.read(malformed).is_of(client(tls_client_auth_subject_dn="CN=billing"))
