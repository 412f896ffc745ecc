"""Answers that are tokens: ID Tokens, userinfo and introspection, signed and encrypted to the client app."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jwcrypto.jwk import JWK

from broker.jose import DecryptionKey, KeySet, verify
from tests.flow.broker import SECRET, Broker, Browser, Clock, claims
from tests.serving import serving

API = "https://api.example"
RSA = JWK.generate(kty="RSA", size=2048, kid="rsa")
EC = JWK.generate(kty="EC", crv="P-256", kid="ec")
INTROSPECTION = "application/token-introspection+jwt"


def public(*keys: JWK) -> dict[str, Any]:
    return {"keys": [{**key.export_public(as_dict=True), "use": "enc"} for key in keys]}


class Keys:
    """Where a client app publishes its keys."""

    def __init__(self) -> None:
        self.document: Any = public(RSA, EC)
        self.status, self.asked, self.url = 200, 0, ""

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.document, status=self.status)


@pytest.fixture
async def keys():
    found = Keys()
    async with serving(found.serve, "/jwks") as origin:
        found.url = f"{origin}/jwks"
        yield found


@pytest.fixture
def start_with(start, keys):
    """A broker whose app, and whose API, have these keys."""

    async def started(api: dict[str, Any] | None = None, clock: Any = None, **client: Any) -> Broker:
        reports = {
            "client_name": "Reports",
            "redirect_uris": None,
            "grant_types": [],
            "audience": API,
            "scope": "openid",
        }
        return await start(
            client={"jwks_uri": keys.url, "audience": API} | client,
            clients={"reports": reports | {"jwks_uri": keys.url} | (api or {})},
            **({} if clock is None else {"clock": clock}),
        )

    return started


async def tokens_of(browser: Browser) -> tuple[int, dict[str, Any]]:
    landed = await browser.login(scope="openid email offline_access")
    return await browser.token(landed.code)


def opened(token: str, key: JWK, alg: str, enc: str = "A128CBC-HS256") -> str:
    """The signed token inside, as its one reader sees it."""
    assert token.count(".") == 4
    return DecryptionKey.read(key.export(private_key=True)).open(token, alg=alg, encodings=(enc,))


async def signed_by(broker: Broker, browser: Browser, token: str, typ: str = "jwt") -> dict[str, Any]:
    """What one of our published keys signed."""
    async with browser.session.get(f"{broker.issuer}/jwks") as answer:
        published = KeySet.from_jwks(await answer.json())
    return verify(token, published, algorithms=("RS256", "ES256", "EdDSA"), typ={typ})


async def get(
    browser: Browser, path: str, token: str, method: str = "GET"
) -> tuple[int, str, str, dict[str, str]]:
    headers = {"Authorization": f"Bearer {token}"}
    url = browser.broker.issuer + path
    async with browser.session.request(method, url, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.text(), dict(answer.headers)


async def introspection(
    browser: Browser, token: str, accept: str | None = INTROSPECTION, client: str = "reports"
) -> tuple[int, str, str]:
    headers = {"Authorization": aiohttp.encode_basic_auth(client, SECRET)}
    headers |= {} if accept is None else {"Accept": accept}
    url = f"{browser.broker.issuer}/introspect"
    async with browser.session.post(url, data={"token": token}, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.text()


# ── ID Tokens ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("OpenID Core", "§10.2 an encrypted ID Token is signed first")
@pytest.mark.parametrize(
    ("key", "alg", "enc"),
    [
        (RSA, "RSA-OAEP", None),
        (RSA, "RSA-OAEP-256", "A256GCM"),
        (EC, "ECDH-ES", "A256CBC-HS512"),
        (EC, "ECDH-ES+A128KW", "A128GCM"),
        (EC, "ECDH-ES+A256KW", None),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_an_id_token_is_encrypted_to_the_app_and_signed_by_us(start_with, key, alg, enc) -> None:
    how = {"id_token_encrypted_response_alg": alg}
    broker = await start_with(**how | ({"id_token_encrypted_response_enc": enc} if enc else {}))
    async with broker.browser() as browser:
        status, tokens = await tokens_of(browser)
        assert status == 200, tokens
        inner = opened(tokens["id_token"], key, alg, enc or "A128CBC-HS256")
        said = await signed_by(broker, browser, inner)
        assert (said["aud"], said["nonce"]) == ("billing", "nonce-of-the-client")
        _, later = await browser.refresh(tokens["refresh_token"])
        again = await signed_by(broker, browser, opened(later["id_token"], key, alg, enc or "A128CBC-HS256"))
        assert again["sub"] == said["sub"]


@pytest.mark.parametrize(
    ("document", "status", "error"),
    [
        ({"keys": []}, 500, "server_error"),
        ({"keys": "none"}, 500, "server_error"),
        (public(EC), 500, "server_error"),
        ([], 500, "server_error"),
        (None, 503, "temporarily_unavailable"),
    ],
    ids=["no key", "no set", "another kind", "a list", "away"],
)
async def test_without_a_key_nothing_is_spent_and_nothing_goes_out_in_the_clear(
    start_with, keys, document, status, error
) -> None:
    broker = await start_with(id_token_encrypted_response_alg="RSA-OAEP-256")
    keys.document, keys.status = document, 200 if document is not None else 503
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid email offline_access")
        got, answer = await browser.token(landed.code)
        assert (got, answer["error"]) == (status, error)
        assert "id_token" not in answer
        assert "access_token" not in answer
    assert "code_replayed" not in broker.reasons()


async def test_after_a_key_could_not_be_had_the_same_code_is_still_good(start_with, keys) -> None:
    steady = Clock()
    broker = await start_with(id_token_encrypted_response_alg="RSA-OAEP-256", clock=steady)
    keys.status = 503
    async with broker.browser() as browser:
        landed = await browser.login()
        assert (await browser.token(landed.code))[0] == 503
        assert (await browser.token(landed.code))[0] == 503  # a failure of a moment ago is not tried again
        assert keys.asked == 1
        keys.status = 200
        steady.forward(6)
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.standard("OpenID Core", "§10.2.1 keys that are encrypted to are looked for anew")
async def test_a_key_that_an_app_publishes_later_is_found_and_looked_for_once_a_minute(
    start_with, keys
) -> None:
    steady = Clock()
    broker = await start_with(id_token_encrypted_response_alg="RSA-OAEP-256", clock=steady)
    keys.document = public(EC)  # as before it wanted anything encrypted
    async with broker.browser() as browser:
        landed = await browser.login()
        for _ in range(5):
            assert (await browser.token(landed.code))[0] == 500
        asked = keys.asked
        assert asked <= 2
        keys.document = public(EC, RSA)
        assert (await browser.token(landed.code))[0] == 500
        steady.forward(61)
        assert (await browser.token(landed.code))[0] == 200
        assert keys.asked == asked + 1


@pytest.mark.row("CA-15")
@pytest.mark.parametrize("uri", ["https://169.254.169.254/jwks", "https://10.0.0.1/jwks"])
async def test_a_clients_keys_are_fetched_by_way_of_the_guard(start_with, uri) -> None:
    broker = await start_with(id_token_encrypted_response_alg="RSA-OAEP-256", jwks_uri=uri)
    async with broker.browser() as browser:
        status, answer = await tokens_of(browser)
    assert (status, answer["error"]) == (500, "server_error")
    assert any("address_not_allowed" in reason for reason in broker.reasons())


async def test_keys_are_asked_for_once_and_kept(start_with, keys) -> None:
    broker = await start_with(id_token_encrypted_response_alg="RSA-OAEP-256")
    async with broker.browser() as browser:
        for _ in range(3):
            assert (await tokens_of(browser))[0] == 200
    assert keys.asked == 1


# ── Userinfo ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RS-14")
@pytest.mark.standard("OpenID Core", "§5.3.2 a signed userinfo answer says iss and aud")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_userinfo_is_signed_for_the_app_that_wants_that(start_with, method) -> None:
    broker = await start_with(userinfo_signed_response_alg="ES256")
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        status, kind, body, headers = await get(browser, "/userinfo", tokens["access_token"], method)
        assert (status, kind) == (200, "application/jwt")
        assert headers["Cache-Control"] == "no-store"
        said = await signed_by(broker, browser, body)
    assert (said["iss"], said["aud"]) == (broker.issuer, "billing")
    assert said["sub"] == claims(tokens["id_token"])["sub"]
    assert said["email"] == "ada@people.example"
    assert "exp" not in said


@pytest.mark.row("RS-14")
@pytest.mark.standard("OpenID Core", "§5.3.2 a userinfo answer that is signed and then encrypted")
@pytest.mark.parametrize("signing", [None, "ES256"])
async def test_userinfo_is_encrypted_and_then_always_signed(start_with, signing) -> None:
    broker = await start_with(
        userinfo_encrypted_response_alg="RSA-OAEP-256", userinfo_signed_response_alg=signing
    )
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        status, kind, body, _ = await get(browser, "/userinfo", tokens["access_token"])
        assert (status, kind) == (200, "application/jwt")
        assert "ada@" not in body
        said = await signed_by(broker, browser, opened(body, RSA, "RSA-OAEP-256"))
    assert (said["iss"], said["aud"]) == (broker.issuer, "billing")


@pytest.mark.row("JW-24")
@pytest.mark.row("RS-14")
async def test_a_userinfo_answer_is_no_token_of_any_other_kind(start_with) -> None:
    broker = await start_with(userinfo_signed_response_alg="ES256", jwks_uri=None)
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        _, _, body, _ = await get(browser, "/userinfo", tokens["access_token"])
        assert (await get(browser, "/userinfo", body))[0] == 401
        _, told = await browser.post("/introspect", {"token": body})
        assert told == {"active": False}


async def test_errors_of_userinfo_stay_json(start_with) -> None:
    broker = await start_with(userinfo_signed_response_alg="ES256", jwks_uri=None)
    async with broker.browser() as browser:
        status, kind, _, _ = await get(browser, "/userinfo", "rubbish")
    assert (status, kind) == (401, "application/json")


# ── Introspection ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 9701", "§5 the answer as a token")
async def test_introspection_is_signed_for_who_asks_for_that(start_with) -> None:
    broker = await start_with(api={"introspection_signed_response_alg": "ES256"})
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        status, kind, body = await introspection(browser, tokens["access_token"])
        assert (status, kind) == (200, INTROSPECTION)
        said = await signed_by(broker, browser, body, "token-introspection+jwt")
        assert set(said) == {"iss", "aud", "iat", "token_introspection"}
        assert (said["iss"], said["aud"]) == (broker.issuer, "reports")
        told = said["token_introspection"]
        assert (told["active"], told["client_id"], told["aud"]) == (True, "billing", API)
        _, kind, body = await introspection(browser, tokens["access_token"], None)
        assert (kind, json.loads(body)) == ("application/json", told)


@pytest.mark.standard("RFC 9701", "§4 the Accept header")
@pytest.mark.parametrize(
    "accept", [INTROSPECTION, f"application/json;q=0.9, {INTROSPECTION}", INTROSPECTION.upper()]
)
async def test_the_media_type_may_stand_among_others(start_with, accept) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        assert (await introspection(browser, tokens["access_token"], accept))[1] == INTROSPECTION
        assert (await introspection(browser, tokens["access_token"], "*/*"))[1] == "application/json"


@pytest.mark.row("RS-06")
@pytest.mark.row("RS-11")
async def test_who_may_not_know_hears_only_that_it_is_not_active(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        for token, client in (("rubbish", "reports"), (tokens["access_token"], "trusted")):
            _, kind, body = await introspection(browser, token, client=client)
            assert kind == INTROSPECTION
            said = await signed_by(broker, browser, body, "token-introspection+jwt")
            assert said["token_introspection"] == {"active": False}


@pytest.mark.standard("RFC 9701", "§6 encrypted introspection answers")
@pytest.mark.parametrize("accept", [INTROSPECTION, "application/json", None])
async def test_what_an_api_wants_encrypted_is_never_sent_in_the_clear(start_with, accept) -> None:
    broker = await start_with(api={"introspection_encrypted_response_alg": "ECDH-ES"})
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        _, kind, body = await introspection(browser, tokens["access_token"], accept)
        assert kind == INTROSPECTION
        inner = opened(body, EC, "ECDH-ES")
        said = await signed_by(broker, browser, inner, "token-introspection+jwt")
    assert said["token_introspection"]["active"] is True


@pytest.mark.row("JW-24")
async def test_an_introspection_answer_is_no_token_of_any_other_kind(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, tokens = await tokens_of(browser)
        _, _, body = await introspection(browser, tokens["access_token"])
        assert (await get(browser, "/userinfo", body))[0] == 401
        _, told = await browser.post("/introspect", {"token": body}, client="reports")
        assert told == {"active": False}
        landed = await browser.authorize(prompt="none", id_token_hint=body)
        assert landed.params["error"] == "login_required"
