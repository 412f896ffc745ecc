"""Whatever happens between us and the store, nobody hears what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from broker.config import StoreConfig
from tests.flow.broker import Broker, Browser, running_broker
from tests.store.proxy import Proxy

TRUSTED = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb"}


@pytest.fixture
async def proxy(store_config: StoreConfig) -> AsyncIterator[Proxy]:
    async with Proxy(store_config.url) as running:
        yield running


@pytest.fixture
async def broker(idp, store_config: StoreConfig, proxy: Proxy, tmp_path) -> AsyncIterator[Broker]:
    """A broker whose store is behind the proxy, and whose handlers end when their client goes."""
    config = replace(store_config, url=proxy.url)
    async with running_broker(idp, config, tmp_path, server={"handler_cancellation": True}) as running:
        yield running


async def token_of(browser: Browser) -> str:
    landed = await browser.login(**TRUSTED)
    _, tokens = await browser.token(landed.code, client="trusted", redirect_uri=TRUSTED["redirect_uri"])
    return tokens["access_token"]


async def abandon(proxy: Proxy, request) -> None:
    """Begin a request, and go away while the store's answer to it is held back."""
    proxy.answers.clear()
    proxy.received.clear()
    task = asyncio.create_task(request)
    await proxy.received.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    proxy.answers.set()


@pytest.mark.row("RD-01")
@pytest.mark.row("CB-47")
async def test_a_client_that_goes_away_at_any_step_shifts_no_answer_to_another(broker, proxy) -> None:
    async with broker.browser() as staying, broker.browser() as leaving:
        token = await token_of(staying)
        mine = await staying.userinfo(token)
        assert mine[0] == 200
        for _ in range(3):
            departed = await leaving.step("GET", leaving.authorize_url(**TRUSTED))
            back = (await leaving.step("GET", departed.url)).url
            await abandon(proxy, leaving.step("GET", leaving.authorize_url(**TRUSTED)))
            assert await staying.userinfo(token) == mine
            await abandon(proxy, leaving.step("GET", back))
            assert await staying.userinfo(token) == mine
            await abandon(proxy, leaving.userinfo(token))
            assert await staying.userinfo(token) == mine
            await abandon(proxy, leaving.post("/introspect", {"token": token}, client="trusted"))
            assert await staying.userinfo(token) == mine
        assert "code" in (await leaving.login(**TRUSTED)).params


@pytest.mark.row("RD-03")
async def test_two_answers_that_change_places_are_believed_by_nobody(broker, proxy, idp) -> None:
    idp.person("grace", name="Grace Example")
    people = {}
    for name in ("ada", "grace"):
        idp.current = name
        async with broker.browser() as browser:
            people[name] = await token_of(browser)
    async with broker.browser() as one, broker.browser() as other:
        for _ in range(5):
            proxy.swap_next_two = True
            answers = await asyncio.gather(one.userinfo(people["ada"]), other.userinfo(people["grace"]))
            for (status, said), own in zip(answers, ("Ada Example", "Grace Example"), strict=True):
                assert status >= 400 or said["name"] == own
    assert any(event["reason"].startswith("store_") for event in broker.events("refusal"))
