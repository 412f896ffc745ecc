"""Telling apps goes on: with a store that is away, an app that is unknown, a worker that stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from broker.events import Events
from broker.kit.loop_clock import by_hand
from broker.logout import Courier
from broker.logout.mishaps import Mishaps
from broker.store import Notice, StoreUnavailable
from tests.flow.broker import Broker, running_broker
from tests.flow.client_app import ClientApp
from tests.flow.test_logout import log_out, signed_in
from tests.flow.test_logout_notices import failed, listening, post, until


@pytest.fixture
async def app() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


def notice(**changes: object) -> Notice:
    members = {"id": "j", "client_id": "billing", "subject": "a", "sid": "s", "why": "w", "posted_at": 0.0}
    return Notice(**members | changes)


async def test_what_goes_wrong_is_told_once_until_it_goes_well() -> None:
    lines: list[bytes] = []
    mishaps = Mishaps(Events(now=lambda: 0.0, write=lines.append), "outbox")

    async def go(error: Exception | None) -> None:
        async with mishaps.told():
            if error is not None:
                raise error

    for _ in range(100):
        await go(StoreUnavailable("timeout"))
    for error in (KeyError("x"), None, StoreUnavailable("timeout"), StoreUnavailable("timeout")):
        await go(error)
    assert [line.count(b"timeout") for line in lines] == [1, 0, 1]


async def test_one_notice_that_cannot_be_dealt_with_keeps_no_other_from_its_app(
    start, app: ClientApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker: Broker = await start(client=listening(app))
    find = broker.services.clients.find

    async def odd(client_id: str) -> object:
        if client_id == "odd":
            raise RuntimeError
        return await find(client_id)

    monkeypatch.setattr(broker.services.clients, "find", odd)
    await post(broker, notice(id="odd", client_id="odd"), notice())
    await app.hears()
    left = await until(broker.services.store.list_notices, lambda found: len(found) == 1)
    assert left[0].notice.id == "odd"  # and is taken up again, by whoever comes to it
    await post(broker, notice(id="k"))
    await app.hears(2)
    assert "RuntimeError" in [event.get("reason") for event in broker.events("outbox")]


async def test_an_app_whose_own_document_cannot_be_had_is_told_later(start) -> None:
    broker: Broker = await start()
    await post(broker, notice(client_id="https://app.example/client.json"))
    assert (await failed(broker)).state == "later"


async def test_a_worker_that_stops_delivers_what_is_on_its_way(
    idp, store, store_config, app, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, stop = asyncio.Event(), Courier.stop

    def stopping(courier: Courier) -> None:
        stop(courier)
        hangs.set()

    monkeypatch.setattr(Courier, "stop", stopping)
    app.hangs = hangs
    with ExitStack() as until_it_has_stopped:
        async with running_broker(idp, store_config, tmp_path, client=listening(app)) as broker:
            async with broker.browser() as browser:
                await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
            await app.hears()
            until_it_has_stopped.enter_context(by_hand())  # no time goes by: a second is all that it has
    assert await store.list_notices() == []
    assert len(app.told) == 1
