"""The store goes away and comes back: a clear answer in time, nothing half done, recovery by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from broker.config import StoreConfig
from broker.connector import Secret
from broker.kit.loop_clock import by_hand
from broker.store import Embedded, start_embedded
from tests.flow.broker import SECRET, running_broker


@pytest.fixture
def server(tmp_path) -> Iterator[Embedded]:
    """A store of this test's own, which it may stop and starve."""
    running = start_embedded(tmp_path / "store")
    yield running
    running.stop()


def kept_by(server: Embedded) -> StoreConfig:
    return StoreConfig(url=server.url, encryption_keys=(Secret("k" * 48),))


@pytest.mark.row("RD-04")
async def test_a_store_that_is_away_is_told_in_time_and_its_return_is_noticed(idp, server, tmp_path) -> None:
    async with running_broker(idp, kept_by(server), tmp_path) as broker, broker.browser() as browser:
        landed = await browser.login()
        page = await browser.authorize(prompt="consent")
        departed = await browser.step("GET", browser.authorize_url(prompt="login"))
        back = (await browser.step("GET", departed.url)).url
        server.stop()

        with by_hand():  # no time goes by: nobody waits for a deadline, nor between two tries
            told = await browser.authorize()
            assert told.params["error"] == "temporarily_unavailable"
            assert told.params["iss"] == broker.issuer
            consent = f"{broker.issuer}/consent?flow={page.field('flow')}"
            for url in (back, f"{broker.issuer}/account", consent):
                shown = await browser.step("GET", url)
                assert (shown.status, shown.headers["Retry-After"]) == (503, "1")
                assert shown.headers["Content-Type"].startswith("text/html")
        status, body = await browser.token(landed.code)
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        status, _ = await browser.post("/revoke", {"token": landed.code})
        assert status in (200, 503)
        assert (await browser.step("GET", f"{broker.issuer}/readyz")).status == 503
        assert (await browser.step("GET", f"{broker.issuer}/healthz")).status == 200

        again = start_embedded(tmp_path / "store")
        try:
            assert again.url == server.url
            assert (await browser.step("GET", f"{broker.issuer}/readyz")).status == 200
            status, _ = await browser.token(landed.code)
            assert status == 200  # the code was not spent by the refusal
        finally:
            again.stop()


@pytest.mark.row("RS-10")
async def test_a_revocation_that_cannot_be_stored_is_never_called_done(idp, server, tmp_path) -> None:
    async with running_broker(idp, kept_by(server), tmp_path) as broker, broker.browser() as browser:
        landed = await browser.login(scope="openid offline_access")
        _, tokens = await browser.token(landed.code)
        server.stop()
        for name in ("refresh_token", "access_token"):
            form = {"token": tokens[name], "client_id": "billing", "client_secret": SECRET}
            told = await browser.step("POST", f"{broker.issuer}/revoke", data=form)
            assert (told.status, told.headers["Retry-After"]) == (503, "1")
            assert '"temporarily_unavailable"' in told.body


@pytest.mark.row("RS-10")
@pytest.mark.row("RD-07")
async def test_a_revocation_that_the_store_does_not_write_is_never_called_done(idp, server, tmp_path) -> None:
    async with running_broker(idp, kept_by(server), tmp_path) as broker, broker.browser() as browser:
        landed = await browser.login(scope="openid offline_access")
        _, tokens = await browser.token(landed.code)
        wire = broker.services.store._wire
        await wire.call("CONFIG", "SET", "maxmemory", "1")  # it still reads, and writes nothing
        for name in ("refresh_token", "access_token"):
            status, body = await browser.post("/revoke", {"token": tokens[name]})
            assert (status, body["error"]) == (503, "temporarily_unavailable")
        await wire.call("CONFIG", "SET", "maxmemory", "0")
        assert await browser.post("/revoke", {"token": tokens["refresh_token"]}) == (200, {})
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401


async def test_a_store_that_is_away_at_the_start_is_waited_for(idp, server, tmp_path) -> None:
    server.stop()
    async with aclosing_broker(idp, kept_by(server), tmp_path) as (starting, waited):
        await waited.wait()
        assert not starting.done()
        again = start_embedded(tmp_path / "store")
        try:
            broker = await starting
            async with broker.browser() as browser:
                assert "code" in (await browser.login()).params
        finally:
            again.stop()


@asynccontextmanager
async def aclosing_broker(idp, config, folder):
    """A broker that is starting, and the event that it was told to wait."""
    waited, stack = asyncio.Event(), AsyncExitStack()
    telling = running_broker(idp, config, folder, on_log=lambda _line: waited.set())
    starting = asyncio.create_task(stack.enter_async_context(telling))
    try:
        yield starting, waited
    finally:
        await starting
        await stack.aclose()
