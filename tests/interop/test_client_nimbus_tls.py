"""The Nimbus SDK over mutual TLS: Java's own, against the broker's listener for client certificates."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from tests.interop import between, broker, jvm, nimbus, node
from tests.interop.browser import Arrival, Browser
from tests.interop.processes import free_port
from tests.tls import Authority

PASSWORD = "nobody-else-opens-the-store"
SCOPES = {"ledger.read": {"description": "Read the ledger"}}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("nimbus"),
    pytest.mark.skipif(node.missing() is not None, reason=str(node.missing())),
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]


def stored(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """A certificate and its key as Java keeps them."""
    sealing = serialization.BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"own", key, certificate, None, sealing))
    return {"store": str(path), "password": PASSWORD}


def from_the_authority(authority: Authority, folder: Path) -> dict[str, str]:
    pair = authority.pair("ledger-app", client=True)
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return stored(folder / "issued.p12", x509.load_pem_x509_certificate(pair.certificate.read_bytes()), key)


def by_itself(folder: Path, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """A certificate that nobody signed but its own key: as Java keeps it, and as the app's entry says it."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    spki = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    jwk = ECKey.import_key(spki).as_dict(private=False) | {"x5c": [base64.b64encode(der).decode()]}
    return stored(folder / f"{name}.p12", certificate, key), {"keys": [jwk]}


@dataclass(frozen=True)
class House:
    """A broker with TLS of its own, and what each app keeps."""

    here: between.Between
    authority: Authority
    stores: dict[str, dict[str, str]]

    def browser(self) -> Browser:
        """One that trusts the broker's certificate."""
        return Browser(apps=[broker.APP], sites=self.here.sites, tls=self.authority.client())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nimbus-tls")
    authority, port = Authority(folder), free_port()
    pair = authority.pair("localhost")
    own, own_keys = by_itself(folder, "self-signed")
    stranger, _ = by_itself(folder, "stranger")
    stores = {"issued": from_the_authority(authority, folder), "self": own, "stranger": stranger}
    common = {
        **broker.TRUSTED_APP,
        "client_secret": None,
        "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
        "scope": "openid email offline_access ledger.read",
        "tls_client_certificate_bound_access_tokens": True,
    }
    clients = {
        "issued": {
            **common,
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=ledger-app",
        },
        "self": {**common, "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": own_keys},
    }
    more = {
        "listen": f"127.0.0.1:{port}",
        "listen_mtls": f"127.0.0.1:{free_port()}",
        "tls": {
            "certificate": str(pair.certificate),
            "key": str(pair.key),
            "client_ca": str(authority.ca),
        },
        "scopes": SCOPES,
    }
    known = {name: {k: v for k, v in entry.items() if v is not None} for name, entry in clients.items()}
    issuer = f"https://127.0.0.1:{port}"
    async with between.serving(folder, None, known, issuer=issuer, **more) as here:
        yield House(here, authority, stores)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk():
    """The driver, with no app yet."""
    async with nimbus.driver() as speaking:
        yield speaking


CLOSED = ("SSLException", "SSLHandshakeException", "SocketException", "IOException")
"""What Java throws where the other side closes: which of them hangs on how far it had come."""
METHODS = {"issued": "tls_client_auth", "self": "self_signed_tls_client_auth"}


@pytest.fixture
def an_app(house, sdk):
    """Makes an app of the driver's, with a certificate."""

    async def made(client_id: str, certificate: str) -> nimbus.NimbusApp:
        return await sdk.app(
            f"{client_id} with {certificate}",
            issuer=house.here.issuer,
            client_id=client_id,
            method=METHODS[client_id],
            redirect_uri=broker.APP,
            access_token_signing_alg="RS256",
            ca=str(house.authority.ca),
            **house.stores[certificate],
        )

    return made


@pytest.mark.parametrize("client_id", METHODS)
@pytest.mark.standard("RFC 8705", "§2 a certificate of an authority, and one of its own, from Java's TLS")
@pytest.mark.standard("RFC 8705", "§3 a token that is bound to the certificate, and refused with another")
@pytest.mark.standard("RFC 8705", "§5 the aliases in the metadata, which the Nimbus SDK follows")
async def test_an_app_proves_itself_by_its_certificate(house, an_app, client_id):
    app = await an_app(client_id, client_id)
    machine = await app.do("grant", type="client_credentials", scope="ledger.read")
    thumbprint = machine["access_claims"]["cnf"]["x5t#S256"]

    begun = await app.do("begin", scope="openid email offline_access")
    async with house.browser() as browser:
        arrived = await between.sign_in(house.here, browser, await browser.open(begun["url"]), between.ADA)
    assert isinstance(arrived, Arrival)
    tokens = await app.do("finish", url=arrived.url)
    assert tokens["access_claims"]["cnf"]["x5t#S256"] == thumbprint
    assert (await app.do("userinfo", access_token=tokens["access_token"]))["email"] == between.ADA.email
    again = await app.do("refresh", refresh_token=tokens["refresh_token"])
    assert again["access_claims"]["cnf"]["x5t#S256"] == thumbprint

    other = next(name for name in METHODS if name != client_id)
    stolen = await an_app(client_id, other)
    for deed, said, error in (
        ("userinfo", {"access_token": again["access_token"]}, "invalid_token"),
        ("refresh", {"refresh_token": again["refresh_token"]}, "invalid_client"),
        ("grant", {"type": "client_credentials"}, "invalid_client"),
    ):
        with pytest.raises(nimbus.Refused) as refused:
            await stolen.do(deed, **said)
        assert (refused.value.error, refused.value.status) == (error, 401)


@pytest.mark.parametrize("client_id", METHODS)
@pytest.mark.standard("RFC 8705", "§2.2 a certificate that is no app's and of no authority gets no answer")
async def test_a_strangers_certificate_is_refused_before_anything_is_said(an_app, client_id):
    app = await an_app(client_id, "stranger")
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("grant", type="client_credentials")
    assert refused.value.status is None
    assert refused.value.name in CLOSED
