"""APIs, types of authorization details, and profiles, as an operator writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.config.desk import SOUND, Desk

BANK = """\
  bank:
    client_name: Bank
    profile: {profile}
    token_endpoint_auth_method: private_key_jwt
    jwks: {{keys: [{key}]}}
    redirect_uris: [https://bank.example/callback]
"""
PAY = "authorization_details_types: {pay: {description: P, %s}}"
METHOD = "token_endpoint_auth_method"
KEY = json.dumps(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "kid": "one",
    }
)


def bank(profile: str = "fapi2_security", **changes: Any) -> str:
    lines = [line for line in BANK.format(profile=profile, key=KEY).splitlines() if line]
    kept = [line for line in lines if line.strip().partition(":")[0] not in changes]
    return SOUND + "\n".join([*kept, *(f"    {n}: {json.dumps(v)}" for n, v in changes.items())]) + "\n"


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2 an entry that contradicts it does not start")
@pytest.mark.row("CF-05")
@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({METHOD: "client_secret_basic", "client_secret": "x" * 40}, METHOD),
        ({METHOD: "none"}, METHOD),
        ({"require_pkce": False}, "require_pkce"),
        ({"require_pushed_authorization_requests": False}, "require_pushed_authorization_requests"),
        ({"id_token_signed_response_alg": "RS256"}, "id_token_signed_response_alg"),
        ({"access_token_signing_alg": "RS256"}, "access_token_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "RS256"}, "token_endpoint_auth_signing_alg"),
        ({"request_object_signing_alg": "RS256"}, "request_object_signing_alg"),
        ({"allow_token_endpoint_audience": True}, "allow_token_endpoint_audience"),
        ({"dpop_bound_access_tokens": False}, "dpop_bound_access_tokens"),
        ({"redirect_uris": ["http://127.0.0.1/cb"]}, "redirect_uris"),
        ({"profile": "fapi1"}, "profile"),
    ],
)  # fmt: skip
def test_an_entry_that_contradicts_its_profile_is_told(desk: Desk, change, key) -> None:
    assert any(f": clients.bank.{key}" in line for line in desk.mistakes(bank(**change)))


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3 every request is signed")
def test_message_signing_cannot_do_without_signed_requests(desk: Desk) -> None:
    (said,) = desk.mistakes(bank("fapi2_message_signing", require_signed_request_object=False))
    assert said.endswith(
        "clients.bank.require_signed_request_object: the profile needs every request to be signed"
    )


@pytest.mark.parametrize("profile", ["fapi2_security", "fapi2_message_signing"])
def test_one_line_turns_the_profile_on(desk: Desk, profile) -> None:
    client = desk.load(bank(profile)).clients_by_id["bank"]
    assert client.require_pushed_authorization_requests
    assert client.dpop_bound_access_tokens
    assert client.require_signed_request_object is (profile == "fapi2_message_signing")
    assert client.access_token_signing_alg == client.id_token_signed_response_alg == "ES256"


def test_tokens_may_be_bound_by_certificate_instead(desk: Desk) -> None:
    changes = {"tls_client_certificate_bound_access_tokens": True, "dpop_bound_access_tokens": False}
    text = (
        bank(**changes) + "trusted_proxies: {networks: [10.0.0.7], client_certificate_header: Client-Cert}\n"
    )
    assert not desk.load(text).clients_by_id["bank"].dpop_bound_access_tokens


def test_what_a_resource_signs_with_is_among_the_keys(desk: Desk) -> None:
    text = SOUND + "resources:\n  https://api.example: {name: API, access_token_signing_alg: PS256}\n"
    assert "PS256" in desk.load(text).keys.algorithms
    (said,) = desk.mistakes(text + "keys: {algorithms: [RS256]}\n")
    assert said.endswith("PS256 is not among them, and resources.https://api.example needs it")


def test_an_api_among_the_clients_is_a_resource_if_its_name_is_a_uri(desk: Desk) -> None:
    apis = """\
  ledger: {client_name: Ledger, grant_types: [], audience: "https://ledger.example", client_secret: something}
  named: {client_name: Named, grant_types: [], audience: just-a-name, client_secret: something}
"""
    assert set(desk.load(SOUND + apis).resources) == {"https://ledger.example"}


@pytest.mark.standard("RFC 8707", "§2 a resource is an absolute URI without a fragment")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resources: {just-a-name: {name: X}}", "resources.just-a-name: a resource is an absolute URI"),
        ('resources: {"https://a.example#x": {name: X}}', "a resource is an absolute URI without a fragment"),
        ('resources: {"https://a.example": {}}', "name: missing"),
        ('resources: {"https://a.example": {name: X, scope: nobody}}', "'nobody' is not declared"),
        ('resources: {"https://a.example": {name: X, scopes: x}}', "unknown key; did you mean scope?"),
        ("authorization_details_types: {pay: {}}", "description: missing"),
        (PAY % "fields: {type: {type: string}}", "type says which"),
        (PAY % "display: 'Pay {who}'", "{who} is not among its fields"),
        (
            PAY % "fields: {a: {type: string, fields: {b: {type: string}}}}",
            "only an object or a list has fields",
        ),
        (PAY % "fields: {a: {type: text}}", "expected string"),
        ("require_pushed_authorization_requests: yes", "expected true or false"),
        ("lifetimes: {par: 11m}", "lifetimes.par"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_apis_and_details_is_told(desk: Desk, text, said) -> None:
    found = desk.mistakes(SOUND + text + "\n")
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("resources: [https://nobody.example]", "resources[0]: no resource has this URI"),
        ("authorization_details_types: [nobody]", "authorization_details_types[0]: no type has this name"),
    ],
)
def test_a_client_names_what_is_there(desk: Desk, key, said) -> None:
    (found,) = desk.mistakes(SOUND + f"    {key}\n")
    assert found.endswith(f"clients.billing.{said}")
