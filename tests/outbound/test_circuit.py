"""What counts for and against an upstream, and that nothing goes out while it is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broker.config import OutboundConfig
from broker.connector import UpstreamError, UpstreamInvalid, UpstreamUnavailable
from broker.outbound import Outbound, UpstreamClient
from broker.outbound.breaker import FAILURES, FIRST_PAUSE
from broker.outbound.documents import AFTER_FAILURE, LONGEST
from tests.outbound.test_http import LOOPBACK, Server, said, serving
from tests.patience import PATIENCE

AWAY = said("503 Service Unavailable", b"{}", "Retry-After: 40")


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Room:
    """One upstream's client, the time, and what was told."""

    def __init__(self) -> None:
        self.clock, self.told = Clock(), list[tuple[str, bool, str]]()
        self.outbound = Outbound(
            OutboundConfig(timeout=PATIENCE, allow_networks=LOOPBACK),
            clock=self.clock,
            now=lambda: 1_760_000_000.0,
            told=lambda *what: self.told.append(what),
        )

    @property
    def up(self) -> UpstreamClient:
        return self.outbound.client("up")

    async def fail(self, url: str, times: int = FAILURES) -> None:
        for _ in range(times):
            with pytest.raises(UpstreamUnavailable):
                await self.up.get(url)


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    one = Room()
    try:
        yield one
    finally:
        await one.outbound.close()


@pytest.mark.row("UP-09")
async def test_an_upstream_that_keeps_failing_is_left_alone_without_a_call():
    server = Server(AWAY)
    async with serving(server) as url, room() as its:
        await its.fail(url)
        assert its.told == [("up", True, f"{url} answered 503")]
        await its.fail(url, 50)
        with pytest.raises(UpstreamUnavailable, match="left alone"):
            await its.up.post(url, {"code": "x"})
        with pytest.raises(UpstreamUnavailable, match="left alone"):
            await its.up.document(url)
        assert len(server.heads) == FAILURES
        assert its.up.circuit.is_closed is False


@pytest.mark.row("UP-09")
async def test_a_limit_on_one_persons_token_leaves_the_upstream_open_to_all_others():
    server = Server(said("429 Too Many Requests", b"{}", "Retry-After: 300"))
    async with serving(server) as url, room() as its:
        for _ in range(2 * FAILURES):
            with pytest.raises(UpstreamUnavailable, match="429"):
                await its.up.get(url, bearer="mallorys-token")
        assert its.up.circuit.is_closed
        await its.fail(url, FAILURES - 1)  # and it does not count as an answer either
        with pytest.raises(UpstreamUnavailable):
            await its.up.get(url, bearer="mallorys-token")
        await its.fail(url, 1)
        assert not its.up.circuit.is_closed


@pytest.mark.row("UP-10")
async def test_another_upstream_does_not_feel_it():
    server = Server(AWAY)
    good = Server(said())
    async with serving(server) as url, serving(good) as other, room() as its:
        await its.fail(url)
        assert (await its.outbound.client("other").get(other)).status == 200
        assert its.outbound.client("other").circuit.is_closed


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Away", "429 Too Many Requests"])
async def test_what_says_later_counts(status):
    server = Server(said(status))
    async with serving(server) as url, room() as its:
        await its.fail(url)
        assert its.told


async def test_who_goes_without_a_document_that_is_not_asked_for_again_counts_too():
    server = Server(AWAY)
    async with serving(server) as url, room() as its:
        for _ in range(FAILURES):
            with pytest.raises(UpstreamUnavailable, match="answered 503"):
                await its.up.document(url)
        assert len(server.heads) == 1
        assert its.told == [("up", True, f"{url} answered 503")]


async def test_a_document_that_is_wrong_is_not_asked_for_again_and_counts_for_nothing():
    server = Server(said("404 Not Found"))
    async with serving(server) as url, room() as its:
        for _ in range(FAILURES + 1):
            with pytest.raises(UpstreamInvalid):
                await its.up.document(url)
        assert len(server.heads) == 1
        assert its.up.circuit.is_closed


async def test_a_connection_that_is_refused_counts():
    async with serving(Server(said())) as url:
        pass
    async with room() as its:
        await its.fail(url)
        assert its.told


@pytest.mark.parametrize(
    "answer",
    [
        said("200 OK", b"not json"),
        said("400 Bad Request", b'{"error": "invalid_grant"}'),
        said("401 Unauthorized"),
        said("404 Not Found"),
        said("302 Found", b"", "Location: /elsewhere"),
        said("200 OK", b"x", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    ],
)
async def test_an_answer_however_wrong_is_an_answer(answer):
    server = Server(answer)
    async with serving(server) as url, room() as its:
        for _ in range(FAILURES * 3):
            try:
                await its.up.document(url)
            except UpstreamError:
                its.clock.time += AFTER_FAILURE
        assert its.up.circuit.is_closed
        assert not its.told


async def test_what_we_refuse_ourselves_says_nothing_of_the_upstream():
    async with room() as its:
        for _ in range(FAILURES * 2):
            for url in ("http://10.0.0.1/", "http://a b/", "ftp://a.example/"):
                with pytest.raises(UpstreamInvalid):
                    await its.up.get(url)
        assert its.up.circuit.is_closed


async def test_a_document_that_still_serves_is_no_reason_to_leave_it_alone():
    server = Server(said(), said(), AWAY)
    async with serving(server) as url, room() as its:
        await its.up.document(f"{url}/metadata")
        await its.up.document(f"{url}/jwks")
        for _ in range(FAILURES * 2):
            its.clock.time += LONGEST / (FAILURES * 4)
            await its.up.document(f"{url}/metadata")
            while its.up._documents._entries[f"{url}/metadata"].fetching:
                await asyncio.wait([its.up._documents._entries[f"{url}/metadata"].fetching])
        assert len(server.heads) > FAILURES
        assert its.up.circuit.is_closed


@pytest.mark.row("UP-09")
async def test_retry_after_is_honoured():
    server = Server(AWAY)
    async with serving(server) as url, room() as its:
        await its.fail(url)
        its.clock.time += 39.9
        assert its.up.circuit.look_again(yes) is None
        its.clock.time += 0.2
        assert its.up.circuit.look_again(yes) is not None


async def yes() -> bool:
    return True


async def test_one_asks_and_really_asks_and_an_answer_lets_everybody_in_again():
    server = Server(said(body=b'{"n": 1}'), *[AWAY] * FAILURES, said(body=b'{"n": 2}'))
    async with serving(server) as url, room() as its:
        assert (await its.up.document(f"{url}/metadata")) == {"n": 1}
        await its.fail(url)
        its.clock.time += 40.0
        heard = []

        async def ask() -> bool:
            heard.append(await its.up.document(f"{url}/metadata"))  # fresh, and asked for all the same
            return True

        asking = its.up.circuit.look_again(ask)
        assert asking is not None
        assert its.up.circuit.look_again(ask) is None
        with pytest.raises(UpstreamUnavailable, match="left alone"):
            await its.up.get(url)
        await asking
        assert heard == [{"n": 2}]
        assert its.up.circuit.is_closed
        assert [opened for _, opened, _ in its.told] == [True, False]


async def test_one_who_asks_in_vain_leaves_it_alone_for_longer():
    server = Server(said("500 Oops"))
    async with serving(server) as url, room() as its:
        await its.fail(url)

        async def ask() -> bool:
            try:
                await its.up.document(url)
            except UpstreamUnavailable:
                return False
            return True

        its.clock.time += FIRST_PAUSE
        asking = its.up.circuit.look_again(ask)
        assert asking is not None
        await asking
        its.clock.time += FIRST_PAUSE
        assert its.up.circuit.look_again(ask) is None
        its.clock.time += FIRST_PAUSE
        assert its.up.circuit.look_again(ask) is not None
        assert len(its.told) == 1


async def test_one_who_breaks_while_asking_asked_in_vain():
    async with serving(Server(AWAY)) as url, room() as its:
        await its.fail(url)
        its.clock.time += 40.0

        async def ask() -> bool:
            raise RuntimeError("a connector's own mistake")

        asking = its.up.circuit.look_again(ask)
        assert asking is not None
        with pytest.raises(RuntimeError):
            await asking
        assert not its.up.circuit.is_closed
        its.clock.time += 400.0
        assert its.up.circuit.look_again(yes) is not None
