"""Answers to client apps as signed tokens."""

from __future__ import annotations

from typing import Any

import pytest
from jwcrypto.jwk import JWK

from broker.jose import DecryptionKey, KeySet, read
from tests.flow.broker import CALLBACK, Broker, Landed, claims
from tests.flow.signing import asked, give

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


NO_KEY = {"jwks": {"keys": []}, "authorization_encrypted_response_alg": "RSA-OAEP-256"}


@pytest.mark.standard(
    "JARM", "§2.2 what cannot be encrypted is not sent in the clear, and nobody signs in for it"
)
@pytest.mark.parametrize("mode", ["jwt", "form_post.jwt"])
async def test_who_cannot_be_answered_is_refused_before_anybody_signs_in(broker: Broker, mode) -> None:
    give(broker, **NO_KEY)
    async with broker.browser() as browser:
        page = await browser.authorize(response_mode=mode)
        assert (page.status, page.url.startswith(broker.issuer)) == (500, True)
        assert not broker.events("departure")
        assert broker.reasons() == ["encryption_no_encryption_key"]
        wrong = await browser.authorize(
            response_mode=mode, scope="phone"
        )  # nor is what is wrong told in the clear
        assert (wrong.status, wrong.url.startswith(broker.issuer)) == (500, True)
        assert broker.reasons()[1:] == ["scope_not_assigned", "encryption_no_encryption_key"]
        # Whoever asks for an answer in the clear does not need the key.
        assert (await browser.login()).code


@pytest.mark.standard("RFC 9126", "§2.3 who pushes hears what is wrong")
async def test_who_pushes_hears_that_it_cannot_be_answered(broker: Broker) -> None:
    give(broker, **NO_KEY)
    async with broker.browser() as browser:
        status, told = await browser.post("/par", asked(response_mode="jwt"))
        assert (status, told["error"]) == (500, "server_error")
        assert "request_uri" not in told


async def test_keys_that_cannot_be_had_now_are_told_as_trouble_that_passes(broker: Broker) -> None:
    give(broker, **NO_KEY | {"jwks": None, "jwks_uri": "http://127.0.0.1:9/jwks"})
    async with broker.browser() as browser:
        status, told = await browser.post("/par", asked(response_mode="jwt"))
        assert (status, told["error"]) == (503, "temporarily_unavailable")
        assert (await browser.authorize(response_mode="jwt")).status == 503


async def test_a_key_that_goes_while_a_person_decides_costs_no_code(broker: Broker) -> None:
    own = JWK.generate(kty="RSA", size=2048, use="enc", alg="RSA-OAEP-256", kid="for-answers")
    keys = {"keys": [own.export_public(as_dict=True)]}
    give(broker, jwks=keys, authorization_encrypted_response_alg="RSA-OAEP-256")
    async with broker.browser() as browser:
        page = await browser.authorize(response_mode="jwt")
        give(broker, **NO_KEY)
        landed = await browser.answer_consent(page)
        assert landed.status == 500
        assert "response" not in landed.url
        assert not broker.events("code")
        assert "encryption_no_encryption_key" in broker.reasons()
