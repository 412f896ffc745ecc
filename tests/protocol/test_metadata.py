"""What the broker says of itself: true, whole, and nothing that it does not do."""

import json
from dataclasses import replace
from typing import get_args
from urllib.parse import urlsplit

import pytest

from broker.jose import ASYMMETRIC, ENCODINGS, WRAPPINGS
from broker.protocol import algorithms, request_object
from broker.protocol.client import AuthMethod, Client, GrantType, SigningAlg
from broker.protocol.errors import InvalidClientMetadata
from broker.protocol.flow import Prompt
from broker.protocol.metadata import Offer, oauth_document, openid_document
from broker.protocol.metadata_values import VALUES
from broker.protocol.params import Params
from broker.protocol.reply import ResponseMode
from tests.protocol.samples import ISSUER, SCOPES, ask, client, pairs, refused, rules, validated


def offer(*clients: Client, issuer: str = ISSUER) -> Offer:
    return Offer(issuer=issuer, scopes=SCOPES, clients={str(n): one for n, one in enumerate(clients)})


OPENID = openid_document(offer(client(), client(id_token_signed_response_alg="ES256")))
OAUTH = oauth_document(offer())
BOTH = pytest.mark.parametrize("document", [OPENID, OAUTH], ids=["openid", "oauth"])


@BOTH
def test_no_member_is_null_empty_or_unwritable(document):
    assert all(value not in (None, "", [], {}) for value in document.values())
    assert json.loads(json.dumps(document)) == document


@BOTH
def test_a_list_names_nothing_twice(document):
    for value in document.values():
        assert not isinstance(value, list) or len(set(value)) == len(value)


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        # Absence would say something else than the truth.
        "response_modes_supported",
        "grant_types_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "token_endpoint_auth_methods_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
    ],
)
def test_what_is_always_published_is_there(document, name):
    assert name in document


@pytest.mark.parametrize(
    "name", ["subject_types_supported", "id_token_signing_alg_values_supported", "userinfo_endpoint"]
)
def test_what_discovery_requires_besides_is_there(name):
    assert name in OPENID


def test_both_documents_say_the_same():
    assert OAUTH.items() <= openid_document(offer()).items()


@BOTH
def test_every_endpoint_is_the_issuers_own(document):
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(ISSUER + "/"), name
            assert not urlsplit(value).query
            assert not urlsplit(value).fragment


def test_an_issuer_with_a_path_keeps_it():
    document = openid_document(offer(issuer="https://login.example/tenants/a"))
    assert document["issuer"] == "https://login.example/tenants/a"
    assert document["token_endpoint"] == "https://login.example/tenants/a/token"


# ── each promise, held against what the protocol does ─────────────────────────────────────────


def test_the_response_types_and_modes_are_those_that_are_taken():
    assert OPENID["response_types_supported"] == ["code"]
    assert set(OPENID["response_modes_supported"]) == {*get_args(ResponseMode), "jwt"}
    for mode in OPENID["response_modes_supported"]:
        # JARM §2.3.4: jwt is the signed form of what a code is answered by
        assert ask(response_mode=mode).reply_to.response_mode == {"jwt": "query.jwt"}.get(mode, mode)


def test_the_prompts_are_those_that_are_taken():
    assert set(OPENID["prompt_values_supported"]) == set(get_args(Prompt))
    for prompt in OPENID["prompt_values_supported"]:
        assert ask(prompt=prompt).prompt == {prompt}


def test_grant_types_and_client_authentication_are_those_a_client_can_register():
    all_of_them = openid_document(offer(client(grant_types=get_args(GrantType))))
    assert set(all_of_them["grant_types_supported"]) == set(get_args(GrantType))
    assert OPENID["grant_types_supported"] == ["authorization_code", "refresh_token"]
    every = [client(token_endpoint_auth_method=method) for method in get_args(AuthMethod)]
    said = openid_document(offer(*every))
    assert set(said["token_endpoint_auth_methods_supported"]) == set(get_args(AuthMethod))
    # RFC 7662 §2.1: whoever introspects must prove who they are.
    methods = set(get_args(AuthMethod)) - {"none"}
    assert set(said["introspection_endpoint_auth_methods_supported"]) == methods


@pytest.mark.standard("RFC 8414", "§2 token_endpoint_auth_signing_alg_values_supported where a method signs")
@pytest.mark.parametrize(
    ("method", "signed"),
    [
        ("private_key_jwt", set(algorithms.BY_KEY)),
        ("client_secret_jwt", {"HS256", "HS384", "HS512"}),
        ("tls_client_auth", None),
        ("none", None),
    ],
)
def test_a_method_and_its_algorithms_are_said_where_an_app_has_it(method, signed):
    usual = {"client_secret_basic", "client_secret_post", "none"}
    said = oauth_document(offer(client(token_endpoint_auth_method=method)))
    for endpoint in ("token", "revocation", "introspection"):
        methods = set(said[f"{endpoint}_endpoint_auth_methods_supported"])
        assert methods == (usual | {method}) - ({"none"} if endpoint == "introspection" else set())
        found = said.get(f"{endpoint}_endpoint_auth_signing_alg_values_supported")
        assert (None if found is None else set(found)) == signed
    assert set(algorithms.BY_KEY) == ASYMMETRIC


@pytest.mark.standard("RFC 9449", "§5.1 dpop_signing_alg_values_supported")
@pytest.mark.standard("RFC 8705", "§3.3 and §5 metadata of certificate-bound tokens, and of a second address")
def test_where_and_how_a_key_is_proved_is_said():
    assert OAUTH["dpop_signing_alg_values_supported"] == ["PS256", "ES256", "EdDSA", "Ed25519"]
    assert not {"tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases"} & OPENID.keys()
    there = replace(offer(client()), certificates=True, mtls_url="https://mtls.example/base")
    said = openid_document(there)
    assert said["tls_client_certificate_bound_access_tokens"] is True
    aliases = said["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == "https://mtls.example/base/token"
    assert aliases["userinfo_endpoint"] == "https://mtls.example/base/userinfo"
    assert aliases.keys() <= said.keys()
    assert "userinfo_endpoint" not in oauth_document(there)["mtls_endpoint_aliases"]


@pytest.mark.standard("RFC 9126", "§5 metadata of pushed requests")
@pytest.mark.standard("RFC 9101", "§10.5 metadata of signed requests")
@pytest.mark.standard("JARM", "§4 metadata of signed answers")
@pytest.mark.standard("RFC 9396", "§10 metadata of authorization details")
def test_how_requests_come_and_are_answered_is_said():
    assert OPENID["request_parameter_supported"] is True
    assert OPENID["request_uri_parameter_supported"] is False
    # Of a client that has no keys nothing can be signed, and nothing is ever fetched.
    assert refused(request="x").error.error == "request_not_supported"
    assert refused(request_uri="https://app.example/x").error.error == "request_uri_not_supported"
    assert set(OPENID["request_object_signing_alg_values_supported"]) == set(request_object.ALGORITHMS)
    assert OAUTH["authorization_signing_alg_values_supported"] == ["RS256"]
    assert "RSA-OAEP-256" in OAUTH["authorization_encryption_alg_values_supported"]
    assert (
        not {"require_pushed_authorization_requests", "authorization_details_types_supported"} & OPENID.keys()
    )
    more = replace(
        offer(client(authorization_signed_response_alg="PS256")), pushed_only=True, detail_types=("payment",)
    )
    said = oauth_document(more)
    assert said["require_pushed_authorization_requests"] is True
    assert said["authorization_details_types_supported"] == ["payment"]
    assert said["authorization_signing_alg_values_supported"] == ["PS256", "RS256"]


def test_the_claims_parameter_is_read_as_the_document_says():
    assert OPENID["claims_parameter_supported"] is True
    assert ask(claims='{"userinfo": {"email": null}}').claims.userinfo


def test_every_listed_scope_can_be_asked_for_and_no_pattern_is_listed():
    every = client(scopes=frozenset(SCOPES))
    assert "account.*" not in OPENID["scopes_supported"]
    for name in OPENID["scopes_supported"]:
        params = Params.of(pairs(scope=name))
        assert validated(params, rules(every)).scopes == (name,)


def test_the_claims_are_those_that_scopes_release_and_those_we_mint():
    assert {"sub", "iss", "auth_time", "acr", "email", "name", "account_holder"} <= set(
        OPENID["claims_supported"]
    )
    assert "unheard_of" not in OPENID["claims_supported"]


@pytest.mark.parametrize("alg", get_args(SigningAlg))
def test_the_algorithms_are_rs256_and_what_clients_use(alg):
    def listed(*clients: Client):
        return openid_document(offer(*clients))["id_token_signing_alg_values_supported"]

    assert listed(client(id_token_signed_response_alg=alg)) == sorted({"RS256", alg})
    assert listed() == ["RS256"]  # Discovery §3
    assert "none" not in listed(client(id_token_signed_response_alg=alg))


@pytest.mark.row("AZ-38")
def test_every_answer_says_the_issuer_as_the_document_promises():
    assert OPENID["authorization_response_iss_parameter_supported"] is True
    assert ask().reply_to.code("c").members["iss"] == OPENID["issuer"]
    assert refused(scope="phone").reply_to.issuer == OPENID["issuer"]
    assert OPENID["require_request_uri_registration"] is False


def test_only_s256_is_offered():
    assert OPENID["code_challenge_methods_supported"] == ["S256"]
    assert refused(code_challenge_method="plain").error.error == "invalid_request"


@pytest.mark.standard("OpenID Discovery", "§3 encryption of answers")
def test_how_answers_are_encrypted_is_how_they_can_be():
    for kind in ("id_token", "userinfo", "introspection"):
        assert OPENID[f"{kind}_encryption_alg_values_supported"] == list(WRAPPINGS)
        assert OPENID[f"{kind}_encryption_enc_values_supported"] == list(ENCODINGS)
        assert "RS256" in OPENID[f"{kind}_signing_alg_values_supported"]


@pytest.mark.parametrize("kind", ["id_token", "userinfo", "introspection"])
def test_what_one_client_has_its_answers_signed_with_is_said(kind):
    said = openid_document(offer(client(**{f"{kind}_signed_response_alg": "EdDSA"})))
    assert said[f"{kind}_signing_alg_values_supported"] == ["EdDSA", "RS256"]


JOSE = (
    *(f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)),
    *("none", "EdDSA", "Ed25519", "ES256K", "dir", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-512"),
    *("A128KW", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", "PBES2-HS256+A128KW"),
    *(f"A{bits}{kind}" for bits in (128, 192, 256) for kind in ("GCM", "CBC", "GCMKW")),
    *("A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"),
)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("request_object_signing_alg", "request_object_signing_alg_values_supported"),
        *(
            (f"{what}_encrypted_response_{half}", f"{what}_encryption_{half}_values_supported")
            for what in ("id_token", "userinfo", "authorization", "introspection")
            for half in ("alg", "enc")
        ),
    ],
)
def test_an_app_can_register_the_algorithms_that_are_said_and_no_others(member, said):
    def is_taken(name):
        try:
            return VALUES[member](member, name) == name
        except InvalidClientMetadata:
            return False

    assert {name for name in JOSE if is_taken(name)} == set(OPENID[said])
