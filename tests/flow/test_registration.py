"""Apps that register themselves: what they may say, what they get, and how they end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.config import StoreConfig
from broker.jose import SigningKey, sign, sign_with_secret
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, claims, running_broker
from tests.flow.conftest import Start
from tests.flow.registering import (
    APP,
    INITIAL,
    OPEN,
    STRANGER,
    Told,
    asked,
    call,
    redeem,
    register,
    sign_in,
)


@pytest.fixture
async def open_broker(start: Start) -> Broker:
    return await start(top={"registration": {"policy": "open", "per_address": 1000}})


# ── who may (RG-01, RG-10) ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RG-01")
async def test_nobody_registers_where_the_operator_says_nothing_of_it(broker: Broker) -> None:
    told = await register(broker)
    assert (told.status, told.body["error"]) == (404, "invalid_request")
    async with broker.browser() as browser:
        page = await browser.step("GET", f"{broker.issuer}/.well-known/openid-configuration")
        assert "registration_endpoint" not in page.body


@pytest.mark.row("RG-01")
@pytest.mark.standard("RFC 7591", "§3 initial access token")
async def test_with_the_policy_token_only_who_has_one_registers(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "token", "initial_access_tokens": INITIAL}})
    told = await register(broker)
    assert (told.status, told.body["error"], told.headers["WWW-Authenticate"]) == (
        401,
        "invalid_token",
        "Bearer",
    )
    told = await register(broker, token="another-token-of-some-length-0123456789012")
    assert told.status == 401
    assert 'error="invalid_token"' in told.headers["WWW-Authenticate"]
    assert (await register(broker, token=INITIAL)).status == 201


@pytest.mark.row("RG-10")
@pytest.mark.row("DS-02")
async def test_one_address_and_all_together_may_only_register_so_many(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "open", "per_address": 3}})
    told = [await register(broker) for _ in range(4)]
    assert [one.status for one in told] == [201, 201, 201, 429]
    assert int(told[-1].headers["Retry-After"]) > 0


@pytest.mark.row("RG-10")
async def test_there_are_never_more_than_the_operator_lets_there_be(start: Start) -> None:
    full = await start(top={"registration": {"policy": "open", "max_clients": 2}})
    answers = await asyncio.gather(*(register(full) for _ in range(6)))
    assert sorted(one.status for one in answers) == [201, 201, 429, 429, 429, 429]
    kept = next(one for one in answers if one.status == 201)
    assert (await call("DELETE", kept.uri, token=kept.token)).status == 204
    assert (await register(full)).status == 201


@pytest.mark.row("RG-10")
async def test_an_app_that_nobody_uses_is_forgotten_and_one_in_use_is_not(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "open", "unused": "1h", "idle": "30d"}})
    store = broker.services.store
    unused, used = await register(broker), await register(broker)
    async with broker.browser() as browser:
        landed = await sign_in(browser, used)
        assert (await redeem(browser, used, landed.code))[0] == 200
    left = {}
    for told in (unused, used):
        client_id = told.body["client_id"]
        left[client_id] = await store._wire.call("PTTL", store._client(client_id))
    assert left[unused.body["client_id"]] <= 3600_000 < left[used.body["client_id"]] <= 30 * 86400_000
    assert {one.client_id for one in await store.list_clients()} == set(left)


# ── what is told, and a whole login ───────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 7591", "§3.2.1 the client information response")
@pytest.mark.standard("RFC 8414", "registration_endpoint in the metadata")
async def test_what_is_registered_is_told_and_nothing_else_is(open_broker: Broker) -> None:
    async with open_broker.browser() as browser:
        for path in ("openid-configuration", "oauth-authorization-server"):
            page = await browser.step("GET", f"{open_broker.issuer}/.well-known/{path}")
            assert f'"registration_endpoint":"{open_broker.issuer}/register"' in page.body
    told = await register(
        open_broker,
        token_endpoint_auth_method="client_secret_post",
        contacts=["ops@stranger.example"],
        software_id="4711",
        software_version="2.1",
        logo_uri="https://stranger.example/logo.png",
        client_uri="https://stranger.example/",
        **{"client_name#de": "Fremder"},
        scope="openid email no.such.scope",
        default_max_age=60,
        a_member_of_nobodys="ignored",
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
    )
    assert told.status == 201
    assert told.headers["Cache-Control"] == "no-store"
    body = dict(told.body)
    assert len(body.pop("client_secret")) == 43
    assert len(body.pop("registration_access_token")) == 43
    assert isinstance(body.pop("client_id_issued_at"), int)
    client_id = body.pop("client_id")
    assert body.pop("registration_client_uri") == f"{open_broker.issuer}/register/{client_id}"
    assert body == {
        "client_secret_expires_at": 0,
        "client_name": "Stranger",
        "client_name#de": "Fremder",
        "redirect_uris": [STRANGER],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_post",
        "application_type": "web",
        "scope": "openid email",
        "contacts": ["ops@stranger.example"],
        "software_id": "4711",
        "software_version": "2.1",
        "logo_uri": "https://stranger.example/logo.png",
        "client_uri": "https://stranger.example/",
        "default_max_age": 60,
        "id_token_signed_response_alg": "RS256",
        "subject_type": "public",
    }


@pytest.mark.row("CS-09")
@pytest.mark.standard("RFC 7591", "§5 nobody is spared the question about an app that registered itself")
async def test_a_person_signs_in_and_is_asked_each_time_and_told_that_nobody_vouches(
    open_broker: Broker,
) -> None:
    told = await register(open_broker, trusted=True)
    async with open_broker.browser() as browser:
        for _ in range(2):
            page = await browser.authorize(**asked(told))
            assert 'name="answer"' in page.body
            assert "stranger.example" in page.body.replace("<wbr>", "")
            assert "registered itself" in page.body or "itself" in page.body
            landed = await browser.answer_consent(page)
            status, tokens = await redeem(browser, told, landed.code)
            assert status == 200
            assert claims(tokens["id_token"])["aud"] == told.body["client_id"]
            assert (await browser.userinfo(tokens["access_token"]))[1]["name"] == "Ada Example"
        landed = await browser.authorize(**asked(told, prompt="none"))
        assert landed.params["error"] == "consent_required"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_secret_that_was_given_is_the_one_that_counts(open_broker: Broker, method: str) -> None:
    told = await register(open_broker, token_endpoint_auth_method=method)
    client_id, secret = told.body["client_id"], told.body["client_secret"]
    async with open_broker.browser() as browser:
        landed = await sign_in(browser, told)
        form = {"client_id": client_id, "client_secret": "x" * 43}
        assert (await redeem(browser, told, landed.code, **form))[0] == 401
        if method == "client_secret_post":
            form = {"client_id": client_id, "client_secret": secret}
            assert (await redeem(browser, told, landed.code, **form))[0] == 200


@pytest.mark.row("AZ-06")
@pytest.mark.standard("RFC 8252", "§7.3 any port on loopback, for an app that registered one")
async def test_an_app_on_loopback_comes_back_at_any_port_and_nowhere_else(open_broker: Broker) -> None:
    told = await register(open_broker, redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb"])
    assert told.body["application_type"] == "native"
    async with open_broker.browser() as browser:
        landed = await sign_in(browser, told, redirect_uri="http://127.0.0.1:49152/cb")
        assert landed.url.startswith("http://127.0.0.1:49152/cb?")
        status, _ = await redeem(browser, told, landed.code, redirect_uri="http://127.0.0.1:49152/cb")
        assert status == 200
        for foreign in (
            "http://localhost:49152/cb",
            "http://127.0.0.1.evil.example:49152/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:49152/other",
            "https://127.0.0.1:49152/cb",
            "com.example.app:/other",
        ):
            page = await browser.authorize(**asked(told, redirect_uri=foreign))
            assert (page.status, page.url.startswith(open_broker.issuer)) == (400, True), foreign
    web = await register(open_broker)
    assert web.body["application_type"] == "web"
    async with open_broker.browser() as browser:
        other_port = STRANGER.replace("stranger.example", "stranger.example:8443")
        assert (await browser.authorize(**asked(web, redirect_uri=other_port))).status == 400


# ── what nobody may register (RG-02 to RG-07, AZ-07) ──────────────────────────────────────────────


@pytest.mark.row("RG-02")
@pytest.mark.row("AZ-07")
@pytest.mark.parametrize(
    "uris",
    [
        None,
        [],
        "https://stranger.example/",
        {"0": "https://stranger.example/"},
        [["https://stranger.example/"]],
        [None],
        [4711],
        ["https://*.example/cb"],
        ["https://stranger.example/*"],
        ["https://stranger.example/cb#fragment"],
        ["javascript:alert(1)"],
        ["data:text/html,x"],
        ["vbscript:x"],
        ["file:///etc/passwd"],
        ["blob:https://stranger.example/x"],
        ["about:blank"],
        ["http://stranger.example/cb"],
        ["https://user:password@stranger.example/cb"],
        ["https://10.0.0.7/cb"],
        ["https://169.254.169.254/latest"],
        ["https://[::1]/cb"],
        ["https://[fd00::1]/cb"],
        ["https://0x7f000001/cb"],
        ["https://localhost/cb"],
        ["noscheme"],
        ["app:/cb"],
        ["//stranger.example/cb"],
        ["https://stranger.example/cb?state=mine"],
        ["https://stranger.example/\u202egnp"],
        [f"https://stranger.example/{number}" for number in range(1000)],
        ["https://stranger.example/" + "x" * 5000],
        [STRANGER, "javascript:alert(1)"],
    ],
)
async def test_where_nobody_may_be_answered_is_refused(open_broker: Broker, uris: Any) -> None:
    told = await register(open_broker, redirect_uris=uris)
    assert (told.status, told.body["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.row("RG-03")
@pytest.mark.row("CS-15")
@pytest.mark.row("CS-15")
@pytest.mark.parametrize("name", ["logo_uri", "client_uri", "tos_uri", "policy_uri"])
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        "ftp://x.example/",
        "",
        "x" * 5000,
        7,
        ["https://x.example"],
    ],
)
async def test_a_page_that_a_browser_would_run_is_refused(open_broker: Broker, name: str, uri: Any) -> None:
    told = await register(open_broker, **{name: uri})
    assert (told.status, told.body["error"]) == (400, "invalid_client_metadata")


@pytest.mark.row("CS-15")
async def test_a_picture_of_a_stranger_is_neither_shown_nor_fetched(
    open_broker: Broker, aiohttp_server: Any
) -> None:
    fetched: list[str] = []

    async def pixel(request: web.Request) -> web.Response:
        fetched.append(request.path)
        return web.Response(body=b"GIF89a", content_type="image/gif")

    site = web.Application()
    site.router.add_get("/{any:.*}", pixel)
    server = await aiohttp_server(site)
    here = f"http://127.0.0.1:{server.port}"
    for logo in (f"{here}/pixel.gif", "https://10.0.0.7/inner.png", "https://stranger.example/logo.svg"):
        told = await register(open_broker, logo_uri=logo)
        assert told.status in (201, 400), told.body
        if told.status == 201:
            async with open_broker.browser() as browser:
                page = await browser.authorize(**asked(told))
                assert 'name="answer"' in page.body
                assert logo not in page.body
                assert "img-src 'self'" in page.headers["Content-Security-Policy"]
                assert logo not in (await browser.go(f"{open_broker.issuer}/account")).body
    assert fetched == []


RSA = {"kty": "RSA", "kid": "a", "e": "AQAB"}
EC = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "a",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


@pytest.mark.row("RG-05")
@pytest.mark.parametrize(
    "said",
    [
        {"jwks": {"keys": [EC]}, "jwks_uri": "https://stranger.example/jwks"},
        {"jwks": {"keys": [EC | {"d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}},
        {"jwks": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}},
        {"jwks": {"keys": [RSA | {"n": "AQAB" * 40}]}},
        {"jwks": {"keys": [EC, EC]}},
        {"jwks": {"keys": [EC, {name: EC[name] for name in EC if name != "kid"}]}},
        {"jwks": {"keys": [EC | {"crv": "P-192"}]}},
        {"jwks": {"keys": [EC | {"kty": ["EC"]}]}},
        {"jwks": {"keys": []}},
        {"jwks": "https://stranger.example/jwks"},
        {"jwks_uri": "http://stranger.example/jwks"},
        {"jwks_uri": "javascript:alert(1)"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"require_signed_request_object": True},
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"id_token_encrypted_response_enc": "A128GCM", "jwks": {"keys": [EC]}},
    ],
)
async def test_keys_that_are_none_to_trust_are_refused(open_broker: Broker, said: dict[str, Any]) -> None:
    told = await register(open_broker, **said)
    assert (told.status, told.body["error"]) == (400, "invalid_client_metadata")


@pytest.mark.row("RG-06")
@pytest.mark.parametrize(
    "said",
    [
        {"grant_types": ["implicit"]},
        {"grant_types": ["authorization_code", "implicit"]},
        {"grant_types": ["password"]},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["refresh_token"]},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"response_types": ["id_token token"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"userinfo_signed_response_alg": "none"},
        {"request_object_signing_alg": "none"},
        {"token_endpoint_auth_signing_alg": "none"},
        {"token_endpoint_auth_signing_alg": "HS256"},
        {"id_token_encrypted_response_alg": "RSA1_5", "jwks": {"keys": [EC]}},
        {"id_token_encrypted_response_alg": "dir", "jwks": {"keys": [EC]}},
        # Names that are good JOSE and not among ours: nothing could be encrypted, or read, by them later.
        {"id_token_encrypted_response_alg": "ECDH-ES+A192KW", "jwks": {"keys": [EC]}},
        {
            "id_token_encrypted_response_alg": "ECDH-ES",
            "id_token_encrypted_response_enc": "A192GCM",
            "jwks": {"keys": [EC]},
        },
        {"request_object_signing_alg": "ES384"},
        {"scope": "*"},
        {"scope": "openid account.*"},
        {"scope": "no.such.scope"},
        {"scope": 7},
        {"scope": "openid \u0000"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": "no_such_method"},
        {"application_type": "service"},
        {"subject_type": "ephemeral"},
        {"default_max_age": -1},
        {"require_auth_time": "yes"},
        {"backchannel_logout_uri": "ftp://stranger.example/"},
        {"post_logout_redirect_uris": ["javascript:alert(1)"]},
        {"tls_client_certificate_bound_access_tokens": True},  # nobody can show one here
    ],
)
async def test_what_is_not_given_to_strangers_is_refused(open_broker: Broker, said: dict[str, Any]) -> None:
    told = await register(open_broker, **said)
    assert (told.status, told.body["error"]) == (400, "invalid_client_metadata"), told.body


@pytest.mark.standard("RFC 7591", "§2.1 response_types go with the grants, and are none for a device")
async def test_an_app_for_devices_may_have_places_to_be_answered_at(start: Start) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"
    allowed = {"policy": "open", "grant_types": ["authorization_code", device]}
    broker = await start(top={"registration": allowed})
    told = await register(broker, grant_types=[device], response_types=[])
    assert (told.status, told.body["grant_types"], told.body["response_types"]) == (201, [device], [])
    assert told.body["redirect_uris"] == [STRANGER]
    for said in ({"grant_types": ["authorization_code", device]}, {"grant_types": ["authorization_code"]}):
        told = await register(broker, **said, response_types=[])
        assert (told.status, told.body["error"]) == (400, "invalid_client_metadata")


@pytest.mark.row("RG-06")
async def test_connectors_are_the_operators_to_give(start: Start) -> None:
    broker = await start(
        top={"registration": {"policy": "open", "connectors": ["staff"]}},
        connectors={"partners": {"name": "Partners"}},
    )
    told = await register(broker, connectors=["partners"])
    assert "connectors" not in told.body
    async with broker.browser() as browser:
        page = await browser.authorize(**asked(told))
        assert 'name="answer"' in page.body  # no chooser: there is one way, and it is the operator's
        landed = await browser.authorize(**asked(told, connector="partners"))
        assert landed.params["error"] == "access_denied"


@pytest.mark.row("RG-07")
async def test_nothing_of_the_brokers_own_can_be_chosen(open_broker: Broker) -> None:
    told = await register(
        open_broker,
        client_id="billing",
        client_secret="chosen-by-me",
        trusted=True,
        enabled=True,
        origin="config",
        require_pkce=False,
        secret_digests=["x"],
        registration_access_token="mine",
        client_id_issued_at=1,
    )
    assert told.status == 201
    assert told.body["client_id"].startswith("broker.app.")
    assert not {"client_secret", "trusted", "enabled", "origin", "require_pkce", "secret_digests"} & set(
        told.body
    )
    assert told.token != "mine"
    assert told.body["client_id_issued_at"] > 1
    async with open_broker.browser() as browser:
        landed = await browser.authorize(**asked(told, code_challenge=None, code_challenge_method=None))
        assert landed.params["error"] == "invalid_request"


@pytest.mark.row("RG-11")
@pytest.mark.row("CS-14")
async def test_names_are_short_seen_and_escaped(open_broker: Broker) -> None:
    for said, kept in (
        ("  Two\n  lines\t", "Two lines"),
        ("\u202eevil\u2066 name\u200b", "evil name"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("Ｗｉｄｅ", "Wide"),
        ("x" * 5000, "x" * 100),
    ):
        assert (await register(open_broker, client_name=said)).body["client_name"] == kept
    told = await register(open_broker, client_name="<script>alert(1)</script>")
    async with open_broker.browser() as browser:
        page = await browser.authorize(**asked(told))
        assert "<script>alert(1)" not in page.body
        assert "&lt;script&gt;" in page.body
    for nothing in ("", "\u200b\u202e", 7, ["x"]):
        assert (await register(open_broker, client_name=nothing)).status == 400
    assert (await register(open_broker, client_name=None)).body["client_name"] == "stranger.example"
    huge = b'{"client_name": "' + b"x" * (1 << 20) + b'"}'
    assert (await call("POST", f"{open_broker.issuer}/register", body=huge)).status == 413


@pytest.mark.row("RG-11")
async def test_a_name_that_looks_like_an_operators_app_is_told_to_the_operator(open_broker: Broker) -> None:
    told = await register(open_broker, client_name="Вiⅼling")
    assert told.status == 201
    line = open_broker.events("registration")[-1]
    assert line["detail"] == "its name looks like that of Billing"
    kept = await open_broker.services.store.read_client(told.body["client_id"])
    assert kept is not None
    assert kept.lookalike == "Billing"
    await register(open_broker, client_name="Something else")
    assert "detail" not in open_broker.events("registration")[-1]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b"null", b'"x"'])
async def test_what_is_no_json_object_is_refused(open_broker: Broker, body: bytes) -> None:
    url = f"{open_broker.issuer}/register"
    told = await call("POST", url, body=body)
    assert (told.status, told.body["error"]) == (400, "invalid_request")
    told = await call("POST", url, body=APP, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert told.status == 400


# ── management (RFC 7592) ─────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 7592", "§2.1 read, §3 the registration access token")
async def test_only_its_own_token_opens_a_registration(open_broker: Broker) -> None:
    mine, other = await register(open_broker), await register(open_broker)
    read = await call("GET", mine.uri, token=mine.token)
    assert (read.status, read.body) == (200, mine.body)
    for url, token in (
        (mine.uri, None),
        (mine.uri, other.token),
        (mine.uri, "x" * 43),
        (f"{open_broker.issuer}/register/broker.app.nobody", mine.token),
        (f"{open_broker.issuer}/register/billing", mine.token),
    ):
        for method in ("GET", "DELETE"):
            refused = await call(method, url, token=token)
            assert (refused.status, refused.body["error"]) == (401, "invalid_token")
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    kept = await open_broker.services.store.read_client(mine.body["client_id"])
    assert kept is not None
    assert mine.token not in repr(vars(kept) if hasattr(kept, "__dict__") else kept)


@pytest.mark.standard("RFC 7592", "§2.2 update")
async def test_a_change_says_everything_anew(open_broker: Broker) -> None:
    told = await register(open_broker, contacts=["ops@stranger.example"])
    client_id = told.body["client_id"]
    refused = await call("PUT", told.uri, token=told.token, body=APP)
    assert refused.body["error"] == "invalid_client_metadata"
    refused = await call("PUT", told.uri, token=told.token, body=APP | {"client_id": "billing"})
    assert refused.status == 400
    refused = await call(
        "PUT", told.uri, token=told.token, body=APP | {"client_id": client_id, "client_secret": "mine"}
    )
    assert refused.status == 400
    changed = await call(
        "PUT", told.uri, token=told.token, body=APP | {"client_id": client_id, "client_name": "Renamed"}
    )
    assert changed.status == 200
    assert changed.body["client_name"] == "Renamed"
    assert "contacts" not in changed.body
    assert (await call("GET", told.uri, token=told.token)).body == changed.body
    assert (
        await call(
            "PUT", told.uri, token=told.token, body=APP | {"client_id": client_id, "redirect_uris": []}
        )
    ).body["error"] == "invalid_redirect_uri"


@pytest.mark.row("RG-09")
@pytest.mark.parametrize(
    ("change", "ends"),
    [
        ({"redirect_uris": [STRANGER, "https://attacker.example/cb"]}, True),
        ({"token_endpoint_auth_method": "client_secret_post"}, True),
        ({"client_name": "Another name"}, False),
    ],
)
async def test_a_change_that_puts_another_behind_the_app_ends_what_it_was_granted(
    open_broker: Broker, change: dict[str, Any], ends: bool
) -> None:
    told = await register(open_broker)
    async with open_broker.browser() as browser:
        landed = await sign_in(browser, told, scope="openid profile offline_access")
        _, tokens = await redeem(browser, told, landed.code)
        unspent = await sign_in(browser, told)
        body = APP | change | {"client_id": told.body["client_id"]}
        changed = await call("PUT", told.uri, token=told.token, body=body)
        assert changed.status == 200
        assert (await browser.userinfo(tokens["access_token"]))[0] == (401 if ends else 200)
        secret = changed.body.get("client_secret")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        form["client_id"] = told.body["client_id"]
        if secret is not None:
            assert len(secret) == 43
            assert (await browser.post("/token", form, client=None))[0] == 401
            form["client_secret"] = secret
        status, body = await browser.post("/token", form, client=None)
        assert (status, body.get("error")) == ((400, "invalid_grant") if ends else (200, None))
        proof = {"client_secret": secret} if secret is not None else {}
        assert (await redeem(browser, told, unspent.code, **proof))[0] == (400 if ends else 200)


@pytest.mark.row("RG-09")
async def test_an_app_that_gives_its_secret_up_loses_what_it_had_with_it(open_broker: Broker) -> None:
    told = await register(open_broker, token_endpoint_auth_method="client_secret_post")
    client_id, secret = told.body["client_id"], told.body["client_secret"]
    async with open_broker.browser() as browser:
        landed = await sign_in(browser, told, scope="openid profile offline_access")
        _, tokens = await redeem(browser, told, landed.code, client_secret=secret)
        unspent = await sign_in(browser, told)
        changed = await call("PUT", told.uri, token=told.token, body=APP | {"client_id": client_id})
        assert (changed.status, changed.body["token_endpoint_auth_method"]) == (200, "none")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        status, body = await browser.post("/token", form | {"client_id": client_id}, client=None)
        assert (status, body["error"]) == (400, "invalid_grant")
        status, body = await redeem(browser, told, unspent.code)
        assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.row("RG-13")
@pytest.mark.standard("RFC 7592", "§2.3 delete")
async def test_with_the_registration_everything_that_it_had_is_gone(open_broker: Broker) -> None:
    told = await register(open_broker)
    async with open_broker.browser() as browser:
        landed = await sign_in(browser, told, scope="openid profile offline_access")
        _, tokens = await redeem(browser, told, landed.code)
        unspent = await sign_in(browser, told)
        waiting = await browser.authorize(**asked(told))
        assert "Stranger" in (await browser.go(f"{open_broker.issuer}/account")).body
        assert (await call("DELETE", told.uri, token=told.token)).status == 204
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        form = {
            "grant_type": "refresh_token",
            "refresh_token": tokens["refresh_token"],
            "client_id": told.body["client_id"],
        }
        assert (await browser.post("/token", form, client=None))[0] == 401
        assert (await redeem(browser, told, unspent.code))[0] == 401
        assert (await browser.answer_consent(waiting)).status == 400
        assert (await browser.authorize(**asked(told))).status == 400
        account = await browser.go(f"{open_broker.issuer}/account")
        assert "Stranger" not in account.body
        assert told.body["client_id"] not in account.body
        subject = claims(tokens["id_token"])["sub"]
        consents = await open_broker.services.store.list_consents(subject)
        assert told.body["client_id"] not in {one.client_id for one in consents}
    assert (await call("GET", told.uri, token=told.token)).status == 401


# ── scripts ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_script_may_call_from_where_its_app_registered_and_from_nowhere_else(
    open_broker: Broker,
) -> None:
    async def allowed(path: str, origin: str) -> bool:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with open_broker.browser() as browser:
            answer = await browser.step("OPTIONS", open_broker.issuer + path, headers=headers)
        return answer.headers.get("Access-Control-Allow-Origin") == origin

    assert not await allowed("/token", "https://stranger.example")
    await register(open_broker)
    await register(
        open_broker,
        redirect_uris=["https://secret.example/"],
        token_endpoint_auth_method="client_secret_basic",
    )
    assert await allowed("/token", "https://stranger.example")
    assert await allowed("/userinfo", "https://stranger.example")
    assert not await allowed("/token", "https://secret.example")
    assert not await allowed("/token", "https://nobody.example")
    assert not await allowed("/authorize", "https://stranger.example")
    for path in ("/register", "/.well-known/oauth-authorization-server", "/jwks"):
        assert await allowed(path, "https://nobody.example")
    assert not await allowed("/register", "null")


@pytest.mark.row("RG-01")
async def test_without_registration_no_script_of_a_stranger_reads_anything(broker: Broker) -> None:
    async with broker.browser() as browser:
        headers = {"Origin": "https://nobody.example"}
        for path in ("/register", "/.well-known/openid-configuration", "/jwks", "/token"):
            answer = await browser.step("OPTIONS", broker.issuer + path, headers=headers)
            assert "Access-Control-Allow-Origin" not in answer.headers


# ── how it proves who it is ───────────────────────────────────────────────────────────────────────


async def redeemed_by(broker: Broker, told: Told, assertion: str) -> tuple[int, dict[str, Any]]:
    async with broker.browser() as browser:
        landed = await sign_in(browser, told)
        return await browser.token(
            landed.code,
            client=None,
            redirect_uri=STRANGER,
            client_assertion=assertion,
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )


def said_of_itself(broker: Broker, told: Told) -> dict[str, Any]:
    name, now = told.body["client_id"], int(broker.clock())
    return {"iss": name, "sub": name, "aud": broker.issuer, "iat": now, "exp": now + 60, "jti": "one"}


@pytest.mark.standard("RFC 7591", "§2 an app that registers its own keys")
async def test_an_app_proves_itself_by_the_keys_that_it_registered(open_broker: Broker) -> None:
    key, other = SigningKey.generate("ES256"), SigningKey.generate("ES256")
    told = await register(
        open_broker, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.public_jwk()]}
    )
    assert told.status == 201
    assert "client_secret" not in told.body
    said = said_of_itself(open_broker, told)
    assert (await redeemed_by(open_broker, told, sign(other, said, typ="JWT")))[0] == 401
    assert (await redeemed_by(open_broker, told, sign(key, said, typ="JWT")))[0] == 200


@pytest.mark.standard("OpenID Core", "§9 client_secret_jwt, by a secret that registration gave")
async def test_an_app_proves_itself_by_signing_with_its_secret(start: Start) -> None:
    methods = {"token_endpoint_auth_methods": ["client_secret_jwt"]}
    broker = await start(top={"registration": {"policy": "open"} | methods})
    assert (await register(broker)).body["error"] == "invalid_client_metadata"  # none is not given here
    told = await register(
        broker, token_endpoint_auth_method="client_secret_jwt", token_endpoint_auth_signing_alg="HS256"
    )
    said = said_of_itself(broker, told)
    assert (await redeemed_by(broker, told, sign_with_secret("x" * 43, said)))[0] == 401
    assert (await redeemed_by(broker, told, sign_with_secret(told.body["client_secret"], said)))[0] == 200
    read = await call("GET", told.uri, token=told.token)
    assert "client_secret" not in read.body


@pytest.mark.row("RG-06")
async def test_what_registers_in_one_workspace_is_nobody_in_another(start: Start) -> None:
    connectors = {"members": {"type": "pool", "name": "Members"}}
    spaces = {
        name: {"connectors": connectors, "registration": {"policy": policy}}
        for name, policy in (("acme", "open"), ("globex", "off"))
    }
    broker = await start(top={"workspaces": spaces})
    acme, globex = f"{broker.issuer}/t/acme", f"{broker.issuer}/t/globex"
    told = await call("POST", f"{acme}/register", body=APP)
    assert told.status == 201
    assert told.uri.startswith(f"{acme}/register/broker.app.")
    assert (await call("GET", told.uri, token=told.token)).status == 200
    for issuer in (broker.issuer, globex):
        foreign = told.uri.replace(acme, issuer)
        assert (await call("GET", foreign, token=told.token)).status == 401
        assert (await call("POST", f"{issuer}/register", body=APP)).status == 404
        async with broker.browser() as browser:
            name = told.body["client_id"]
            page = await browser.step("GET", f"{issuer}/authorize?client_id={name}&redirect_uri={STRANGER}")
            assert page.status == 400


@pytest.mark.row("RG-01")
async def test_who_came_while_they_could_stays_and_nobody_else_comes(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    async with running_broker(idp, store_config, tmp_path, top=OPEN) as broker:
        told = await register(broker)
    async with running_broker(idp, store_config, tmp_path) as broker, broker.browser() as browser:
        assert (await register(broker)).status == 404
        landed = await sign_in(browser, told)
        assert (await redeem(browser, told, landed.code))[0] == 200
        headers = {"Origin": "https://stranger.example", "Access-Control-Request-Method": "POST"}
        answer = await browser.step("OPTIONS", f"{broker.issuer}/token", headers=headers)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://stranger.example"
        renamed = told.uri.rpartition("/")[2]
        assert (await call("DELETE", f"{broker.issuer}/register/{renamed}", token=told.token)).status == 204
        assert (await browser.authorize(**asked(told))).status == 400


@pytest.mark.row("UP-03")
@pytest.mark.standard("OpenID Core", "§8.1 a sector identifier names every redirect_uri")
async def test_a_sector_is_only_whose_document_says_so(open_broker: Broker) -> None:
    uris = [STRANGER, "https://other.example/cb"]
    said: dict[str, Any] = {"/all": uris, "/one": uris[:1], "/object": {"uris": uris}}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(said[request.path])

    app = web.Application()
    app.router.add_get("/{name}", answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        at = f"http://127.0.0.1:{server.port}"
        pairwise = {"subject_type": "pairwise", "redirect_uris": uris}
        told = await register(open_broker, **pairwise)
        assert told.body["error"] == "invalid_client_metadata"
        for path in ("/one", "/object", "/nothing"):
            told = await register(open_broker, **pairwise, sector_identifier_uri=at + path)
            assert told.body["error"] == "invalid_client_metadata"
        for inner in ("https://10.0.0.1/all", "https://169.254.169.254/all", "http://127.0.0.1:1/all"):
            told = await register(open_broker, **pairwise, sector_identifier_uri=inner)
            assert told.body["error"] == "invalid_client_metadata"
        told = await register(open_broker, **pairwise, sector_identifier_uri=f"{at}/all")
        assert (told.status, told.body["subject_type"]) == (201, "pairwise")
        said["/all"] = uris[:1]  # nobody is of a sector on the word of what it said before
        late = await register(open_broker, **pairwise, sector_identifier_uri=f"{at}/all")
        assert (late.status, late.body.get("error")) == (400, "invalid_client_metadata")
        public = await register(open_broker)
        async with open_broker.browser() as browser:
            subjects = set()
            for one in (told, public):
                landed = await sign_in(browser, one)
                _, tokens = await redeem(browser, one, landed.code)
                subjects.add(claims(tokens["id_token"])["sub"])
            assert len(subjects) == 2
    finally:
        await server.close()
