"""Step-up: what an app asks for in our words, asked of the upstream in its own, and the answer held to it."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from broker.protocol.protected_resource import ProtectedResource
from tests.flow.broker import Broker, Browser, claims

ONCE, TWICE = "urn:acme:once", "urn:acme:twice"
TABLE = {"acr": {ONCE: "pwd", TWICE: ["mfa", "phr"]}}
ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "values": [TWICE]}}})


async def id_token(browser: Browser, **asked: str) -> dict:
    landed = await browser.login(**asked)
    status, tokens = await browser.token(landed.code)
    assert status == 200, landed.url
    return claims(tokens["id_token"])


def asked_of_the_upstream(broker: Broker) -> str | None:
    return broker.idp.seen("authorize")[-1].query.get("acr_values")


async def test_what_the_app_asks_reaches_the_upstream_in_its_own_words_and_comes_back_in_ours(start) -> None:
    broker = await start(connector=TABLE)
    async with broker.browser() as browser:
        told = await id_token(browser, acr_values=f"{TWICE} {ONCE}")
        assert asked_of_the_upstream(broker) == "mfa pwd"
        assert told["acr"] == TWICE


async def test_a_session_that_is_too_weak_is_stepped_up_and_one_strong_enough_is_not(start) -> None:
    broker = await start(connector=TABLE)
    async with broker.browser() as browser:
        first = await id_token(browser, acr_values=ONCE)
        assert first["acr"] == ONCE
        second = await id_token(browser, acr_values=TWICE)
        assert (second["acr"], second["sub"]) == (TWICE, first["sub"])
        assert len(broker.idp.seen("authorize")) == 2
        assert (await id_token(browser, acr_values=TWICE))["acr"] == TWICE
        assert len(broker.idp.seen("authorize")) == 2


@pytest.mark.standard("RFC 9470", "§4 and §5 an API sends an app back for a stronger sign-in")
@pytest.mark.standard("RFC 9470", "§6 acr and auth_time in an access token, and at introspection")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_an_api_hears_how_strong_a_sign_in_was_and_a_step_up_makes_no_older_token_stronger(
    start, form: str
) -> None:
    broker = await start(connector=TABLE, client={"access_token_format": form})
    api = ProtectedResource("https://api.example/notes", [broker.issuer])
    async with broker.browser() as browser:

        async def heard(token: str) -> dict:
            told = (await browser.post("/introspect", {"token": token}))[1]
            assert form == "opaque" or claims(token)["acr"] == told["acr"]
            return told

        async def tokens(**asked: str) -> dict:
            landed = await browser.login(scope="openid offline_access", **asked)
            return (await browser.token(landed.code))[1]

        weak = await tokens(acr_values=ONCE)
        before = await heard(weak["access_token"])
        assert before["acr"] == ONCE
        sent_back = api.challenge("insufficient_user_authentication", acr_values=TWICE, max_age=300)
        wanted = dict(re.findall(r'(acr_values|max_age)="([^"]*)"', sent_back))
        assert wanted == {"acr_values": TWICE, "max_age": "300"}
        after = await heard((await tokens(**wanted))["access_token"])
        assert (after["acr"], after["sub"]) == (TWICE, before["sub"])
        _, again = await browser.refresh(weak["refresh_token"])
        refreshed = await heard(again["access_token"])
        assert (refreshed["acr"], refreshed["auth_time"]) == (ONCE, before["auth_time"])


@pytest.mark.row("CB-30")
@pytest.mark.parametrize("asked", [{"acr_values": TWICE}, {"claims": ESSENTIAL}])
async def test_an_upstream_that_does_not_reach_it_is_answered_unmet(start, asked) -> None:
    broker = await start(connector=TABLE)
    broker.idp.switch(acr="pwd")
    async with broker.browser() as browser:
        landed = await browser.login(**asked)
        assert landed.params["error"] == "unmet_authentication_requirements"


async def test_any_of_the_upstreams_own_values_for_it_will_do(start) -> None:
    broker = await start(connector=TABLE)
    broker.idp.switch(acr="phr")
    async with broker.browser() as browser:
        assert (await id_token(browser, claims=ESSENTIAL))["acr"] == TWICE


async def test_an_upstream_does_not_get_to_say_our_words(start) -> None:
    broker = await start(connector=TABLE)
    broker.idp.switch(acr=TWICE)
    async with broker.browser() as browser:
        assert "acr" not in await id_token(browser)
        landed = await browser.login(acr_values=TWICE)
        assert landed.params["error"] == "unmet_authentication_requirements"


async def test_without_a_table_a_wish_stays_a_wish(broker: Broker) -> None:
    broker.idp.switch(acr="pwd")
    async with broker.browser() as browser:
        assert (await id_token(browser, acr_values="gold"))["acr"] == "pwd"


async def test_a_value_that_no_table_knows_asks_nothing_of_the_upstream(start) -> None:
    broker = await start(connector=TABLE)
    async with broker.browser() as browser:
        await id_token(browser, acr_values="gold")
        assert asked_of_the_upstream(broker) is None


async def test_without_a_page_a_session_that_is_too_weak_is_no_session(start) -> None:
    broker = await start(connector=TABLE)
    async with broker.browser() as browser:
        await id_token(browser, acr_values=ONCE)
        landed = await browser.authorize(acr_values=TWICE, prompt="none")
        assert landed.params["error"] == "login_required"


async def test_max_age_is_passed_on_with_it_and_the_answer_is_held_to_both(start) -> None:
    broker = await start(connector=TABLE)
    broker.idp.now = broker.clock
    async with broker.browser() as browser:
        await id_token(browser, acr_values=TWICE)
        broker.clock.forward(600)
        broker.idp.switch(ignores_prompt=True)
        landed = await browser.login(acr_values=TWICE, max_age="300")
        assert landed.params["error"] == "login_required"
        query = parse_qs(urlsplit(landed.url).query)
        assert "code" not in query
        assert broker.idp.seen("authorize")[-1].query["max_age"] == "300"
