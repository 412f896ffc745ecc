"""The example that we ship is loaded as it stands, with the environment that it asks for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from broker.config import Config, Fixed, load
from broker.connector.settings import _SECONDS
from tests.config.desk import Desk

SHIPPED = Path(__file__).parents[2] / "config"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def example(desk: Desk) -> tuple[Path, dict[str, str]]:
    """A copy, with the files that only an operator has."""
    shutil.copytree(SHIPPED, desk.folder / "config")
    for name in ("store-key", "subject-key"):
        desk.write(f"secrets/{name}", "x" * 43 + "\n")
    desk.write("secrets/partner-key", pem(ec.generate_private_key(ec.SECP256R1())))
    desk.write("config/keys/2026-rs256.pem", pem(rsa.generate_private_key(65537, 2048)))
    desk.write("config/keys/2026-es256.pem", pem(ec.generate_private_key(ec.SECP256R1())))
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    folder = desk.write("config/tls/.keep", "").parent
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    environ = {
        "SECRETS": str(desk.folder / "secrets"),
        "AUTH0_CLIENT_ID": "abc",
        "AUTH0_CLIENT_SECRET": "upstream",
        "BILLING_SECRET": "client",
        "INVOICES_API_SECRET": "api",
    }
    return desk.folder / "config" / "broker.yaml", environ


def test_the_example_says_what_it_says(example: tuple[Path, dict[str, str]]) -> None:
    config: Config = load(*example)
    staff, partners = config.connectors["staff"], config.connectors["partners"]
    assert (staff.type, staff.name, staff.freshness) == ("auth0", "Acme staff", "proven")
    assert partners.pass_through.login_hint == "pass"
    assert partners.pass_through.ui_locales == Fixed(fixed="de")
    assert config.clients_by_id["billing"].connectors == ("staff", "partners")
    assert config.clients_by_id["spa"].is_public
    api = config.clients_by_id["invoices-api"]
    assert (api.grant_types, api.redirect_uris, api.audience) == ((), (), "https://api.acme.example")
    assert config.scope_rules["invoices.read"].claims == ("tenant",)
    assert config.lifetimes.refresh_token.grace == 10
    assert config.lifetimes.consent == 365 * _SECONDS["d"]
    assert config.store.url == "embedded"
    assert config.keys.rotate_every == 90 * _SECONDS["d"]
    assert not config.notes


def test_the_example_passes_the_check_in_its_own_environment(example: tuple[Path, dict[str, str]]) -> None:
    path, environ = example
    command = [sys.executable, "-m", "broker", "check", str(path)]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, cwd=SHIPPED.parent, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == f"{path}: ok: 2 connectors, 4 clients, 8 scopes, 1 workspace\n"


def test_a_store_url_from_the_environment_takes_the_place_of_the_embedded_store(
    example: tuple[Path, dict[str, str]],
) -> None:
    path, environ = example
    assert load(path, {**environ, "REDIS_URL": "redis://localhost/1"}).store.url == "redis://localhost/1"
    assert load(path, {**environ, "REDIS_URL": ""}).store.url == "embedded"
