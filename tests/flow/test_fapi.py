"""FAPI 2.0, Security Profile and Message Signing: one switch for a client app, and everything follows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from broker.jose import SigningKey
from broker.kit.forging import b64
from tests.flow import fapi
from tests.flow.broker import CALLBACK, SECRET, Broker
from tests.flow.fapi import KEY, FapiClient, entry
from tests.flow.proofs import Prover, send
from tests.flow.signing import REQUEST_TYP, give

PROFILES = ("fapi2_security", "fapi2_message_signing")
SECURITY = pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2 what the profile demands of us")


@pytest.fixture(params=PROFILES)
def profile(request) -> str:
    return request.param


@pytest.fixture
async def client(start, tmp_path: Path, profile: str) -> FapiClient:
    """A client app under the profile, of which only the switch, its method and its keys are written."""
    api = {
        "client_name": "An API",
        "grant_types": [],
        "redirect_uris": [],
        "audience": "https://bank.example",
        "scope": None,
        "client_secret": SECRET,
    }
    broker = await start(
        clients={"bank": entry(tmp_path, profile, audience="https://bank.example"), "api": api},
        top={"lifetimes": {"code": "10m", "par": "10m"}},
    )
    return FapiClient(broker, signs=profile == "fapi2_message_signing")


@SECURITY
@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3 to §5.4 a whole flow, requests and answers signed")
async def test_a_whole_flow_holds_before_a_strict_client(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        found = await client.redeem(await client.login(browser))
        status, person = await client.userinfo(found["access_token"])
        assert status == 200
        assert person["sub"]


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 refresh tokens do not rotate")
async def test_a_refresh_token_stays_the_same_however_often_it_is_used(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        found = await client.redeem(await client.login(browser))
        for _ in range(3):
            again = await client.refresh(found["refresh_token"])
            assert again["refresh_token"] == found["refresh_token"]
            assert again["access_token"] != found["access_token"]
        many = await asyncio.gather(*(client.refresh(found["refresh_token"]) for _ in range(10)))
        assert {one["refresh_token"] for one in many} == {found["refresh_token"]}
        client.broker.clock.forward(15 * 86400)  # longer than it may lie idle
        form = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
        assert (await client.token(form))[1]["error"] == "invalid_grant"


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.2 a code lives a minute at most")
async def test_a_code_is_good_for_a_minute_whatever_others_have(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        code = await client.login(browser)
        client.broker.clock.forward(61)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        status, told = await client.token(form | {"code_verifier": client.verifier})
        assert (status, told["error"]) == (400, "invalid_grant")


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.2 a pushed request lives less than ten minutes")
async def test_a_pushed_request_is_soon_over_whatever_others_have(client: FapiClient) -> None:
    status, told = await client.push()
    assert (status, 0 < told["expires_in"] < 600) == (201, True)


@pytest.mark.row("PR-09")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.2 nothing is taken but a pushed request")
async def test_a_request_that_was_not_pushed_is_refused(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        landed = await browser.authorize(**client.request())
        assert client.answered(landed)["error"] == "invalid_request"
        signed = client.signed(REQUEST_TYP, client.request())
        landed = await browser.authorize(**client.request(), request=signed)
        assert client.answered(landed)["error"] == "invalid_request"


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.2 PKCE with S256")
@pytest.mark.parametrize(
    "change",
    [{"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}],
)
async def test_a_request_without_a_challenge_is_refused(client: FapiClient, change) -> None:
    status, told = await client.push(**change)
    assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.standard(
    "FAPI 2.0 Security Profile", "§5.3.2.1 the aud of an assertion is the issuer, as a string"
)
@pytest.mark.parametrize("audience", ["/token", "/par", "list", "/"])
@pytest.mark.row("CA-09")
async def test_an_assertion_is_for_the_issuer_alone(client: FapiClient, audience) -> None:
    issuer = client.broker.issuer
    said: Any = [issuer] if audience == "list" else issuer + audience
    form = client.proven(client.request(), aud=said)
    status, told, _ = await send(client.broker, "/par", form, client=None)
    assert (status, told["error"]) == (401, "invalid_client")


@pytest.mark.standard(
    "FAPI 2.0 Security Profile", "§5.3.2.1 ten seconds into the future are accepted, sixty are not"
)
@pytest.mark.parametrize(("ahead", "right"), [(10, True), (60, False)])
async def test_a_clock_that_is_a_little_ahead_is_believed(client: FapiClient, ahead, right) -> None:
    now = int(client.broker.clock()) + ahead
    form = client.request()
    if client.signs:
        form = {"client_id": client.client_id, "request": client.signed(REQUEST_TYP, form)}
    for changes in ({"iat": now}, {"nbf": now}):
        sent = client.proven(form, exp=now + 60, **changes)
        status, told, _ = await send(client.broker, "/par", sent, client=None)
        assert (status == 201) is right, told
    proof = client.prover.proof("/par", iat=now)
    status, told, _ = await send(client.broker, "/par", client.proven(form), client=None, proof=proof)
    assert (status == 201) is right, told
    if client.signs:
        early = {
            "client_id": client.client_id,
            "request": client.signed(REQUEST_TYP, client.request(), nbf=now),
        }
        status, told, _ = await send(client.broker, "/par", client.proven(early), client=None)
        assert (status == 201) is right, told


@pytest.mark.row("RT-11")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 only sender-constrained access tokens")
async def test_no_token_is_given_without_a_key_nor_to_another(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        code = await client.login(browser)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        form["code_verifier"] = client.verifier
        status, told = await client.token(form, proof=None)
        assert (status, told["error"]) == (400, "invalid_dpop_proof")
        stranger = Prover(client.broker)  # the request was pushed with another key
        status, told = await client.token(form, proof=stranger.proof())
        assert status == 400
        assert told["error"] in ("invalid_grant", "invalid_dpop_proof")
        found = await client.redeem(code)
        bearer = await browser.userinfo(found["access_token"])
        assert bearer[0] == 401


@pytest.mark.row("PR-11")
async def test_what_is_signed_by_rs256_is_not_believed(client: FapiClient, monkeypatch) -> None:
    weak = SigningKey.generate("RS256")
    both = {"keys": [fapi.KEY.public_jwk(), weak.public_jwk()]}
    give(client.broker, "bank", jwks=both)
    monkeypatch.setattr(fapi, "KEY", weak)
    status, told = await client.push()
    assert (status, told["error"]) == (401, "invalid_client")


@SECURITY
async def test_redirects_are_made_by_303(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        _, told = await client.push()
        url = f"{client.broker.issuer}/authorize?client_id=bank&request_uri={told['request_uri']}"
        assert (await browser.step("GET", url)).status == 303


async def signing(start, tmp_path: Path) -> FapiClient:
    broker = await start(clients={"bank": entry(tmp_path, "fapi2_message_signing")})
    return FapiClient(broker, signs=True)


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3 every request is signed")
async def test_under_message_signing_an_unsigned_request_is_refused(start, tmp_path: Path) -> None:
    client = await signing(start, tmp_path)
    status, told, _ = await send(client.broker, "/par", client.proven(client.request()), client=None)
    assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3.1 exp and nbf, an hour apart at most, and the type")
@pytest.mark.parametrize(
    "change", [{"exp": None}, {"nbf": None}, {"exp": 7200}, {"nbf": -3700}, {"typ": "JWT"}]
)
async def test_under_message_signing_a_request_is_short_lived_and_says_what_it_is(
    start, tmp_path, change
) -> None:
    client = await signing(start, tmp_path)
    typ = change.get("typ", REQUEST_TYP)
    now = int(client.broker.clock())
    times = {n: None if v is None else now + v for n, v in change.items() if n != "typ"}
    form = {"client_id": "bank", "request": client.signed(typ, client.request(), **times)}
    status, told, _ = await send(client.broker, "/par", client.proven(form), client=None)
    assert (status, told["error"]) == (400, "invalid_request_object")


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3.1 the type in any case, or none")
@pytest.mark.parametrize("typ", [None, "OAuth-Authz-Req+JWT", "application/oauth-authz-req+jwt"])
async def test_under_message_signing_a_request_may_be_without_a_type(start, tmp_path, typ) -> None:
    client = await signing(start, tmp_path)
    _, said, _ = client.signed(REQUEST_TYP, client.request()).split(".")
    header = {"alg": KEY.alg, "kid": KEY.kid} | ({} if typ is None else {"typ": typ})
    message = f"{b64(json.dumps(header).encode())}.{said}"
    signed = f"{message}.{b64(KEY.signature(message.encode(), KEY.alg))}"
    form = client.proven({"client_id": "bank", "request": signed})
    status, told, _ = await send(client.broker, "/par", form, client=None)
    assert status == 201, told


@pytest.mark.standard("RFC 9101", "§4 aud may name others beside us")
@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3.1 a request of a clock that is a little ahead")
async def test_under_message_signing_a_request_may_name_others_and_begin_in_a_moment(
    start, tmp_path: Path
) -> None:
    broker = await start(clients={"bank": entry(tmp_path, "fapi2_message_signing")})
    client, now = FapiClient(broker, signs=True), int(broker.clock())
    for members, right in (
        ({"aud": [broker.issuer, "https://other.example"]}, True),
        ({"aud": ["https://other.example"]}, False),
        ({"nbf": now + 8, "iat": now + 8}, True),
    ):
        pushed = client.signed(REQUEST_TYP, client.request(), **members)
        form = client.proven({"client_id": "bank", "request": pushed})
        status, _, _ = await send(broker, "/par", form, client=None)
        assert status == (201 if right else 400)


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.4 every answer is signed")
@pytest.mark.parametrize("mode", [None, "query", "form_post"])
async def test_under_message_signing_no_answer_is_unsigned(start, tmp_path: Path, mode) -> None:
    client = await signing(start, tmp_path)
    status, told = await client.push(response_mode=mode)
    assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.5 introspection is answered by a signed token")
async def test_an_api_hears_of_a_token_by_a_signed_token(client: FapiClient) -> None:
    async with client.broker.browser() as browser:
        found = await client.redeem(await client.login(browser))
        headers = {"Accept": "application/token-introspection+jwt"}
        headers["Authorization"] = aiohttp.encode_basic_auth("api", SECRET)
        url = f"{client.broker.issuer}/introspect"
        landed = await browser.step("POST", url, data={"token": found["access_token"]}, headers=headers)
        assert landed.headers["Content-Type"].startswith("application/token-introspection+jwt")


async def test_what_the_profile_turns_on_is_on(client: FapiClient, profile: str) -> None:
    broker: Broker = client.broker
    bank = broker.services.clients.configured["bank"]
    assert bank.require_pkce
    assert bank.require_pushed_authorization_requests
    assert bank.dpop_bound_access_tokens
    assert bank.require_signed_request_object is (profile == "fapi2_message_signing")
    assert bank.id_token_signed_response_alg == bank.access_token_signing_alg == "ES256"


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.4.1 nothing is signed but by PS256, ES256 or EdDSA")
@pytest.mark.parametrize("mode", ["jwt", "form_post.jwt"])
async def test_nothing_of_ours_is_signed_by_rs256_whoever_wants_it(
    start, tmp_path: Path, profile, mode
) -> None:
    api = "https://api.example"
    bank = entry(
        tmp_path,
        profile,
        userinfo_encrypted_response_alg="RSA-OAEP-256",
        introspection_signed_response_alg=None,
    )
    top = {"resources": {api: {"name": "An old API", "access_token_signing_alg": "RS256"}}}
    broker = await start(clients={"bank": bank}, top=top)
    client = FapiClient(broker, signs=profile == "fapi2_message_signing")
    async with broker.browser() as browser:
        _, told = await client.push(response_mode=mode, resource=api)
        page = await browser.go(f"{broker.issuer}/authorize?client_id=bank&request_uri={told['request_uri']}")
        landed = await browser.answer_consent(page)
        answer = landed.field("response") if mode == "form_post.jwt" else landed.params["response"]
        found = await client.redeem(client.verified(answer, typ="jwt")["code"])
        assert client.verified(found["access_token"], typ="at+jwt")["aud"] == api
    bank_now = broker.services.clients.configured["bank"]
    assert bank_now.userinfo_signed_response_alg in fapi.ALGORITHMS
    assert bank_now.introspection_signed_response_alg in fapi.ALGORITHMS
