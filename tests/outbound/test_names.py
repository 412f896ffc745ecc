"""Host names: whoever may name some keeps nobody else from finding theirs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from broker.config import OutboundConfig
from broker.connector import UpstreamUnavailable
from broker.kit.loop_clock import by_hand
from broker.outbound import Outbound
from tests.outbound.test_http import LOOPBACK
from tests.serving import serving

HANGING = 40


@pytest.fixture
async def looking(monkeypatch) -> AsyncIterator[asyncio.Event]:
    """Names below ``slow.example``, for which no server answers; set once somebody waits for one."""
    usual, loop, seen, over = (
        socket.getaddrinfo,
        asyncio.get_running_loop(),
        asyncio.Event(),
        threading.Event(),
    )

    def look(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".slow.example"):
            return usual(host, *args, **kwargs)
        loop.call_soon_threadsafe(seen.set)
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look)
    yield seen
    over.set()


async def answer(_request: web.Request) -> web.Response:
    return web.json_response({})


@pytest.mark.row("UP-10")
@pytest.mark.row("DS-03")
async def test_names_for_which_nobody_answers_keep_no_upstream_and_no_app_of_the_operators_waiting(
    looking: asyncio.Event,
) -> None:
    outbound = Outbound(OutboundConfig(allow_networks=LOOPBACK, timeout=2.0))
    with by_hand() as clock:
        async with serving(answer) as origin:
            url = origin.replace("127.0.0.1", "localhost")
            asking = [
                asyncio.create_task(outbound.called(f"{n}", stranger=True).get(f"https://{n}.slow.example/"))
                for n in range(HANGING)
            ]
            found = asyncio.gather(*asking, return_exceptions=True)
            await looking.wait()
            assert (await outbound.client("an upstream").get(url)).status == 200
            assert (await outbound.called("an app", stranger=False).get(url)).status == 200
            assert not any(task.done() for task in asking)
            await clock.until(found, within=3)
            assert all(isinstance(one, UpstreamUnavailable) for one in found.result())
    await outbound.close()
