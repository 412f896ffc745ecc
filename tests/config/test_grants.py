"""Tokens that no person is asked for, as an operator writes them: assertions, exchanges, answers, sectors."""

from __future__ import annotations

import json

import pytest

from broker.jose import SigningKey
from broker.protocol.exchanging import ExchangePolicy
from tests.config.desk import SOUND, Desk

KEY = SigningKey.generate("ES256")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WHOLE = """
scopes:
  reports.read: { description: Read reports }
"""
MACHINE = f"""
  runner:
    client_name: Runner
    client_secret: something else
    grant_types: [client_credentials, {JWT_BEARER}]
    scope: reports.read
"""
ISSUER = """
assertion_issuers:
  workloads:
    issuer: https://workloads.example
    jwks: keys.json
    clients: [runner]
"""


@pytest.fixture
def with_keys(desk: Desk) -> Desk:
    desk.write("keys.json", json.dumps({"keys": [KEY.public_jwk()]}))
    return desk


def said(desk: Desk, text: str) -> list[str]:
    """The mistakes, without where they stand."""
    return [line.split(": ", 1)[1] for line in desk.mistakes(text)]


def test_an_app_that_nobody_signs_in_to_needs_no_redirect_uri(with_keys: Desk) -> None:
    config = with_keys.load(SOUND + MACHINE + WHOLE + ISSUER)
    assert config.clients_by_id["runner"].redirect_uris == ()
    entry = config.assertion_issuers["workloads"]
    assert (entry.name, entry.issuer, entry.clients) == (
        "workloads",
        "https://workloads.example",
        ("runner",),
    )
    assert (entry.max_lifetime, entry.allow_reuse, entry.subject) == (300, False, "sub")
    assert entry.jwks == {"keys": [KEY.public_jwk()]}
    assert entry.claims is None


def test_what_an_issuer_may_be_written_with_is_read(desk: Desk) -> None:
    text = ISSUER.replace("    jwks: keys.json\n", "    jwks_uri: https://workloads.example/jwks\n") + (
        "    algorithms: [RS256]\n    audience: broker\n    subject: kubernetes.io\n    max_lifetime: 1h\n"
        "    allow_reuse: true\n    allow_token_endpoint_audience: true\n"
        "    claims: { claims: { name: { from: [workload] } } }\n"
    )
    entry = desk.load(SOUND + MACHINE + WHOLE + text).assertion_issuers["workloads"]
    assert (entry.jwks, entry.jwks_uri) == (None, "https://workloads.example/jwks")
    assert (entry.algorithms, entry.audience, entry.subject) == (("RS256",), "broker", "kubernetes.io")
    assert (entry.max_lifetime, entry.allow_reuse) == (3600, True)
    assert entry.claims is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("    jwks: keys.json\n", ""), ": needs one of jwks and jwks_uri"),
        (
            ("    jwks: keys.json\n", "    jwks: keys.json\n    jwks_uri: https://a.example/\n"),
            ": needs one of jwks and jwks_uri",
        ),
        (("keys.json", "nothing.json"), ".jwks: cannot be read: FileNotFoundError"),
        (
            ("    jwks: keys.json", "    jwks_uri: http://workloads.example/jwks"),
            ".jwks_uri: must be an https URL",
        ),
        (
            ("https://workloads.example", "https://login.acme.example"),
            ".issuer: is our own issuer",
        ),
        (("[runner]", "[runer]"), ".clients[0]: no client has this id; did you mean runner?"),
        (
            ("[runner]", "[billing]"),
            (f".clients[0]: this client has neither {JWT_BEARER} in its grant_types "
            "nor may it exchange a jwt"),
        ),
        (("[runner]", "[]"), ".clients: must have at least 1"),
        (
            ("    clients:", "    algorithms: [HS256]\n    clients:"),
            (".algorithms[0]: expected RS256, RS384, RS512, PS256, PS384, PS512, "
            "ES256, ES384, ES512, EdDSA or Ed25519"),
        ),
        (
            ("    clients:", "    max_lifetime: 2d\n    clients:"),
            ".max_lifetime: too long: at most 86400 seconds",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)  # fmt: skip
def test_a_mistake_about_an_issuer_is_told(with_keys: Desk, change: tuple[str, str], told: str) -> None:
    assert f"assertion_issuers.workloads{told}" in said(
        with_keys, SOUND + MACHINE + WHOLE + ISSUER.replace(*change)
    )


def test_private_keys_are_no_keys_of_an_issuer(desk: Desk) -> None:
    desk.write("keys.json", json.dumps({"keys": [json.loads(KEY.to_json())]}))
    (told,) = said(desk, SOUND + MACHINE + WHOLE + ISSUER)
    assert told.startswith("assertion_issuers.workloads.jwks: jwks holds a private or secret key")


def test_one_issuer_has_one_entry(with_keys: Desk) -> None:
    twice = ISSUER + ISSUER.replace("assertion_issuers:\n", "").replace("workloads:", "again:")
    assert said(with_keys, SOUND + MACHINE + WHOLE + twice) == [
        "assertion_issuers.again.issuer: is that of workloads already"
    ]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            MACHINE.replace("    client_secret: something else\n", "    token_endpoint_auth_method: none\n"),
            ".grant_types: client_credentials is for a client that has credentials",
        ),
        (
            MACHINE.replace("    scope: reports.read\n", ""),
            (".scope: client_credentials needs a scope that is not about people; declare one "
            "under scopes"),
        ),
        (
            MACHINE.replace("client_credentials", EXCHANGE),
            f".token_exchange: missing; {EXCHANGE} needs to know what may be exchanged",
        ),
        (
            MACHINE + "    token_exchange: { audiences: ['https://api.example'] }\n",
            f".token_exchange: needs {EXCHANGE} in grant_types",
        ),
        (
            MACHINE + "    token_exchange: { audience: 'https://api.example' }\n",
            ".token_exchange.audience: unknown key; did you mean audiences?",
        ),
        (
            MACHINE + "    subject_type: pairwise\n",
            (".sector_identifier_uri: missing; pairwise subjects need one host, or a sector that "
            "says more"),
        ),
        (
            MACHINE + "    sector_identifier_uri: http://sector.example/list\n",
            ".sector_identifier_uri: must be an https URL",
        ),
        (
            MACHINE + "    id_token_encrypted_response_alg: RSA-OAEP\n",
            ".id_token_encrypted_response_alg: needs a key to encrypt to: jwks or jwks_uri",
        ),
        (
            MACHINE + "    require_signed_request_object: true\n",
            ".require_signed_request_object: needs the key that it signs with: jwks or jwks_uri",
        ),
        (
            MACHINE + "    request_object_signing_alg: PS256\n",
            ".request_object_signing_alg: needs the key that it signs with: jwks or jwks_uri",
        ),
        (
            MACHINE + "    userinfo_encrypted_response_enc: A128GCM\n",
            ".userinfo_encrypted_response_enc: says nothing without userinfo_encrypted_response_alg",
        ),
        (
            MACHINE + "    id_token_encrypted_response_alg: RSA1_5\n",
            (".id_token_encrypted_response_alg: expected RSA-OAEP, RSA-OAEP-256, ECDH-ES, "
            "ECDH-ES+A128KW or ECDH-ES+A256KW"),
        ),
    ],
    ids=lambda part: part.split(": ")[0] if part.startswith(".") else "",
)  # fmt: skip
def test_a_mistake_about_what_a_client_gets_is_told(desk: Desk, entry: str, told: str) -> None:
    assert f"clients.runner{told}" in said(desk, SOUND + entry + WHOLE)


def test_a_policy_of_exchange_is_read_and_without_one_there_is_none(desk: Desk) -> None:
    entry = MACHINE.replace("client_credentials", EXCHANGE) + (
        "    token_exchange:\n"
        "      subject_tokens: [access_token, jwt]\n"
        "      clients: [billing]\n"
        "      own_audiences: ['https://gateway.example']\n"
        "      audiences: ['https://api.example']\n"
        "      scope: reports.read\n"
        "      may_impersonate: true\n"
        "      max_actors: 2\n"
        "      upstream_token: true\n"
    )
    clients = desk.load(SOUND + entry + WHOLE).clients_by_id
    assert clients["billing"].token_exchange is None
    assert clients["runner"].token_exchange == ExchangePolicy(
        subject_tokens=("access_token", "jwt"),
        clients=("billing",),
        own_audiences=("https://gateway.example",),
        audiences=("https://api.example",),
        scopes=frozenset({"reports.read"}),
        may_impersonate=True,
        max_actors=2,
        upstream_token=True,
    )


def test_only_a_connector_whose_logins_have_a_token_can_give_one(desk: Desk) -> None:
    oidc = SOUND.replace("tests.config.upstream", "oidc").replace(
        "    client_id: broker\n",
        "    client_id: broker\n    client_secret: s\n    issuer: https://i.example\n    give_token: true\n",
    )
    assert desk.load(oidc).connectors["staff"].gives_token
    told = said(desk, SOUND.replace("    name: Staff\n", "    name: Staff\n    give_token: true\n"))
    assert told == [
        (
            "connectors.staff.give_token: a login at an upstream of type tests.config.upstream comes with no "
            "access token"
        )
    ]
