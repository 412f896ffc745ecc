"""Asking the upstream again when a client app refreshes its tokens."""

from __future__ import annotations

import asyncio

import pytest

from tests.flow.broker import GIVEN_UP, Broker, Browser, claims
from tests.patience import skip

ASKED = "openid profile email offline_access groups"
ALWAYS = {"scope": "openid profile email offline_access", "upstream_refresh": "always"}


async def tokens_of(browser: Browser, **asked: str) -> dict:
    landed = await browser.login(scope=ASKED, **asked)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return tokens


@pytest.fixture
def start_with(start):
    """Starts a broker whose upstream lives at the same time, with these rules."""

    async def start_one(**rules: object) -> Broker:
        broker = await start(connector=ALWAYS | rules)
        broker.idp.now = broker.clock
        return broker

    return start_one


def asked_again(broker: Broker) -> int:
    """How often the upstream's token endpoint was asked to refresh."""
    return sum(seen.form.get("grant_type") == "refresh_token" for seen in broker.idp.seen("token"))


def loses_a_group(broker: Broker) -> None:
    broker.idp.people["ada"]["groups"] = ["staff"]


@pytest.mark.row("UI-19")
async def test_a_group_taken_away_upstream_is_gone_at_the_next_refresh(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        _, told = await browser.userinfo(first["access_token"])
        assert told["groups"] == ["staff:staff", "staff:admins"]
        loses_a_group(broker)
        status, second = await browser.refresh(first["refresh_token"])
        assert status == 200
        for token in (first["access_token"], second["access_token"]):
            _, told = await browser.userinfo(token)
            assert told["groups"] == ["staff:staff"]


@pytest.mark.row("RT-07")
@pytest.mark.row("UI-19")
async def test_who_has_lost_a_group_that_is_required_gets_no_more_tokens(start_with) -> None:
    admins = '"admins" in upstream.userinfo.groups ? optional.of("yes") : optional.none()'
    broker = await start_with(claims={"claims": {"level": {"expression": admins, "required": True}}})
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        status, second = await browser.refresh(first["refresh_token"])
        assert status == 200
        loses_a_group(broker)
        status, body = await browser.refresh(second["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
        for token in (first["access_token"], second["access_token"]):
            assert (await browser.userinfo(token))[0] == 401
        assert (await browser.refresh(second["refresh_token"]))[0] == 400


async def test_the_refreshed_id_token_keeps_sub_auth_time_and_sid(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.clock.forward(60)
        status, second = await browser.refresh(first["refresh_token"])
        assert status == 200
        before, after = claims(first["id_token"]), claims(second["id_token"])
        assert {n: before[n] for n in ("sub", "auth_time", "sid")} == {
            n: after[n] for n in ("sub", "auth_time", "sid")
        }


async def test_without_the_rule_nothing_is_kept_and_nobody_is_asked(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        loses_a_group(broker)
        status, second = await browser.refresh(first["refresh_token"])
        assert status == 200
        assert asked_again(broker) == 0
        _, told = await browser.userinfo(second["access_token"])
        assert told["groups"] == ["staff:staff", "staff:admins"]


async def test_it_is_asked_only_when_its_last_answer_is_old_enough(start_with) -> None:
    broker = await start_with(upstream_refresh={"if_older_than": "15m"})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        for minutes, times in ((10, 0), (6, 1), (10, 1), (6, 2)):
            broker.clock.forward(minutes * 60)
            status, tokens = await browser.refresh(tokens["refresh_token"])
            assert (status, asked_again(broker)) == (200, times)


@pytest.mark.row("RT-07")
async def test_an_upstream_that_refuses_ends_every_grant_and_the_session_of_that_login(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first, other = await tokens_of(browser), await tokens_of(browser)
        broker.idp.switch(refresh="invalid_grant")
        status, body = await browser.refresh(first["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
        broker.idp.reset()
        for tokens in (first, other):
            assert (await browser.refresh(tokens["refresh_token"]))[0] == 400
            assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        landed = await browser.authorize(prompt="none")
        assert landed.params["error"] == "login_required"
    assert "upstream_denied" in broker.reasons()


async def test_where_the_operator_says_so_a_refusal_ends_only_that_refresh(start_with) -> None:
    broker = await start_with(on_denied="refuse")
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.idp.switch(refresh="invalid_grant")
        assert (await browser.refresh(first["refresh_token"]))[0] == 400
        assert (await browser.userinfo(first["access_token"]))[0] == 200
        broker.idp.reset()
        assert (await browser.refresh(first["refresh_token"]))[0] == 200


@pytest.mark.parametrize("trouble", [{"down": True}, {"token": "500"}, {"token": "drop"}])
async def test_an_upstream_out_of_reach_costs_the_app_a_retry_and_no_token(start_with, trouble) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.idp.switch(**trouble)
        status, body = await browser.refresh(first["refresh_token"])
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        assert (await browser.userinfo(first["access_token"]))[0] == 200
        broker.idp.reset()
        broker.clock.forward(120)
        assert (await browser.refresh(first["refresh_token"]))[0] == 200


async def test_its_last_answer_stands_in_for_as_long_as_the_operator_allows(start_with) -> None:
    broker = await start_with(on_unreachable={"allow_until": "1h"})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        broker.idp.switch(token="500")
        broker.clock.forward(59 * 60)
        status, tokens = await browser.refresh(tokens["refresh_token"])
        assert status == 200
        broker.clock.forward(2 * 60)
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (503, "temporarily_unavailable")


async def test_an_answer_that_is_not_believed_stands_in_for_nothing(start_with) -> None:
    broker = await start_with(on_unreachable={"allow_until": "1h"})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        broker.idp.switch(signature="foreign")
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        broker.idp.reset()
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200


@pytest.mark.row("RT-13")
async def test_somebody_elses_answer_is_a_refusal(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        broker.idp.switch(sub="mallory", userinfo={"sub": "mallory"})
        status, body = await browser.refresh(tokens["refresh_token"])
        assert status in (400, 503)
        assert "access_token" not in body


@pytest.mark.row("RT-02")
async def test_of_a_hundred_refreshes_at_once_one_asks_a_rotating_upstream(start_with) -> None:
    broker = await start_with()
    broker.idp.rotates = True
    broker.clock.stand()  # the grace is ten seconds
    broker.idp.now = broker.clock
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.clock.forward(1)
        answers = await asyncio.gather(*(browser.refresh(first["refresh_token"]) for _ in range(100)))
        assert {status for status, _ in answers} == {200}
        assert len({body["refresh_token"] for _, body in answers}) == 1
        assert asked_again(broker) == 1
        status, _ = await browser.refresh(answers[0][1]["refresh_token"])
        assert status == 200


async def test_two_apps_of_one_login_share_a_rotating_refresh_token(start_with) -> None:
    broker = await start_with()
    broker.idp.rotates = True
    async with broker.browser() as browser:
        first, other = await tokens_of(browser), await tokens_of(browser)
        for _ in range(3):
            status, first = await browser.refresh(first["refresh_token"])
            assert status == 200
            status, other = await browser.refresh(other["refresh_token"])
            assert status == 200
        assert len(broker.idp.seen("authorize")) == 1


@pytest.mark.row("RT-01")
async def test_an_old_refresh_token_is_no_reason_to_ask_anybody(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        await browser.refresh(first["refresh_token"])
        asked = asked_again(broker)
        broker.clock.forward(60)
        assert (await browser.refresh(first["refresh_token"]))[0] == 400
        assert asked_again(broker) == asked


async def test_a_new_code_from_the_session_says_what_the_upstream_said_last(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        loses_a_group(broker)
        await browser.refresh(first["refresh_token"])
        later = await tokens_of(browser)
        assert len(broker.idp.seen("authorize")) == 1
        _, told = await browser.userinfo(later["access_token"])
        assert told["groups"] == ["staff:staff"]


async def kept_for(broker: Broker) -> float:
    """Seconds that what is kept of the one login stays."""
    store = broker.services.store
    (name,) = await store._wire.call("KEYS", f"{store._prefix}*held*")
    return await store._wire.call("PTTL", name) / 1000


async def test_what_is_kept_goes_with_the_session_unless_a_refresh_token_stands_on_it(start_with) -> None:
    broker = await start_with()
    lifetimes = broker.services.config.lifetimes
    tokens_live = lifetimes.code + lifetimes.access_token
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid groups")
        assert (await browser.token(landed.code))[0] == 200
        assert (
            lifetimes.session.absolute <= await kept_for(broker) <= lifetimes.session.absolute + tokens_live
        )
        tokens = await tokens_of(browser)
        longest = lifetimes.refresh_token.absolute + 2 * tokens_live
        assert lifetimes.refresh_token.absolute <= await kept_for(broker) <= longest
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200
        assert await kept_for(broker) >= lifetimes.refresh_token.absolute - 60


@pytest.mark.row("RT-14")
@pytest.mark.parametrize("trouble", [{"userinfo": "500"}, {"signature": "foreign"}, {"userinfo": "slow"}])
async def test_a_refresh_token_that_was_rotated_is_not_lost_to_what_went_wrong_after_it(
    start, trouble
) -> None:
    broker = await start(connector=ALWAYS)
    broker.idp.now = broker.clock
    broker.idp.rotates = True
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.idp.switch(**trouble)
        refreshing = asyncio.create_task(browser.refresh(first["refresh_token"]))
        if "slow" in trouble.values():
            await broker.idp.waiting.wait()
            skip(GIVEN_UP)
        status, body = await refreshing
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        broker.idp.reset()
        assert (await browser.refresh(first["refresh_token"]))[0] == 200


async def test_a_refusal_is_not_forgotten_because_the_upstream_is_away_now(start_with) -> None:
    broker = await start_with(on_denied="refuse", on_unreachable={"allow_until": "1h"})
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.idp.switch(refresh="invalid_grant")
        assert (await browser.refresh(first["refresh_token"]))[0] == 400
        broker.idp.reset()
        broker.idp.switch(token="500")
        status, body = await browser.refresh(first["refresh_token"])
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        broker.idp.reset()
        status, tokens = await browser.refresh(first["refresh_token"])
        assert status == 200
        broker.idp.switch(token="500")
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200
