"""What an operator writes about apps that come without one."""

from __future__ import annotations

import json

import pytest

from broker.jose import SigningKey
from broker.protocol.client import secret_digest
from tests.config.desk import SOUND, Desk

TOKEN = "an-initial-access-token-of-32-or-more"


def test_nothing_of_it_is_on_by_default(desk: Desk) -> None:
    config = desk.load(SOUND)
    assert (config.registration.policy, config.client_documents.enabled) == ("off", False)
    assert not config.offer.registration
    assert config.offer.strangers == ()


def test_what_strangers_may_have_is_what_is_written(desk: Desk) -> None:
    config = desk.load(
        SOUND
        + f"""\
registration:
  policy: token
  initial_access_tokens: {TOKEN}
  scope: openid email
  connectors: [staff]
  grant_types: [authorization_code, "urn:ietf:params:oauth:grant-type:device_code"]
  token_endpoint_auth_methods: [none]
  unused: 2h
client_id_metadata_documents:
  enabled: true
  allow_hosts: [apps.example, "*.partner.example"]
"""
    )
    one = config.registration
    assert one.token_digests == (secret_digest(TOKEN),)
    assert one.allowed.scopes == {"openid", "email"}
    assert one.allowed.connectors == ("staff",)
    assert one.allowed.auth_methods == {"none"}
    assert one.allowed.signing_algs == set(config.keys.algorithms)
    assert (one.unused, one.idle) == (7200, 365 * 86400)
    assert TOKEN not in repr(config)
    assert config.client_documents.allowed.auth_methods == {"none", "private_key_jwt"}
    assert "urn:ietf:params:oauth:grant-type:device_code" in config.offer.grant_types


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("policy: yes", "registration.policy: expected off, token or open"),
        (
            "policy: token",
            "registration.initial_access_tokens: missing; with policy: token nobody could register",
        ),
        (
            "policy: open\n  initial_access_tokens: short",
            "registration.initial_access_tokens: too short: at least 32",
        ),
        (
            "policy: open\n  scope: openid emial",
            "registration.scope: 'emial' is not declared under scopes; did you mean",
        ),
        ("policy: open\n  connectors: [nobody]", "registration.connectors[0]: no connector has this id"),
        ("policy: open\n  unused: 2d\n  idle: 1d", "registration.unused: must not be longer than idle"),
        (
            "policy: open\n  grant_types: [implicit]",
            "registration.grant_types[0]: expected authorization_code",
        ),
        ("policy: open\n  max_clients: 0", "registration.max_clients: must be at least 1"),
        (
            "policy: open\n  require_software_statement: true",
            "registration.require_software_statement: needs software",
        ),
        ("policy: open\n  trusted: true", "registration.trusted: unknown key"),
        (
            "policy: open\n  software_statement_issuers: { https://f.example: {} }",
            'software_statement_issuers."https://f.example": needs one of jwks and jwks_uri',
        ),
        (
            "policy: open\n  software_statement_issuers: { https://f.example: { jwks_uri: 'http://f/' } }",
            "jwks_uri: must be an https URL",
        ),
        (
            "policy: open\n  software_statement_issuers: { https://f.example: { jwks: nowhere.json } }",
            "jwks: cannot be read: FileNotFoundError",
        ),
    ],
)
def test_every_mistake_has_its_place(desk: Desk, text: str, mistake: str) -> None:
    (told,) = desk.mistakes(f"{SOUND}registration:\n  {text}\n")
    assert mistake in told
    assert told.startswith("broker.yaml:1")


def test_an_app_of_nobodys_gets_no_dynamic_scope(desk: Desk) -> None:
    scopes = "scopes: { 'account.*': { description: 'Use account {value}' } }\n"
    for section in ("registration: { policy: open", "client_id_metadata_documents: { enabled: true"):
        (told,) = desk.mistakes(f"{SOUND}{scopes}{section}, scope: 'openid account.*' }}\n")
        assert "account.* stands for many scopes" in told


@pytest.mark.row("RG-05")
def test_the_keys_of_a_statement_issuer_are_public_ones(desk: Desk) -> None:
    key = SigningKey.generate("ES256")
    trusts = "software_statement_issuers: { https://f.example: { jwks: f.json } }"
    issuers = f"registration: {{ policy: open, {trusts} }}\n"
    desk.write("f.json", json.dumps({"keys": [key.public_jwk()]}))
    config = desk.load(SOUND + issuers)
    assert config.registration.statement_issuers["https://f.example"].jwks == {"keys": [key.public_jwk()]}
    desk.write("f.json", json.dumps({"keys": [json.loads(key.to_json())]}))
    (told,) = desk.mistakes(SOUND + issuers)
    assert "jwks holds a private or secret key" in told


@pytest.mark.parametrize("host", ["https://apps.example", "*", "*.", "Apps.example", "apps.example:8443", ""])
def test_a_host_is_a_host(desk: Desk, host: str) -> None:
    (told,) = desk.mistakes(f"{SOUND}client_id_metadata_documents: {{ allow_hosts: ['{host}'] }}\n")
    assert "client_id_metadata_documents.allow_hosts[0]" in told


@pytest.mark.parametrize("url", ["http://app.example/a.json", "https://app.example", "app.example/a.json"])
def test_what_is_trusted_is_a_document(desk: Desk, url: str) -> None:
    (told,) = desk.mistakes(f"{SOUND}client_id_metadata_documents: {{ trusted: ['{url}'] }}\n")
    assert "client_id_metadata_documents.trusted[0]: is no https URL of a document" in told


def test_a_device_code_does_not_live_for_long(desk: Desk) -> None:
    assert desk.load(SOUND).lifetimes.device == 600
    (told,) = desk.mistakes(SOUND + "lifetimes: { device: 1h }\n")
    assert "lifetimes.device: too long: at most 1800 seconds" in told
