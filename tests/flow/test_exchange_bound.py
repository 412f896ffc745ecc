"""Token exchange and keys: what belongs to a key is not exchanged for what belongs to nobody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flow.broker import CALLBACK, VERIFIER, Broker, Browser, claims
from tests.flow.machines import API, EXCHANGE, SCOPES, TYPE
from tests.flow.proofs import Prover, send

ASKED = "openid email offline_access reports.read"
UPSTREAM = "connector:staff"


@pytest.fixture
async def broker(start) -> Broker:
    """An app that may exchange its own tokens, also for the upstream's."""
    policy = {"subject_tokens": ["access_token", "id_token"], "audiences": [API], "upstream_token": True}
    return await start(
        top={"scopes": SCOPES},
        connector={"give_token": True},
        client={
            "scope": ASKED,
            "grant_types": ["authorization_code", "refresh_token", EXCHANGE],
            "token_exchange": policy,
        },
    )


async def bound_tokens(broker: Broker, browser: Browser, prover: Prover) -> dict[str, Any]:
    """What a login gives to whoever has this key."""
    landed = await browser.login(scope=ASKED)
    form = {
        "grant_type": "authorization_code",
        "code": landed.code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    status, body, _ = await send(broker, "/token", form, proof=prover.proof())
    assert status == 200, body
    return body


def exchange(token: str, kind: str, audience: str = API) -> dict[str, str]:
    form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": TYPE + kind}
    return form | {"audience": audience}


@pytest.mark.row("DP-01")
@pytest.mark.row("TX-05")
@pytest.mark.standard("RFC 9449", "§5 what belongs to a key is not exchanged for what belongs to nobody")
@pytest.mark.parametrize("kind", ["access_token", "id_token"])
@pytest.mark.parametrize("audience", [API, UPSTREAM])
async def test_an_app_cannot_exchange_its_own_bound_token_for_one_without_a_key(
    broker: Broker, kind: str, audience: str
) -> None:
    prover, other = Prover(broker), Prover(broker)
    async with broker.browser() as browser:
        given = await bound_tokens(broker, browser, prover)
    form = exchange(given[kind], kind, audience)
    status, body, _ = await send(broker, "/token", form)
    assert (status, body["error"]) == (400, "invalid_dpop_proof")
    # The app is known by its secret, and may have a new key (RFC 9449 §5).
    status, body, _ = await send(broker, "/token", form, proof=other.proof())
    assert status == 200, body
    if audience == API:
        assert claims(body["access_token"])["cnf"] == {"jkt": other.jkt}


@pytest.mark.standard("RFC 9449", "§7.1 whoever uses the scheme is answered in it")
@pytest.mark.parametrize("text", ["rubbish", "a.b.c", "one that has ended"])
async def test_a_token_of_a_key_that_is_no_good_is_refused_in_its_own_scheme(
    broker: Broker, text: str
) -> None:
    prover = Prover(broker)
    if text == "one that has ended":
        async with broker.browser() as browser:
            text = (await bound_tokens(broker, browser, prover))["access_token"]
        broker.clock.forward(3600)
    proof = prover.proof("/userinfo", "GET", token=text)
    status, body, headers = await send(broker, "/userinfo", token=text, method="GET", proof=proof)
    assert (status, body["error"]) == (401, "invalid_token")
    assert headers["WWW-Authenticate"].startswith('DPoP error="invalid_token"')


@pytest.mark.standard("RFC 9449", "§5.2 an app that wants bound tokens proves its key at every token request")
async def test_an_app_that_wants_bound_tokens_proves_its_key_for_the_upstreams_token_too(start) -> None:
    broker = await start(
        connector={"give_token": True},
        client={
            "grant_types": ["authorization_code", EXCHANGE],
            "token_exchange": {"upstream_token": True},
            "dpop_bound_access_tokens": True,
            "scope": ASKED,
        },
        top={"scopes": SCOPES},
    )
    prover = Prover(broker)
    async with broker.browser() as browser:
        given = await bound_tokens(broker, browser, prover)
    form = exchange(given["access_token"], "access_token", UPSTREAM)
    status, body, _ = await send(broker, "/token", form)
    assert (status, body["error"]) == (400, "invalid_dpop_proof")
    assert (await send(broker, "/token", form, proof=prover.proof()))[0] == 200
