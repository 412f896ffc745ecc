"""Client apps: which ones may be registered, and what the house is told of them."""

from typing import get_args

import pytest

from broker.protocol.client import AuthMethod, GrantType, secret_digest
from tests.config.desk import SOUND, Desk

WHERE = "broker.yaml:12:21: clients.billing.redirect_uris[0]: "
NO_SECRET = "a public client (token_endpoint_auth_method: none) has no secret"
ALGORITHMS = "expected RS256, PS256, ES256, EdDSA or Ed25519"
NATIVE = "    application_type: native\n    token_endpoint_auth_method: none\n"

ALL_METHODS = " or ".join([", ".join(get_args(AuthMethod)[:-1]), get_args(AuthMethod)[-1]])
ALL_GRANTS = " or ".join([", ".join(get_args(GrantType)[:-1]), get_args(GrantType)[-1]])


def with_uri(uri: str) -> str:
    return SOUND.replace("https://billing.acme.example/callback", f"'{uri}'")


def public(text: str) -> str:
    return text.replace("    client_secret: something long\n", "") + "    token_endpoint_auth_method: none\n"


@pytest.mark.row("AZ-07")
@pytest.mark.parametrize("scheme", ["javascript", "data", "vbscript", "file", "blob", "about"])
@pytest.mark.parametrize("rest", [":x", "://host/x", ":text/html,<x>", ":%0aalert(1)"])
def test_what_a_browser_runs_by_itself_is_never_redirected_to(desk: Desk, scheme: str, rest: str) -> None:
    said = f"{WHERE}{scheme}: must never be redirected to"
    for spelling in (scheme, scheme.upper(), scheme.title()):
        assert desk.mistakes(with_uri(spelling + rest)) == [said]
    native = with_uri(scheme + rest).replace("    client_secret: something long\n", "") + NATIVE
    assert desk.mistakes(native) == [said.replace(":12:", ":11:")]


@pytest.mark.row("AZ-07")
@pytest.mark.parametrize(
    "uri", ["java\tscript:x", " javascript:x", "\x01javascript:x", "https://a.example/\\x"]
)
def test_characters_that_browsers_drop_hide_nothing(desk: Desk, uri: str) -> None:
    quoted = uri.replace("\\", "\\\\").replace("\t", "\\t").replace("\x01", "\\x01")
    text = SOUND.replace("https://billing.acme.example/callback", f'"{quoted}"')
    assert desk.mistakes(text) == [f"{WHERE}has a character that a URI may not have"]


@pytest.mark.row("CF-05")
@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/callback", "must be absolute, such as https://app.example/callback"),
        ("billing.acme.example/callback", "must be absolute, such as https://app.example/callback"),
        ("http://billing.acme.example/", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("http://127.0.0.1.evil.example/", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("http://2130706433/", "must be https; http is only for 127.0.0.1, [::1] and localhost"),
        ("https://a.example/#", "must not have a fragment"),
        ("https://a.example/#x", "must not have a fragment"),
        ("https://user@a.example/", "must not hold a user name or password"),
        ("https://a.example@evil.example/", "must not hold a user name or password"),
        ("https://*.a.example/", "must not hold a wildcard; name each host"),
        ("https://a.example/*", "must not hold a wildcard; it is compared whole"),
        ("https://", "must have a host in lower case"),
        ("https:///a", "must have a host in lower case"),
        ("https:a.example", "must have a host in lower case"),
        ("https://A.example/", "must have a host in lower case"),
        ("https://a.example:/", "has an empty port"),
        ("https://a.example:0/", "has a port that nobody can listen on"),
        ("https://a.example:99999/", "is not a URI"),
        ("https://[::1/", "is not a URI"),
        (
            "com.example.app:/callback",
            "must be https; a scheme of its own is only for application_type: native",
        ),
        ("", "must not be empty"),
    ],
)
def test_a_redirect_uri_that_proves_nothing_is_refused(desk: Desk, uri: str, said: str) -> None:
    assert desk.mistakes(with_uri(uri)) == [WHERE + said]


@pytest.mark.parametrize(
    "uri",
    [
        "https://a.example",
        "https://a.example:8443/b?c=d",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000/",
        "http://localhost/x",
        "https://xn--bcher-kva.example/",
    ],
)
def test_https_and_this_machine_may_be_answered(desk: Desk, uri: str) -> None:
    assert desk.load(with_uri(uri)).clients_by_id["billing"].redirect_uris == (uri,)


def test_an_app_on_a_device_may_have_a_scheme_that_is_a_domain_backwards(desk: Desk) -> None:
    text = with_uri("com.example.app:/callback").replace("    client_secret: something long\n", "") + NATIVE
    assert desk.load(text).clients_by_id["billing"].redirect_uris == ("com.example.app:/callback",)
    assert desk.mistakes(text.replace("com.example.app", "myapp")) == [
        WHERE.replace(":12:", ":11:")
        + "needs a scheme that is a domain name backwards, such as com.example.app"
    ]


def test_where_people_land_after_signing_out_is_checked_alike(desk: Desk) -> None:
    found = desk.mistakes(SOUND + "    post_logout_redirect_uris: ['https://a.example/', 'data:x']\n")
    assert found == [
        "broker.yaml:13:55: clients.billing.post_logout_redirect_uris[1]: data: must never be redirected to"
    ]


def test_the_same_uri_twice_is_a_slip(desk: Desk) -> None:
    text = SOUND.replace("callback]", "callback, https://billing.acme.example/callback]")
    assert desk.mistakes(text) == ["broker.yaml:12:60: clients.billing.redirect_uris[1]: said twice"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SOUND.replace("    client_secret: something long\n", ""),
            (
                "9:3: clients.billing.client_secret: missing; an app that cannot keep one has "
                "token_endpoint_auth_method: none"
            ),
        ),
        (
            SOUND + "    token_endpoint_auth_method: none\n",
            f"11:20: clients.billing.client_secret: {NO_SECRET}",
        ),
        (
            public(SOUND) + "    require_pkce: false\n",
            "13:19: clients.billing.require_pkce: a public client always needs PKCE",
        ),
        (
            SOUND.replace("something long", "~"),
            (
                "11:20: clients.billing.client_secret: missing; an app that cannot keep one has "
                "token_endpoint_auth_method: none"
            ),
        ),
        (
            SOUND.replace("    redirect_uris: [https://billing.acme.example/callback]\n", ""),
            "9:3: clients.billing.redirect_uris: missing",
        ),
        (
            SOUND.replace("https://billing.acme.example/callback", ""),
            "12:20: clients.billing.redirect_uris: must have at least 1",
        ),
        (SOUND + "    scope: ''\n", "13:12: clients.billing.scope: names no scope"),
        (
            SOUND + "    scope: openid profil\n",
            "13:12: clients.billing.scope: 'profil' is not declared under scopes; did you mean profile?",
        ),
        (
            SOUND + "    scope: [openid]\n",
            "13:12: clients.billing.scope: expected words with a space between them",
        ),
        (
            SOUND + "    connectors: [staf]\n",
            "13:18: clients.billing.connectors[0]: no connector has this id; did you mean staff?",
        ),
        (SOUND + "    connectors: []\n", "13:17: clients.billing.connectors: must have at least 1"),
        (
            SOUND + "    grant_types: [implicit]\n",
            f"13:19: clients.billing.grant_types[0]: expected {ALL_GRANTS}",
        ),
        (
            SOUND + "    id_token_signed_response_alg: none\n",
            f"13:35: clients.billing.id_token_signed_response_alg: {ALGORITHMS}",
        ),
        (
            SOUND + "    id_token_signed_response_alg: ES256\nkeys: {algorithms: [RS256]}\n",
            "14:20: keys.algorithms: ES256 is not among them, and clients.billing needs it",
        ),
        (
            SOUND.replace("something long", "[a, b, c]"),
            "11:20: clients.billing.client_secret: must have at most 2",
        ),
        (SOUND.replace("something long", "''"), "11:20: clients.billing.client_secret: must not be empty"),
        (
            SOUND.replace("client_name: Billing", 'client_name: "a\\nb"'),
            "10:18: clients.billing.client_name: expected one line of text",
        ),
        (
            SOUND.replace("  billing:", "  'bill:ing':"),
            '9:3: clients."bill:ing": a client_id has visible ASCII characters without a colon, at most 200',
        ),
        (
            SOUND.replace("  billing:", "  broker.account:"),
            '9:3: clients."broker.account": a client_id that begins with broker. is the broker\'s own',
        ),
        (
            SOUND.replace("  billing:", "  'bill ing':"),
            '9:3: clients."bill ing": a client_id has visible ASCII characters without a colon, at most 200',
        ),
    ],
)
def test_what_a_client_says_must_agree(desk: Desk, text: str, said: str) -> None:
    found = desk.mistakes(text)
    assert f"broker.yaml:{said}" in found or [f"broker.yaml:{said}"] == found


def test_one_mistake_in_an_entry_hides_no_other(desk: Desk) -> None:
    entry = """\
  shop:
    client_name: Shop
    colour: red
    redirect_uris: ['javascript:alert(1)', 'https://shop.example/#f', 3]
    scope: openid invoices
    connectors: [staf]
    id_token_signed_response_alg: ES256
"""
    assert desk.mistakes(SOUND + entry + "keys: {algorithms: [RS256], rotate: 1d}\n") == [
        (
            "broker.yaml:13:3: clients.shop.client_secret: missing; an app that cannot keep one has "
            "token_endpoint_auth_method: none"
        ),
        "broker.yaml:15:5: clients.shop.colour: unknown key",
        "broker.yaml:16:21: clients.shop.redirect_uris[0]: javascript: must never be redirected to",
        "broker.yaml:16:44: clients.shop.redirect_uris[1]: must not have a fragment",
        "broker.yaml:16:71: clients.shop.redirect_uris[2]: expected text; put it in quotes",
        "broker.yaml:17:12: clients.shop.scope: 'invoices' is not declared under scopes",
        "broker.yaml:18:18: clients.shop.connectors[0]: no connector has this id; did you mean staff?",
        "broker.yaml:20:20: keys.algorithms: ES256 is not among them, and clients.shop needs it",
        "broker.yaml:20:29: keys.rotate: unknown key; did you mean rotate_every?",
    ]


def test_nothing_is_concluded_from_what_could_not_be_read(desk: Desk) -> None:
    entry = "    token_endpoint_auth_method: nome\n    require_pkce: false\n    application_type: natve\n"
    text = with_uri("com.example.app:/callback").replace("    client_secret: something long\n", "") + entry
    found = [line.partition(": clients.billing.")[2] for line in desk.mistakes(text)]
    assert found == [
        f"token_endpoint_auth_method: expected {ALL_METHODS}",
        "application_type: expected web or native",
    ]
    text = SOUND + "    grant_types: [code]\n    audience: [x]\n"
    assert len(desk.mistakes(text.replace("redirect_uris: [https://billing.acme.example/callback]", ""))) == 2


# ── An API that introspects ───────────────────────────────────────────────────────────────────

API = "  api:\n    client_name: API\n    grant_types: []\n"
KNOWN = "    client_secret: s\n    audience: https://api.acme.example\n"


@pytest.mark.parametrize("more", ["", "    redirect_uris: []\n"])
def test_an_api_has_an_entry_without_a_place_to_be_answered(desk: Desk, more: str) -> None:
    api = desk.load(SOUND + API + KNOWN + more).clients_by_id["api"]
    assert (api.grant_types, api.redirect_uris, api.audience) == ((), (), "https://api.acme.example")
    assert api.secret_digests == (secret_digest("s"),)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (KNOWN.replace("    client_secret: s\n", ""), "13:3: clients.api.client_secret: missing"),
        (
            "    client_secret: s\n",
            (
                "13:3: clients.api.audience: missing; an API (grant_types: []) may ask about the tokens "
                "that name it"
            ),
        ),
        (
            KNOWN.replace("client_secret: s", "token_endpoint_auth_method: none"),
            (
                "16:33: clients.api.token_endpoint_auth_method: an API (grant_types: []) proves who it is; "
                "none proves nothing"
            ),
        ),
        (
            KNOWN + "    redirect_uris: [https://api.acme.example/]\n",
            "18:20: clients.api.redirect_uris: nobody signs in at an API (grant_types: [])",
        ),
    ],
)
def test_an_api_is_known_by_a_secret_and_a_name_alone(desk: Desk, entry: str, said: str) -> None:
    assert desk.mistakes(SOUND + API + entry) == [f"broker.yaml:{said}"]


# ── What the answer says ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "error_description", "response"])
@pytest.mark.parametrize("query", ["{}=x", "a=b&{}=x", "{}", "{}=", "%{:x}{}"])
def test_a_redirect_uri_says_nothing_that_the_answer_says(desk: Desk, name: str, query: str) -> None:
    shown = query.format(ord(name[0]), name[1:]) if query.startswith("%") else query.format(name)
    said = f"{WHERE}must not hold {name} in its query; the answer says that itself"
    assert desk.mistakes(with_uri(f"https://a.example/?{shown}")) == [said]


@pytest.mark.parametrize("query", ["country=code", "State=x", "error_uris=1", "a=%26code=1"])
def test_a_redirect_uri_may_have_a_query_of_its_own(desk: Desk, query: str) -> None:
    uri = f"https://a.example/code/state?{query}"
    assert desk.load(with_uri(uri)).clients_by_id["billing"].redirect_uris == (uri,)


def test_secrets_are_kept_as_digests_and_two_are_valid_during_rotation(desk: Desk) -> None:
    client = desk.load(SOUND.replace("something long", "[old one, new one]")).clients_by_id["billing"]
    assert client.secret_digests == (secret_digest("old one"), secret_digest("new one"))
    assert desk.load(SOUND).clients_by_id["billing"].secret_digests == (secret_digest("something long"),)


def test_defaults_are_the_safe_ones(desk: Desk) -> None:
    client = desk.load(SOUND).clients_by_id["billing"]
    assert (client.require_pkce, client.trusted, client.id_token_claims) == (True, False, False)
    assert client.scopes == {"openid", "profile", "email"}
    assert client.connectors is None
    assert desk.load(public(SOUND)).clients_by_id["billing"].is_public


def test_the_algorithms_cover_what_the_clients_ask_for(desk: Desk) -> None:
    assert desk.load(SOUND).keys.algorithms == ("RS256", "ES256")
    text = SOUND + "    id_token_signed_response_alg: EdDSA\n    access_token_signing_alg: PS256\n"
    assert desk.load(text).keys.algorithms == ("RS256", "ES256", "EdDSA", "PS256")
