"""The upstream's own access token of a login, for client apps that may have it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.flow.broker import Broker, Browser, claims
from tests.flow.machines import EXCHANGE, TYPE, exchanged

GIVES = {"give_token": True, "scope": "openid profile email offline_access"}
MAY = {"token_exchange": {"upstream_token": True}}
THEIRS = "connector:staff"


@pytest.fixture
def start_with(start):
    """A broker whose connector gives its token, and whose app may have it."""

    async def started(
        connector: dict[str, Any] | None = None, second: dict[str, Any] | None = None, **policy: Any
    ) -> Broker:
        grants = ["authorization_code", "refresh_token", EXCHANGE]
        broker = await start(
            connector=GIVES if connector is None else connector,
            client={"grant_types": grants} | MAY | policy,
            trusted={"grant_types": grants, "token_exchange": {"clients": ["billing"]}} | (second or {}),
        )
        broker.idp.now = broker.clock
        return broker

    return started


async def tokens_of(browser: Browser, scope: str = "openid offline_access") -> dict[str, Any]:
    landed = await browser.login(scope=scope)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return tokens


async def with_one_that_has_ended(broker: Broker, browser: Browser) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer with the upstream's token, which has ended since, and the app's tokens of now."""
    tokens = await tokens_of(browser)
    _, first = await theirs(browser, tokens["access_token"])
    broker.clock.forward(first["expires_in"])
    _, tokens = await browser.refresh(tokens["refresh_token"])
    return first, tokens


async def theirs(browser: Browser, token: str, client: str = "billing") -> tuple[int, dict[str, Any]]:
    return await exchanged(browser, token, client=client, audience=THEIRS)


def refreshed(broker: Broker) -> int:
    """How often the upstream was asked for another token."""
    return sum(seen.form.get("grant_type") == "refresh_token" for seen in broker.idp.seen("token"))


async def good_upstream(broker: Broker, browser: Browser, token: str) -> bool:
    """Whether the upstream takes the token as one of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    async with browser.session.get(f"{broker.idp.origin}/userinfo", headers=headers) as answer:
        return answer.status == 200


@pytest.mark.standard("RFC 8693", "§2.2.1 issued_token_type of an upstream's own token")
async def test_an_app_that_may_have_it_gets_a_token_that_the_upstream_takes(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        status, answer = await theirs(browser, tokens["access_token"])
        assert status == 200, answer
        assert answer["issued_token_type"] == TYPE + "access_token"
        assert answer["token_type"] == "Bearer"
        assert await good_upstream(broker, browser, answer["access_token"])
        assert not await good_upstream(broker, browser, tokens["access_token"])
    assert refreshed(broker) == 0


async def test_one_that_has_ended_is_refreshed_and_kept_for_the_next(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        first, tokens = await with_one_that_has_ended(broker, browser)
        status, second = await theirs(browser, tokens["access_token"])
        assert status == 200, second
        assert second["access_token"] != first["access_token"]
        assert refreshed(broker) == 1
        _, again = await theirs(browser, tokens["access_token"])
        assert again["access_token"] == second["access_token"]
        assert refreshed(broker) == 1


async def test_of_a_hundred_that_ask_at_once_one_refreshes_and_all_get_the_same(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, tokens = await with_one_that_has_ended(broker, browser)
        answers = await asyncio.gather(*(theirs(browser, tokens["access_token"]) for _ in range(100)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["access_token"] for _, answer in answers}) == 1
    assert refreshed(broker) == 1


@pytest.mark.row("TX-07")
@pytest.mark.parametrize("lacking", ["client", "connector", "other connector"])
async def test_both_entries_must_say_so(start_with, lacking: str) -> None:
    rules: dict[str, dict[str, Any]] = {
        "client": {"token_exchange": {"audiences": ["https://api.example"]}},
        "connector": {"connector": {"upstream_refresh": "always"}},
    }
    broker = await start_with(**rules.get(lacking, {}))
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        where = "connector:nowhere" if lacking == "other connector" else THEIRS
        status, answer = await exchanged(browser, tokens["access_token"], client="billing", audience=where)
    assert (status, answer["error"]) == (400, "invalid_target")


async def test_another_app_that_may_exchange_may_not_have_it_by_that(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        status, answer = await theirs(browser, tokens["access_token"], client="trusted")
    assert (status, answer["error"]) == (400, "invalid_target")


async def test_the_log_names_the_app_that_got_it_and_whose_login_it_was(start_with) -> None:
    may = {"token_exchange": {"clients": ["billing"], "upstream_token": True}}
    broker = await start_with(second=may)
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        assert (await theirs(browser, tokens["access_token"], client="trusted"))[0] == 200
    (event,) = broker.events("upstream_token")
    assert event["client_id"] == "trusted"
    assert event["grant_id"] == claims(tokens["access_token"])["jti"].partition(".")[0]


@pytest.mark.row("TX-02")
@pytest.mark.parametrize("how", ["revoked", "logged out"])
async def test_it_ends_here_with_the_login(start_with, how: str) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, "openid")
        if how == "revoked":
            await browser.post("/revoke", {"token": tokens["access_token"]})
        else:
            await broker.services.endings.end(claims(tokens["id_token"])["sid"], "signed_out")
        status, answer = await theirs(browser, tokens["access_token"])
    assert (status, answer["error"]) == (400, "invalid_request")


async def test_an_upstream_that_says_no_is_told_and_one_that_is_away_for_now_only(start_with) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        _, tokens = await with_one_that_has_ended(broker, browser)
        broker.idp.switch(down=True)
        status, answer = await theirs(browser, tokens["access_token"])
        assert (status, answer["error"]) == (503, "temporarily_unavailable")
        broker.idp.switch(down=None, refresh="invalid_grant")
        status, answer = await theirs(browser, tokens["access_token"])
        assert (status, answer["error"]) == (400, "invalid_request")
        # Only its token was asked for: what the person has here is theirs still.
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200


async def test_an_upstream_that_says_no_ends_the_login_where_the_operator_has_it_asked_again(
    start_with,
) -> None:
    broker = await start_with(connector=GIVES | {"upstream_refresh": "always"})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        _, first = await theirs(browser, tokens["access_token"])
        broker.clock.forward(first["expires_in"] - 5)
        _, tokens = await browser.refresh(tokens["refresh_token"])
        broker.clock.forward(first["expires_in"] - 5)
        broker.idp.switch(refresh="invalid_grant")
        status, answer = await browser.refresh(tokens["refresh_token"])
        assert (status, answer["error"]) == (400, "invalid_grant")
        status, answer = await theirs(browser, tokens["access_token"])
        assert (status, answer["error"]) == (400, "invalid_request")


@pytest.mark.row("RD-17")
async def test_it_is_kept_encrypted_and_only_where_it_may_be_given(start_with) -> None:
    broker, without = await start_with(), await start_with(connector={"upstream_refresh": "always"})
    for running, kept in ((broker, True), (without, False)):
        async with running.browser() as browser:
            tokens = await tokens_of(browser)
            state = await running.services.store.read_grant(
                claims(tokens["access_token"])["jti"].split(".")[0]
            )
            held = await running.services.store.read_held(state.grant.context.held)
            assert (held.token is not None) is kept
            if not kept:
                continue
            store = running.services.store
            raw = await store._wire.call("GET", store._held(state.grant.context.held))
            assert held.token.access_token.encode() not in raw
            assert held.token.access_token not in repr(held)


@pytest.mark.standard("RFC 8693", "§2.2.2 an actor_token that is not good is an invalid request")
@pytest.mark.parametrize(
    "wrong",
    [
        {"actor_token": "rubbish", "actor_token_type": TYPE + "access_token"},
        {"requested_token_type": TYPE + "jwt"},
    ],
    ids=["an actor of nothing", "another type of token"],
)
async def test_what_cannot_be_had_of_an_upstream_is_refused(start_with, wrong: dict[str, str]) -> None:
    broker = await start_with()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        asked = {"client": "billing", "audience": THEIRS}
        status, answer = await exchanged(browser, tokens["access_token"], **asked, **wrong)
        assert (status, answer["error"]) == (400, "invalid_request")
        assert (await exchanged(browser, tokens["access_token"], **asked))[0] == 200
