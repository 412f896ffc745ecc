"""How a client app proves who it is: what an entry may say, and what it makes of it."""

from __future__ import annotations

import json

import pytest

from broker.jose import SigningKey
from broker.protocol.client import secret_digest
from broker.upstreams.passwords import hash_password
from tests.certificates import made
from tests.config.desk import SOUND, Desk

KEY = SigningKey.generate("ES256")
JWKS = json.dumps({"keys": [KEY.public_jwk()]})
PLAIN = SOUND.replace("    client_secret: something long\n", "")
SIGNS = f"    token_endpoint_auth_method: private_key_jwt\n    jwks: {JWKS}\n"
NAMED = "    token_endpoint_auth_method: tls_client_auth\n    tls_client_auth_subject_dn: CN=billing,O=Acme\n"
HEADER = "trusted_proxies: {networks: [10.0.0.0/8], client_certificate_header: Client-Cert}\n"
PROXY = HEADER.replace("}", ", client_ca: ca.pem}")


def told(desk: Desk, entry: str, base: str = PLAIN, top: str = "") -> list[str]:
    desk.write("ca.pem", made("root", ca=True).pem)
    lines = desk.mistakes(base + entry + top)
    return [line.partition(": clients.billing.")[2] or line for line in lines]


def test_an_entry_says_how_it_signs(desk: Desk) -> None:
    more = "    token_endpoint_auth_signing_alg: ES256\n    allow_token_endpoint_audience: true\n"
    client = desk.load(PLAIN + SIGNS + more).clients_by_id["billing"]
    assert client.jwks == json.loads(JWKS)
    assert (client.token_endpoint_auth_signing_alg, client.allow_token_endpoint_audience) == ("ES256", True)
    assert (client.secret_digests, client.secrets, client.is_public) == ((), (), False)


def test_its_keys_may_be_in_a_file_or_elsewhere(desk: Desk) -> None:
    desk.write("keys/billing.json", JWKS)
    entry = "    token_endpoint_auth_method: private_key_jwt\n"
    assert desk.load(PLAIN + entry + "    jwks: keys/billing.json\n").clients_by_id["billing"].jwks
    client = desk.load(PLAIN + entry + "    jwks_uri: https://billing.acme.example/jwks\n").clients_by_id[
        "billing"
    ]
    assert client.jwks_uri == "https://billing.acme.example/jwks"
    (line,) = told(desk, entry + "    jwks: keys/none.json\n")
    assert line.startswith("jwks: cannot read the JWK set in ")


def test_a_secret_is_kept_as_little_as_it_can_be(desk: Desk) -> None:
    hashed, long = hash_password("tea at five"), "x" * 64
    both = f"    client_secret: ['{hashed}', generated]\n"
    client = desk.load(PLAIN + both).clients_by_id["billing"]
    assert (client.secret_hashes, client.secret_digests) == ((hashed,), (secret_digest("generated"),))
    assert client.secrets == ()
    computed = f"    client_secret: {long}\n    token_endpoint_auth_method: client_secret_jwt\n"
    client = desk.load(PLAIN + computed).clients_by_id["billing"]
    assert (client.secrets, client.secret_digests) == ((long,), ())
    assert long not in repr(client)


COMPUTES, BY_KEY, BY_NAME = (
    f"    token_endpoint_auth_method: {method}\n"
    for method in ("client_secret_jwt", "private_key_jwt", "tls_client_auth")
)
ALG = "    token_endpoint_auth_signing_alg:"
SECRET_IS = "    client_secret:"
ODD = "holds a key that cannot be read"
MISTAKES = [
    (f"{SIGNS}{SECRET_IS} x\n", "client_secret: an app that proves itself by private_key_jwt has no"),
    (BY_KEY, "jwks: missing; private_key_jwt needs jwks or"),
    (COMPUTES, "client_secret: missing"),
    (f"{COMPUTES}{SECRET_IS} short\n", "client_secret: too short: HS256 needs at least 32 random characters"),
    (f"{COMPUTES}{ALG} HS512\n{SECRET_IS} {'x' * 63}\n", "client_secret: too short: HS512 needs at least 64"),
    (f"{COMPUTES}{SECRET_IS} {hash_password('tea')}\n", "client_secret: client_secret_jwt needs the secret"),
    (f"{SECRET_IS} $argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA\n", "client_secret: not a hash that `broker"),
    (f"{SECRET_IS} $argon2id$rubbish\n", "client_secret: not a hash that"),
    (f"{SIGNS}{ALG} HS256\n", "token_endpoint_auth_signing_alg: private_key_jwt"),
    (f"{SIGNS}{ALG} none\n", "token_endpoint_auth_signing_alg: expected RS256"),
    (f"{SIGNS}    jwks_uri: https://a.example/jwks\n", "jwks_uri: either this or jwks"),
    (f"{BY_KEY}    jwks_uri: http://a.example/jwks\n", "jwks_uri: must be https"),
    (f"{BY_KEY}    jwks: {{keys: []}}\n", "jwks: expected a JWK set"),
    (f"{BY_KEY}    jwks: {{keys: [{KEY.to_json()}]}}\n", "jwks: holds a private key"),
    (f"{BY_KEY}    jwks: {{keys: [{{kty: EC, crv: P-256, x: AA, y: AA}}]}}\n", f"jwks: {ODD}: malformed"),
    (f"{BY_KEY}    jwks: {{keys: [{{kty: RSA, n: AQAB, e: AQAB}}]}}\n", f"jwks: {ODD}"),
    (
        f"{SECRET_IS} x\n    allow_token_endpoint_audience: true\n",
        "allow_token_endpoint_audience: client_sec",
    ),
    (
        f"{SECRET_IS} x\n    tls_client_auth_san_dns: a.example\n",
        "tls_client_auth_san_dns: client_secret_basic",
    ),
    (f"{NAMED}    tls_client_auth_san_dns: a.example\n{PROXY}", "tls_client_auth_san_dns: one name of the"),
    (f"{BY_NAME}{PROXY}", "tls_client_auth_subject_dn: missing; tls_client_auth needs one name"),
    (f"{BY_NAME}    tls_client_auth_subject_dn: billing\n{PROXY}", "tls_client_auth_subject_dn: not a disti"),
    (f"{BY_NAME}    tls_client_auth_san_ip: 10.0.0\n{PROXY}", "tls_client_auth_san_ip: not an IP address"),
    (NAMED, "token_endpoint_auth_method: no certificate can come here"),
    (f"{NAMED}{HEADER}", "token_endpoint_auth_method: needs client_ca"),
    (
        f"{SECRET_IS} x\n    tls_client_certificate_bound_access_tokens: true\n",
        "token_endpoint_auth_method: no certificate can come here; that",
    ),
]


@pytest.mark.row("CA-14")
@pytest.mark.row("CF-05")
@pytest.mark.row("KY-05")
@pytest.mark.parametrize(("entry", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_about_it_is_told(desk: Desk, entry: str, said: str) -> None:
    (line,) = told(desk, entry)
    assert line.startswith(said)


def test_a_name_of_a_certificate_is_enough_where_certificates_come(desk: Desk) -> None:
    assert told(desk, NAMED, top=PROXY) == []
    assert told(desk, NAMED + "    tls_client_certificate_bound_access_tokens: true\n", top=PROXY) == []


TLS = "tls: {certificate: ca.pem, key: ca.pem, client_ca: ca.pem}\n"


def test_the_second_door_has_an_address_and_a_name(desk: Desk) -> None:
    desk.write("ca.pem", made("root", ca=True).pem)
    config = desk.load(SOUND + TLS + "listen_mtls: 0.0.0.0:8443\n")
    assert str(config.listen_mtls) == "0.0.0.0:8443"
    assert config.mtls_url == "https://login.acme.example:8443"
    there = "mtls_url: https://mtls.acme.example\n"
    based = SOUND.replace("login.acme.example", "login.acme.example/sso")
    assert desk.load(based + TLS + "listen_mtls: '[::]:443'\n").mtls_url == "https://login.acme.example/sso"
    assert (
        desk.load(based + TLS + f"listen_mtls: 0.0.0.0:1\n{there}").mtls_url
        == "https://mtls.acme.example/sso"
    )
    passed_on = "trusted_proxies: { networks: [10.0.0.7], client_certificate_header: Client-Cert }\n"
    assert desk.load(based + passed_on + there).mtls_url == "https://mtls.acme.example/sso"
    assert desk.load(SOUND).mtls_url is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mtls_url: https://mtls.acme.example\n", "mtls_url: of what? neither listen_mtls nor a"),
        (TLS + "listen_mtls: nowhere\n", "listen_mtls: expected an address and a port"),
        (TLS + "listen_mtls: unix:mtls.sock\n", "mtls_url: missing; a socket without a port"),
        (TLS + "listen_mtls: 0.0.0.0:1\nmtls_url: http://a.example\n", "mtls_url: must be https://"),
        (TLS + "listen_mtls: 0.0.0.0:1\nmtls_url: https://a.example/x\n", "mtls_url: must be https://"),
        (TLS.replace("client_ca: ca.pem", "client_ca: none.pem"), "tls.client_ca: "),
        (TLS.replace("client_ca: ca.pem", "client_ca: broker.yaml"), "tls.client_ca: "),
        (PROXY.replace("ca.pem", "broker.yaml"), "trusted_proxies.client_ca: "),
    ],
)
def test_a_mistake_about_the_second_door_is_told(desk: Desk, text: str, said: str) -> None:
    (line,) = told(desk, "", base=SOUND, top=text)
    assert line.split(": ", 1)[1].startswith(said)


def test_a_workspace_has_the_second_door_too(desk: Desk) -> None:
    desk.write("ca.pem", made("root", ca=True).pem)
    own = "workspaces:\n  acme:\n    connectors: {}\n    clients: {}\n"
    config = desk.load(SOUND + TLS + "listen_mtls: 0.0.0.0:8443\n" + own)
    assert config.workspaces["acme"].mtls_url == "https://login.acme.example:8443/t/acme"
