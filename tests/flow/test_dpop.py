"""DPoP (RFC 9449): a token that belongs to a key is of no use without it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.flow.broker import Broker, Browser, claims, code_form
from tests.flow.proofs import Prover, bare, send

SPA = {"client_id": "spa", "redirect_uri": "https://spa.example/"}
OFFLINE = "openid profile email offline_access"


async def tokens(broker: Broker, browser: Browser, prover: Prover, **asked: str) -> dict[str, Any]:
    """What a whole login gives to somebody with this key."""
    landed = await browser.login(**asked)
    public = {"client_id": "spa", "redirect_uri": SPA["redirect_uri"]} if "client_id" in asked else {}
    status, body, _ = await send(
        broker,
        "/token",
        code_form(landed.code, **public),
        client=None if public else "billing",
        proof=prover.proof(),
    )
    assert status == 200, body
    return body


async def refresh(
    broker: Broker, token: str, *, proof: str | None = None, public: bool = False
) -> tuple[int, dict[str, Any], Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    if public:
        return await send(broker, "/token", form | {"client_id": "spa"}, client=None, proof=proof)
    return await send(broker, "/token", form, proof=proof)


@pytest.mark.standard("RFC 9449", "§5 token_type DPoP, and cnf in the token")
@pytest.mark.standard("RFC 9449", "§7 the proof beside the token")
@pytest.mark.standard("RFC 9449", "§6.2 introspection says cnf and token_type")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA"])
async def test_who_sends_a_proof_gets_a_token_of_its_key(start, alg: str, form: str) -> None:
    broker = await start(client={"access_token_format": form})
    prover = Prover(broker, alg)
    async with broker.browser() as browser:
        given = await tokens(broker, browser, prover)
        assert given["token_type"] == "DPoP"
        text = given["access_token"]
        if form == "jwt":
            assert claims(text)["cnf"] == {"jkt": prover.jkt}
        for method in ("GET", "POST"):
            proof = prover.proof("/userinfo", method, token=text)
            status, said, _ = await send(broker, "/userinfo", token=text, proof=proof, method=method)
            assert (status, said["email"]) == (200, "ada@people.example")
        _, told, _ = await send(broker, "/introspect", {"token": text})
        assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": prover.jkt})


@pytest.mark.row("DP-01")
@pytest.mark.standard("RFC 9449", "§7.2 no downgrade to Bearer")
async def test_a_bound_token_is_no_bearer_token(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        text = (await tokens(broker, browser, prover))["access_token"]
    proof = prover.proof("/userinfo", "GET", token=text)
    for given in (None, proof):
        status, body, headers = await send(
            broker, "/userinfo", token=text, scheme="Bearer", method="GET", proof=given
        )
        assert (status, body["error"]) == (401, "invalid_token")
        challenge = headers["WWW-Authenticate"]
        assert challenge.startswith('DPoP error="invalid_token"')
        assert 'algs="PS256 ES256 EdDSA Ed25519"' in challenge
    status, body, _ = await send(broker, "/userinfo", {"access_token": text}, client=None)
    assert (status, body["error"]) == (401, "invalid_token")
    status, body, headers = await send(broker, "/userinfo", token=text, method="GET")
    assert (status, body["error"]) == (401, "invalid_dpop_proof")
    assert headers["WWW-Authenticate"].startswith("DPoP ")
    assert (await send(broker, "/userinfo", token=text, method="GET", proof=proof))[0] == 200


async def test_an_unbound_token_is_no_token_of_a_key(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        _, given = await browser.token((await browser.login()).code)
    assert given["token_type"] == "Bearer"
    text = given["access_token"]
    proof = prover.proof("/userinfo", "GET", token=text)
    status, body, _ = await send(broker, "/userinfo", token=text, method="GET", proof=proof)
    assert (status, body["error"]) == (401, "invalid_token")
    assert (await send(broker, "/userinfo", token=text, method="GET", scheme="Bearer"))[0] == 200


def bad_proofs(prover: Prover, path: str, method: str, token: str | None) -> dict[str, str | list[str]]:
    """Everything that is wrong with a proof, one thing at a time."""
    broker, other = prover.broker, Prover(prover.broker)
    now = int(broker.clock())

    def but(**changes: Any) -> str:
        return prover.proof(path, method, token=token, **changes)

    private = json.loads(prover.key.to_json())
    good, second = but(), but()
    bad: dict[str, str | list[str]] = {
        "two": [good, second],
        "twice the same": [good, good],
        "no jwt": "rubbish",
        "empty": "",
        "unsigned": f"{good.rpartition('.')[0]}.",
        "of another signature": ".".join([*good.split(".")[:2], second.split(".")[2]]),
        "no typ": but(header={"typ": None}),
        "another typ": but(header={"typ": "JWT"}),
        "alg none": but(header={"alg": "none"}),
        "HS256": but(header={"alg": "HS256"}),
        "RS256": but(header={"alg": "RS256"}),
        "no jwk": but(header={"jwk": None}),
        "private": but(header={"jwk": bare(prover.key) | {"d": private["d"]}}),
        "oct": but(header={"jwk": {"kty": "oct", "k": "A" * 43}}),
        "of another key": but(header={"jwk": bare(other.key)}),
        "no jti": but(jti=None),
        "no htm": but(htm=None),
        "another htm": but(htm="PUT"),
        "no htu": but(htu=None),
        "another htu": but(htu=f"{broker.issuer}/elsewhere"),
        "another host": but(htu=f"https://evil.example{path}"),
        "no iat": but(iat=None),
        "iat text": but(iat=str(now)),
        "iat NaN": but(iat=float("nan")),
        "an hour ago": but(iat=now - 3600),
        "in an hour": but(iat=now + 3600),
        "a minute ago": but(iat=now - 60),
        "in a minute": but(iat=now + 60),
        "large": but(more="x" * 9000),
    }
    if token is not None:
        bad |= {
            "no ath": but(ath=None),
            "another ath": prover.proof(path, method, token="another"),
            "of a stranger": other.proof(path, method, token=token),
        }
    return bad


@pytest.mark.row("DP-02")
@pytest.mark.row("DP-03")
@pytest.mark.row("DP-05")
@pytest.mark.row("DP-09")
@pytest.mark.standard("RFC 9449", "§5 invalid_dpop_proof at the token endpoint")
async def test_a_proof_that_is_not_good_gets_no_token_and_spends_no_code(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login()).code
        for name, proof in bad_proofs(prover, "/token", "POST", None).items():
            status, body, _ = await send(broker, "/token", code_form(code), proof=proof)
            assert (status, body["error"]) == (400, "invalid_dpop_proof"), name
        status, body, _ = await send(broker, "/token", code_form(code), proof=prover.proof())
        assert (status, body["token_type"]) == (200, "DPoP")


@pytest.mark.row("DP-02")
@pytest.mark.row("DP-03")
@pytest.mark.row("DP-05")
@pytest.mark.standard("RFC 9449", "§7.1 401 with a DPoP challenge")
async def test_a_proof_that_is_not_good_opens_nothing(broker: Broker) -> None:
    prover = Prover(broker)
    broker.clock.stand()
    async with broker.browser() as browser:
        text = (await tokens(broker, browser, prover))["access_token"]
    for name, proof in bad_proofs(prover, "/userinfo", "GET", text).items():
        status, body, headers = await send(broker, "/userinfo", token=text, proof=proof, method="GET")
        assert (status, body["error"]) == (401, "invalid_dpop_proof"), name
        assert headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"'), name
    for iat in (-50, -10, 0, 10):
        proof = prover.proof("/userinfo", "GET", token=text, iat=int(broker.clock()) + iat)
        assert (await send(broker, "/userinfo", token=text, proof=proof, method="GET"))[0] == 200


@pytest.mark.row("DP-06")
@pytest.mark.standard("RFC 9449", "§11.1 a proof is good once")
async def test_of_many_who_send_one_proof_one_is_served(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        text = (await tokens(broker, browser, prover))["access_token"]
    proof = prover.proof("/userinfo", "GET", token=text)
    found = await asyncio.gather(
        *(send(broker, "/userinfo", token=text, proof=proof, method="GET") for _ in range(20))
    )
    assert sorted(status for status, _, _ in found) == [200, *[401] * 19]
    assert "proof_replayed" in broker.reasons()


@pytest.mark.row("DP-06")
async def test_a_proof_is_remembered_until_a_slower_clock_has_forgotten_it(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        text = (await tokens(broker, browser, prover))["access_token"]
        broker.clock.stand()
        proof = prover.proof("/userinfo", "GET", token=text, iat=int(broker.clock()) - 55)
        assert (await send(broker, "/userinfo", token=text, proof=proof, method="GET"))[0] == 200
    store = broker.services.store
    names = await store._wire.call("KEYS", f"{store._prefix}*once:*")
    assert min([int(await store._wire.call("PTTL", name)) for name in names]) > 8_000


# ── what the code and the refresh token are bound to ──────────────────────────────────────────


@pytest.mark.row("TK-19")
@pytest.mark.standard("RFC 9449", "§10 dpop_jkt binds the code")
async def test_a_code_that_was_asked_for_with_a_key_needs_that_key(broker: Broker) -> None:
    owner, thief = Prover(broker), Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login(dpop_jkt=owner.jkt)).code
    status, body, _ = await send(broker, "/token", code_form(code))
    assert (status, body["error"]) == (400, "invalid_dpop_proof")
    status, body, _ = await send(broker, "/token", code_form(code), proof=thief.proof())
    assert (status, body["error"]) == (400, "invalid_grant")
    status, body, _ = await send(broker, "/token", code_form(code), proof=owner.proof())
    assert (status, body["token_type"]) == (200, "DPoP")


@pytest.mark.standard("RFC 9449", "§10 dpop_jkt is a thumbprint")
@pytest.mark.parametrize("jkt", ["x", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 42 + "+"])
async def test_what_is_no_thumbprint_is_told_to_the_client(broker: Broker, jkt: str) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(dpop_jkt=jkt)
    assert landed.params["error"] == "invalid_request"


@pytest.mark.row("RT-11")
@pytest.mark.row("RT-10")
@pytest.mark.standard("RFC 9449", "§5 refresh tokens of public clients are bound to the key")
async def test_a_public_client_refreshes_with_the_key_it_began_with(broker: Broker) -> None:
    owner, thief = Prover(broker), Prover(broker)
    async with broker.browser() as browser:
        given = await tokens(broker, browser, owner, **SPA, scope=OFFLINE)
    first = given["refresh_token"]
    status, body, _ = await refresh(broker, first, public=True)
    assert (status, body["error"]) == (400, "invalid_dpop_proof")
    status, body, _ = await refresh(broker, first, public=True, proof=thief.proof())
    assert (status, body["error"]) == (400, "invalid_grant")
    status, body, _ = await refresh(broker, first, public=True, proof=owner.proof())
    assert (status, body["token_type"]) == (200, "DPoP")
    assert body["refresh_token"] != first  # and it rotates all the same
    second = body["refresh_token"]
    status, body, _ = await refresh(broker, second, public=True, proof=thief.proof())
    assert (status, body["error"]) == (400, "invalid_grant")
    assert (await refresh(broker, second, public=True, proof=owner.proof()))[0] == 200


@pytest.mark.row("RT-10")
@pytest.mark.standard("RFC 9700", "§4.14.2 refresh tokens of public clients rotate, or are bound")
async def test_a_public_client_without_a_key_has_refresh_tokens_that_rotate(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(**SPA, scope=OFFLINE)
        form = {"client_id": "spa", "redirect_uri": SPA["redirect_uri"]}
        _, given = await browser.token(landed.code, client=None, **form)
    status, body, _ = await refresh(broker, given["refresh_token"], public=True)
    assert status == 200
    assert body["refresh_token"] != given["refresh_token"]


@pytest.mark.row("RT-11")
@pytest.mark.standard("RFC 9449", "§5 a confidential client may have a new key")
async def test_a_client_with_a_secret_may_refresh_with_another_key_but_not_without_one(
    broker: Broker,
) -> None:
    first, second = Prover(broker), Prover(broker)
    async with broker.browser() as browser:
        given = await tokens(broker, browser, first, scope=OFFLINE)
    status, body, _ = await refresh(broker, given["refresh_token"])
    assert (status, body["error"]) == (400, "invalid_dpop_proof")
    status, body, _ = await refresh(broker, given["refresh_token"], proof=second.proof())
    assert (status, claims(body["access_token"])["cnf"]) == (200, {"jkt": second.jkt})


@pytest.mark.row("DP-10")
@pytest.mark.standard("RFC 9449", "§5.2 dpop_bound_access_tokens")
async def test_a_client_that_wants_bound_tokens_gets_no_other(start) -> None:
    broker = await start(client={"dpop_bound_access_tokens": True})
    prover = Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login()).code
        for more in ({}, {"token_type": "Bearer"}):
            status, body, _ = await send(broker, "/token", code_form(code, **more))
            assert (status, body["error"]) == (400, "invalid_dpop_proof")
        status, body, _ = await send(broker, "/token", code_form(code), proof=prover.proof())
        assert (status, body["token_type"]) == (200, "DPoP")


# ── nonces ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("DP-07")
@pytest.mark.standard("RFC 9449", "§8 use_dpop_nonce, and a new nonce in the header")
async def test_a_client_that_needs_a_nonce_is_given_one_and_the_next_in_time(start) -> None:
    broker = await start(client={"dpop_nonce": "required"})
    prover = Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login(scope=OFFLINE)).code
    for wrong in (None, "x", "A" * 23):
        prover.nonce = wrong
        status, body, headers = await send(broker, "/token", code_form(code), proof=prover.proof())
        assert (status, body["error"]) == (400, "use_dpop_nonce")
    prover.nonce = headers["DPoP-Nonce"]
    status, given, _ = await send(broker, "/token", code_form(code), proof=prover.proof())
    assert status == 200
    broker.clock.forward(120)
    status, given, headers = await refresh(broker, given["refresh_token"], proof=prover.proof())
    assert (status, headers["DPoP-Nonce"] != prover.nonce) == (200, True)
    broker.clock.forward(400)
    broker.clock.step(60)
    status, body, headers = await refresh(broker, given["refresh_token"], proof=prover.proof())
    assert (status, body["error"]) == (400, "use_dpop_nonce")
    prover.nonce = headers["DPoP-Nonce"]
    status, given, headers = await refresh(broker, given["refresh_token"], proof=prover.proof())
    assert (status, "DPoP-Nonce" in headers) == (200, False)


@pytest.mark.row("DP-07")
@pytest.mark.standard("RFC 9449", "§9 nonces of a resource server")
async def test_a_nonce_is_for_one_client_and_one_place(start) -> None:
    needs = {"dpop_nonce": "required"}
    broker = await start(client=needs, trusted=needs)
    prover = Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login()).code
        other = (await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb")).code
    _, _, headers = await send(broker, "/token", code_form(code), proof=prover.proof())
    prover.nonce = headers["DPoP-Nonce"]
    form = code_form(other, redirect_uri="https://trusted.example/cb")
    status, body, _ = await send(broker, "/token", form, client="trusted", proof=prover.proof())
    assert (status, body["error"]) == (400, "use_dpop_nonce")
    _, given, _ = await send(broker, "/token", code_form(code), proof=prover.proof())
    text = given["access_token"]
    proof = prover.proof("/userinfo", "GET", token=text)
    status, body, headers = await send(broker, "/userinfo", token=text, proof=proof, method="GET")
    assert (status, body["error"]) == (401, "use_dpop_nonce")
    assert headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')
    prover.nonce = headers["DPoP-Nonce"]
    proof = prover.proof("/userinfo", "GET", token=text)
    assert (await send(broker, "/userinfo", token=text, proof=proof, method="GET"))[0] == 200


@pytest.mark.row("DP-07")
async def test_a_nonce_that_is_none_of_ours_is_refused_even_where_none_is_needed(broker: Broker) -> None:
    prover = Prover(broker)
    async with broker.browser() as browser:
        code = (await browser.login()).code
    prover.nonce = "of another server"
    status, body, headers = await send(broker, "/token", code_form(code), proof=prover.proof())
    assert (status, body["error"]) == (400, "use_dpop_nonce")
    prover.nonce = headers["DPoP-Nonce"]
    assert (await send(broker, "/token", code_form(code), proof=prover.proof()))[0] == 200


# ── browsers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("WB-17")
@pytest.mark.standard("RFC 9449", "§8 the header of the nonce is readable across origins")
async def test_an_app_in_a_browser_may_send_proofs_and_read_nonces(broker: Broker) -> None:
    async with broker.browser() as browser:
        for path in ("/token", "/userinfo"):
            headers = {
                "Origin": "https://spa.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "dpop",
            }
            answer = await browser.step("OPTIONS", f"{broker.issuer}{path}", headers=headers)
            assert "DPoP" in answer.headers["Access-Control-Allow-Headers"]
            answer = await browser.step("POST", f"{broker.issuer}{path}", headers=headers, data={"a": "b"})
            assert "DPoP-Nonce" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_request_without_any_token_is_told_both_ways_to_bring_one(broker: Broker) -> None:
    status, body, headers = await send(broker, "/userinfo", client=None, method="GET")
    assert (status, body) == (401, {})
    assert headers["WWW-Authenticate"] == 'Bearer, DPoP algs="PS256 ES256 EdDSA Ed25519"'
