"""Refresh tokens: rotation, reuse, grace, ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.flow.broker import Broker, Browser, claims


async def tokens_of(browser: Browser, **asked: str) -> dict:
    landed = await browser.login(scope="openid profile offline_access", **asked)
    status, tokens = await browser.token(landed.code)
    assert status == 200
    return tokens


async def test_a_refresh_token_comes_only_with_offline_access(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        assert "refresh_token" not in tokens


async def test_a_refreshed_id_token_keeps_who_and_when_and_says_no_nonce(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        broker.clock.forward(60)
        status, second = await browser.refresh(first["refresh_token"])
        assert status == 200
        before, after = claims(first["id_token"]), claims(second["id_token"])
        for name in ("iss", "sub", "aud", "auth_time", "sid"):
            assert before[name] == after[name]
        assert "nonce" not in after
        assert second["refresh_token"] != first["refresh_token"]


@pytest.mark.row("RT-01")
async def test_a_rotated_token_used_again_revokes_the_family(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        _, second = await browser.refresh(first["refresh_token"])
        broker.clock.forward(11)
        status, body = await browser.refresh(first["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.refresh(second["refresh_token"]))[0] == 400
        assert (await browser.userinfo(second["access_token"]))[0] == 401
    assert "refresh_token_reused" in broker.reasons()


@pytest.mark.row("RT-14")
async def test_within_the_grace_a_lost_answer_is_given_again(broker: Broker) -> None:
    broker.clock.stand()
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        _, second = await browser.refresh(first["refresh_token"])
        _, again = await browser.refresh(first["refresh_token"])
        assert again["refresh_token"] == second["refresh_token"]
        status, _ = await browser.refresh(second["refresh_token"])
        assert status == 200
        status, _ = await browser.refresh(first["refresh_token"])  # the successor is used: no grace is left
        assert status == 400


@pytest.mark.row("RT-02")
async def test_concurrent_refreshes_have_one_successor(broker: Broker) -> None:
    broker.clock.stand()  # the grace is ten seconds
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        answers = await asyncio.gather(*(browser.refresh(first["refresh_token"]) for _ in range(100)))
    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1


@pytest.mark.row("RT-05")
async def test_a_refresh_may_narrow_but_not_widen(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        status, narrow = await browser.refresh(first["refresh_token"], scope="openid")
        assert (status, narrow["scope"]) == (200, "openid")
        status, body = await browser.refresh(narrow["refresh_token"], scope="openid email")
        assert (status, body["error"]) == (400, "invalid_scope")
        assert (await browser.refresh(narrow["refresh_token"]))[0] == 200


async def test_another_clients_refresh_token_is_an_invalid_grant(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await tokens_of(browser)
        status, body = await browser.refresh(first["refresh_token"], client="trusted")
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.refresh(first["refresh_token"]))[0] == 200


@pytest.mark.row("RT-06")
@pytest.mark.parametrize("idle", [True, False])
async def test_a_refresh_token_ends_when_idle_and_absolutely(broker: Broker, idle: bool) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        if idle:
            broker.clock.forward(14 * 86400 + 1)
        else:
            for _ in range(7):
                broker.clock.forward(13 * 86400)
                status, tokens_next = await browser.refresh(tokens["refresh_token"])
                if status != 200:
                    break
                tokens = tokens_next
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.row("RT-09")
async def test_no_token_is_taken_for_another_kind(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        for wrong in (tokens["access_token"], tokens["id_token"]):
            assert (await browser.refresh(wrong))[0] == 400
        for wrong in (tokens["refresh_token"], tokens["id_token"]):
            assert (await browser.userinfo(wrong))[0] == 401


async def test_revoking_a_refresh_token_ends_its_access_tokens_too(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        status, _ = await browser.post("/revoke", {"token": tokens["refresh_token"]}, client="trusted")
        assert status == 200
        assert (await browser.userinfo(tokens["access_token"]))[
            0
        ] == 200  # somebody else's word counts for nothing
        await browser.post("/revoke", {"token": tokens["refresh_token"]})
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400


async def test_revoking_an_access_token_leaves_the_refresh_token(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        await browser.post("/revoke", {"token": tokens["access_token"]})
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200


async def test_opaque_access_tokens_serve_as_well(start) -> None:
    broker = await start(client={"access_token_format": "opaque"})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        assert "." not in tokens["access_token"]
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        _, about = await browser.post("/introspect", {"token": tokens["access_token"]})
        assert about["active"] is True
        assert about["sub"] == claims(tokens["id_token"])["sub"]
        broker.clock.forward(301)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        _, renewed = await browser.refresh(tokens["refresh_token"])
        await browser.post("/revoke", {"token": renewed["access_token"]})
        assert (await browser.userinfo(renewed["access_token"]))[0] == 401


@pytest.mark.row("RT-02")
async def test_concurrent_refreshes_at_two_workers_have_one_successor(start) -> None:
    one, other = await start(), await start()
    one.clock.stand()
    other.clock.stand()
    async with one.browser() as browser, other.browser() as elsewhere:
        first = await tokens_of(browser)
        tries = [browser.refresh(first["refresh_token"]) for _ in range(50)]
        tries += [elsewhere.refresh(first["refresh_token"]) for _ in range(50)]
        answers = await asyncio.gather(*tries)
    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1
