"""Answers to client apps as signed tokens."""

from __future__ import annotations

from typing import Any

import pytest
from jwcrypto.jwk import JWK

from broker.jose import DecryptionKey, KeySet, read
from tests.flow.broker import CALLBACK, Broker, Landed, claims
from tests.flow.signing import give

pytestmark = pytest.mark.standard("JARM", "§2 the answer is one signed token")


def answered(broker: Broker, token: str, *, alg: str = "RS256") -> dict[str, Any]:
    """What the answer says, verified as a client app does."""
    keys = KeySet.from_jwks(broker.services.keys.jwks())
    said = read(token, keys, algorithms={alg}, typ={"jwt"}).claims
    assert (said["iss"], said["aud"]) == (broker.issuer, "billing")
    assert 0 < said["exp"] - broker.clock() <= 600
    return said


@pytest.mark.standard("JARM", "§2.3.1 query.jwt, and §2.3.4 jwt")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
async def test_a_code_comes_in_a_signed_token(broker: Broker, mode) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(response_mode=mode)
        assert landed.url.startswith(CALLBACK)
        assert set(landed.params) == {"response"}
        said = answered(broker, landed.params["response"])
        assert set(said) == {"iss", "aud", "exp", "code", "state"}
        assert said["state"] == "state-of-the-client"
        assert (await browser.token(said["code"]))[0] == 200


@pytest.mark.standard("JARM", "§2.3.3 form_post.jwt")
async def test_a_form_carries_the_token(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(response_mode="form_post.jwt")
        posted = await browser.answer_consent(page)
        assert f'action="{CALLBACK}"' in posted.body
        said = answered(broker, posted.field("response"))
        assert (await browser.token(said["code"]))[0] == 200


@pytest.mark.standard("JARM", "§2.1 errors are signed too")
async def test_an_error_comes_in_a_signed_token(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(response_mode="jwt", prompt="none")
        said = answered(broker, landed.params["response"])
        assert (said["error"], said["state"]) == ("login_required", "state-of-the-client")
        assert "code" not in said


@pytest.mark.standard("JARM", "§3 authorization_signed_response_alg")
async def test_it_is_signed_as_the_client_has_registered(broker: Broker) -> None:
    give(broker, authorization_signed_response_alg="ES256")
    async with broker.browser() as browser:
        landed = await browser.login(response_mode="jwt")
        assert answered(broker, landed.params["response"], alg="ES256")["code"]


@pytest.mark.row("AZ-14")
@pytest.mark.parametrize("mode", ["fragment.jwt", "fragment", "web_message", "query.JWT", "jwt.query"])
async def test_a_mode_that_a_code_is_not_answered_by_is_refused_in_the_query(broker: Broker, mode) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(response_mode=mode)
        assert landed.params["error"] == "invalid_request"


@pytest.mark.row("AZ-26")
async def test_the_answer_is_no_token_of_another_kind(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed: Landed = await browser.login(response_mode="jwt")
        text = landed.params["response"]
        assert (await browser.userinfo(text))[0] == 401
        assert (await browser.post("/introspect", {"token": text}))[1] == {"active": False}
        again = await browser.authorize(prompt="none", id_token_hint=text)
        assert again.params["error"] == "login_required"
        assert "sub" not in claims(text)


@pytest.mark.standard("JARM", "§2.2 signed and then encrypted, to the client's own key")
async def test_it_is_encrypted_to_the_key_of_a_client_that_wants_that(broker: Broker) -> None:
    own = JWK.generate(kty="RSA", size=2048, use="enc", alg="RSA-OAEP-256", kid="for-answers")
    keys = {"keys": [own.export_public(as_dict=True)]}
    give(broker, jwks=keys, authorization_encrypted_response_alg="RSA-OAEP-256")
    private = DecryptionKey.read(own.export_private())
    async with broker.browser() as browser:
        landed = await browser.login(response_mode="jwt")
        sealed = landed.params["response"]
        inner = private.open(sealed, alg="RSA-OAEP-256", encodings=["A128CBC-HS256"])
        assert (await browser.token(answered(broker, inner)["code"]))[0] == 200
        refused = await browser.authorize(response_mode="jwt", scope="phone")
        inner = private.open(refused.params["response"], alg="RSA-OAEP-256", encodings=["A128CBC-HS256"])
        assert answered(broker, inner)["error"] == "invalid_scope"


async def test_a_client_whose_key_is_gone_gets_nothing_in_the_clear(broker: Broker) -> None:
    give(broker, jwks={"keys": []}, authorization_encrypted_response_alg="RSA-OAEP-256")
    async with broker.browser() as browser:
        page = await browser.authorize(response_mode="jwt")
        landed = await browser.answer_consent(page)
        assert landed.status == 500
        assert "code" not in landed.url
        assert "response" not in landed.url
