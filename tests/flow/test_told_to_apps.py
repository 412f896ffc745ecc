"""What a developer hears who did something wrong: the error of the standard, and words that say what to mend.

Nothing is said here that whoever asks may not know: an unknown, foreign, expired or spent code stays one body
(`tests.flow.test_attacks`), and so does a client that is not who it says.
"""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest

from tests.flow.broker import CHALLENGE, Broker, Browser
from tests.flow.machines import entry
from tests.flow.proofs import Prover, send

PAY = {
    "description": "Pay",
    "fields": {"amount": {"type": "object", "fields": {"value": {"type": "string"}}}},
}
NIGHTLY = entry("Nightly", "client_credentials", scope="groups")
TELLABLE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")


async def pushed(browser: Browser, **changes: str | None) -> dict[str, Any]:
    asked = {
        "redirect_uri": "https://billing.example/callback",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    status, told = await browser.post("/par", asked)
    assert status == 400
    return told


@pytest.mark.standard("RFC 6749", "§5.2 error_description helps the developer")
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"scope": None}, "invalid_scope", "scope is missing."),
        ({"scope": "nope never"}, "invalid_scope", "None of the scopes is known here."),
        ({"scope": "openid address"}, "invalid_scope", "The scope address is not assigned to this client."),
        ({"request": "x"}, "request_not_supported", "The client has no keys that a request is signed by."),
    ],
)
async def test_a_request_that_is_wrong_is_told_what_is(
    broker: Broker, changes: dict[str, str | None], error: str, said: str
) -> None:
    async with broker.browser() as browser:
        assert await pushed(browser, **changes) == {"error": error, "error_description": said}


async def test_a_parameter_that_repeats_is_named_where_its_name_can_be_said(broker: Broker) -> None:
    async with broker.browser() as browser:
        for name, said in (("state", "state"), ("x" * 99, "A parameter"), ("<b>", "A parameter")):
            url = browser.authorize_url() + 2 * f"&{name}=a"
            landed = await browser.go(url)
            assert landed.params["error"] == "invalid_request"
            assert landed.params["error_description"] == f"{said} is sent more than once."


@pytest.mark.standard("RFC 7636", "§4.6 a code_verifier that does not match is invalid_grant")
async def test_who_holds_its_own_code_hears_what_does_not_fit(broker: Broker) -> None:
    async with broker.browser() as browser:
        code = (await browser.login()).code
        for changes, said in (
            ({"redirect_uri": None}, "redirect_uri is not that of the authorization request."),
            (
                {"redirect_uri": "https://billing.example/"},
                "redirect_uri is not that of the authorization request.",
            ),
            ({"code_verifier": None}, "code_verifier is missing."),
            ({"code_verifier": "short"}, "code_verifier is malformed."),
            ({"code_verifier": "w" * 50}, "code_verifier does not match the code_challenge."),
        ):
            told = await browser.token(code, **changes)
            assert told == (400, {"error": "invalid_grant", "error_description": said})
        # Somebody else who has it learns nothing, and neither does who comes too late.
        foreign = await browser.token(code, client="trusted", code_verifier="w" * 50)
        assert foreign == (400, {"error": "invalid_grant", "error_description": "The grant is not valid."})
        assert (await browser.token(code))[0] == 200


@pytest.mark.standard("RFC 9449", "§5 invalid_dpop_proof, with what is wrong")
async def test_a_proof_that_is_none_is_told_why(start) -> None:
    broker = await start(clients={"nightly": NIGHTLY | {"dpop_bound_access_tokens": True}})
    prover = Prover(broker)
    form = {"grant_type": "client_credentials"}
    now = int(broker.clock())

    async def told(proof: str | list[str] | None) -> str:
        status, body, _ = await send(broker, "/token", form, client="nightly", proof=proof)
        assert (status, body["error"]) == (400, "invalid_dpop_proof")
        return str(body["error_description"])

    assert await told(None) == "A DPoP proof is needed."
    assert await told([prover.proof(), prover.proof()]) == "Send one DPoP proof."
    for word, proof in {
        "htm": prover.proof(method="GET"),
        "htu": prover.proof("/par"),
        "iat": prover.proof(iat=now - 90),
        "jti": prover.proof(jti=None),
        "typ": prover.proof(header={"typ": "JWT"}),
        "jwk": prover.proof(header={"jwk": None}),
        "signature": prover.proof()[:-9] + "AAAAAAAAA",
        "alg": prover.proof(header={"alg": "RS256"}),
    }.items():
        said = await told(proof)
        assert re.search(rf"\b{word}\b", said), (word, said)
        assert TELLABLE.fullmatch(said)
    proof = prover.proof()
    status, _, _ = await send(broker, "/token", form, client="nightly", proof=proof)
    assert status == 200
    assert await told(proof) == "The DPoP proof was used before (jti)."


@pytest.mark.standard("RFC 7519", "§4.1.4 and §4.1.5 exp and nbf of a proof that has them")
async def test_a_proof_that_says_when_it_ends_is_held_to_it(start) -> None:
    broker = await start(clients={"nightly": NIGHTLY})
    prover, now = Prover(broker), int(broker.clock())
    form = {"grant_type": "client_credentials"}
    for changes, right in (
        ({"exp": now + 5, "nbf": now}, True),
        ({"exp": now - 20, "iat": now - 30}, False),
        ({"nbf": now + 40}, False),
        ({"exp": "soon"}, False),
    ):
        status, _, _ = await send(broker, "/token", form, client="nightly", proof=prover.proof(**changes))
        assert (status == 200) is right, changes


async def test_an_unknown_field_of_a_detail_is_said_by_where_it_is(start) -> None:
    broker = await start(
        clients={"nightly": NIGHTLY | {"authorization_details_types": ["pay"]}},
        top={"authorization_details_types": {"pay": PAY}},
    )
    async with broker.browser() as browser:
        for details, said in (
            ('[{"type":"pay","x":1}]', "pay has a field that is unknown: x."),
            ('[{"type":"pay","amount":{"val":"1"}}]', "pay.amount has a field that is unknown: val."),
            ('[{"type":"pay","amount":{"v\\u00e4l":"1"}}]', "pay.amount has a field that is unknown."),
        ):
            form = {"grant_type": "client_credentials", "authorization_details": details}
            status, told = await browser.post("/token", form, client="nightly")
            assert (status, told["error"]) == (400, "invalid_authorization_details")
            assert told["error_description"] == f"authorization_details: {said}"


@pytest.mark.standard("RFC 6750", "§3.1 insufficient_scope names the scope that is needed")
async def test_a_token_without_openid_is_told_which_scope_it_needs(start) -> None:
    broker = await start(clients={"nightly": NIGHTLY})
    async with broker.browser() as browser:
        _, body = await browser.post("/token", {"grant_type": "client_credentials"}, client="nightly")
        headers = {"Authorization": f"Bearer {body['access_token']}"}
        async with browser.session.get(f"{broker.issuer}/userinfo", headers=headers) as answer:
            assert answer.status == 403
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
            assert 'scope="openid"' in answer.headers["WWW-Authenticate"]


async def test_a_call_that_no_endpoint_takes_says_so(broker: Broker) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{broker.issuer}/token") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
            told = await answer.json()
            assert told == {"error": "invalid_request", "error_description": "This method is not taken here."}
        async with session.post(f"{broker.issuer}/register", json={}) as answer:
            assert answer.status == 404
            told = await answer.json()
            assert told["error_description"] == "There is nothing here, or it is switched off."
        async with session.post(f"{broker.issuer}/token", data={"x": "x" * 70_000}) as answer:
            assert answer.status == 413
            assert (await answer.json())["error_description"] == "The request is too large."


@pytest.mark.standard("RFC 9701", "§4 the answer as a token, to who prefers it")
async def test_introspection_goes_by_what_the_caller_prefers(broker: Broker) -> None:
    as_token = "application/token-introspection+jwt"
    basic = aiohttp.encode_basic_auth("billing", "billing-secret-of-some-length-0123456789")
    async with aiohttp.ClientSession() as session:
        for accept, kind in (
            (as_token, as_token),
            (f"application/json, {as_token}", as_token),
            (f"application/json;q=0.5, {as_token.upper()}", as_token),
            (f"application/json, {as_token};q=0.1", "application/json"),
            (f"{as_token};q=0", "application/json"),
            (f"{as_token}; q=rubbish", as_token),
            ("*/*", "application/json"),
            ("", "application/json"),
        ):
            headers = {"Authorization": basic, "Accept": accept}
            url = f"{broker.issuer}/introspect"
            async with session.post(url, data={"token": "x"}, headers=headers) as answer:
                assert answer.content_type == kind, accept
