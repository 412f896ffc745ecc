"""Many tasks share a few connections, and nobody ever hears another's answer."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.kit.loop_clock import by_hand
from broker.store import Embedded, StoreMisconfigured, StoreRefused, StoreUnavailable, start_embedded
from broker.store.wire import Script, Wire
from tests.patience import PATIENCE
from tests.store.proxy import Proxy, certificate


@pytest.fixture
async def proxy(valkey: Embedded) -> AsyncIterator[Proxy]:
    async with Proxy(valkey.url) as running:
        yield running


@pytest.fixture
async def wire(proxy: Proxy) -> AsyncIterator[Wire]:
    opened = Wire(proxy.url, links=1, deadline=PATIENCE)
    yield opened
    await opened.close()


@pytest.fixture
async def usual(proxy: Proxy) -> AsyncIterator[Wire]:
    """With the deadline of everybody."""
    opened = Wire(proxy.url, links=1)
    yield opened
    await opened.close()


async def test_a_thousand_tasks_hear_their_own_answer(wire: Wire) -> None:
    async def one(number: int) -> bool:
        await wire.call("SET", f"thousand:{number}", f"value {number}", "PX", 60_000)
        return bool(await wire.call("GETDEL", f"thousand:{number}") == f"value {number}".encode())

    assert all(await asyncio.gather(*(one(number) for number in range(1000))))


async def test_commands_of_one_turn_leave_in_one_write(wire: Wire, proxy: Proxy) -> None:
    await wire.call("PING")
    before = proxy.commands
    await asyncio.gather(*(wire.call("PING") for _ in range(50)))
    assert proxy.commands == before + 1


@pytest.mark.row("RD-01")
async def test_a_cancelled_caller_never_shifts_the_answers_of_others(wire: Wire, proxy: Proxy) -> None:
    for number in range(40):
        await wire.call("SET", f"cancel:{number}", f"value {number}", "PX", 60_000)

    async def ask(number: int) -> bytes:
        answer: bytes = await wire.call("GET", f"cancel:{number}")
        return answer

    # Each round cancels after one more turn of the loop, and so at every await that there is on the way.
    for turns in range(25):
        proxy.answers.clear()
        proxy.received.clear()
        asking = [asyncio.create_task(ask(number)) for number in range(40)]
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns > 20:
            await proxy.received.wait()  # the questions are out, the answers are held back
        for victim in asking[::3]:
            victim.cancel()
        proxy.answers.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for number, answer in enumerate(answers):
            expected = f"value {number}".encode()
            assert answer == expected or (number % 3 == 0 and isinstance(answer, asyncio.CancelledError))
        assert await ask(7) == b"value 7"


@pytest.mark.row("RD-02")
async def test_ten_thousand_cancelled_scripts_and_pipelines_cost_no_connection_and_no_answer(
    wire: Wire, proxy: Proxy
) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")

    async def ask(number: int) -> list[bytes]:
        return list(await wire.run(script, [f"k{number}"], [number]))

    await ask(0)
    before = proxy.connections
    for turns in range(100):
        asking = [asyncio.create_task(ask(number)) for number in range(100)]
        for _ in range(turns % 10):
            await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    answers = await asyncio.gather(*(ask(number) for number in range(100)))
    assert answers == [[b"k%d" % number, b"%d" % number] for number in range(100)]
    assert proxy.connections == before


@pytest.mark.row("RD-01")
async def test_callers_cancelled_while_the_connection_opens_leave_it_to_the_others(proxy: Proxy) -> None:
    for turns in range(12):
        wire = Wire(proxy.url, links=1)
        asking = [asyncio.ensure_future(wire.call("ECHO", str(number))) for number in range(6)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for victim in asking[::2]:
            victim.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert answers[1::2] == [b"1", b"3", b"5"]
        await wire.close()


@pytest.mark.row("RD-06")
async def test_a_lost_answer_is_an_error_and_the_command_is_not_sent_again(wire: Wire, proxy: Proxy) -> None:
    await wire.call("SET", "lost", "once", "PX", 60_000)
    connections, commands = proxy.connections, proxy.commands
    proxy.cut_at_next_answer = True
    with pytest.raises(StoreUnavailable):
        await wire.call("GETDEL", "lost")
    assert (proxy.connections, proxy.commands) == (connections, commands + 1)
    assert await wire.call("GETDEL", "lost") is None  # it had run: nobody may have it twice
    assert proxy.connections == connections + 1


async def test_a_broken_connection_fails_all_its_waiters_at_once(wire: Wire, proxy: Proxy) -> None:
    await wire.call("PING")
    proxy.cut_at_next_answer = True
    with by_hand():  # no time goes by
        outcomes = await asyncio.gather(*(wire.call("PING") for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert {getattr(outcome, "reason", "") for outcome in outcomes} == {"connection_lost"}


@pytest.mark.row("RD-05")
async def test_a_server_that_hangs_is_given_up_in_under_two_seconds(usual: Wire, proxy: Proxy) -> None:
    with by_hand() as clock:
        await usual.call("PING")
        proxy.answers.clear()
        proxy.received.clear()
        asked = asyncio.gather(*(usual.call("PING") for _ in range(20)), return_exceptions=True)
        await proxy.received.wait()
        await clock.until(asked, within=2)
        assert {getattr(outcome, "reason", "") for outcome in asked.result()} == {"timeout"}
        proxy.answers.set()
        assert await usual.call("PING") == b"PONG"


@pytest.mark.row("RD-05")
async def test_a_server_that_takes_no_connection_is_given_up_as_soon(
    usual: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()
    monkeypatch.setattr("redis.asyncio.connection.Connection.connect", lambda _connection: never.wait())
    with by_hand() as clock:
        asked = usual.call("PING")
        await clock.until(asyncio.gather(asked, return_exceptions=True), within=2)
        assert getattr(asked.exception(), "reason", "") == "timeout"


async def test_an_answer_that_came_while_this_process_was_held_up_is_no_timeout(
    valkey: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, loop = Wire(valkey.url, links=1), asyncio.get_running_loop()
    await wire.call("PING")
    asked = wire.call("ECHO", "mine")
    await asyncio.sleep(0)  # it leaves
    (link,) = wire._links
    assert link is not None
    socket = link._connection._writer.get_extra_info("socket")  # type: ignore[attr-defined]
    assert select.select([socket], [], [], 10)[0], "the answer is there, and not yet read"
    now = loop.time() + 60
    monkeypatch.setattr(loop, "time", lambda: now)
    assert await asked == b"mine"
    await wire.close()


async def test_a_server_that_was_held_up_with_this_process_has_its_time_still(
    usual: Wire, proxy: Proxy
) -> None:
    with by_hand() as clock:
        await usual.call("PING")
        proxy.answers.clear()
        proxy.received.clear()
        asked = usual.call("ECHO", "mine")
        await proxy.received.wait()
        clock.now += 60  # in which nobody ran
        await clock.until(asyncio.create_task(asyncio.sleep(1)), within=2)
        proxy.answers.set()
        assert await asked == b"mine"


@pytest.mark.row("RD-05")
async def test_a_server_that_is_silent_is_given_up_however_often_this_process_is_held_up(
    usual: Wire, proxy: Proxy
) -> None:
    with by_hand() as clock:
        await usual.call("PING")
        proxy.answers.clear()
        asked = usual.call("PING")
        for _ in range(10):
            clock.now += 1
            await clock.until(asyncio.create_task(asyncio.sleep(0.01)), within=1)
        assert getattr(asked.exception(), "reason", "") == "timeout"
        clock.now += 60
        asked = usual.call("PING")  # as soon as this process goes on
        await clock.until(asyncio.gather(asked, return_exceptions=True), within=2)
        assert getattr(asked.exception(), "reason", "") == "timeout"
        proxy.answers.set()


async def test_an_answer_without_a_question_breaks_the_connection(wire: Wire, proxy: Proxy) -> None:
    # SUBSCRIBE to two channels gives two answers to one command.
    await wire.call("SUBSCRIBE", "one", "two")
    while True:
        try:
            if await wire.call("ECHO", "mine") == b"mine":
                break
        except StoreUnavailable:
            continue  # it was in the row that was given up
    assert proxy.connections == 2


@pytest.mark.row("RD-04")
async def test_while_the_server_is_away_answers_fail_fast_and_it_recovers_by_itself(tmp_path: Path) -> None:
    server = start_embedded(tmp_path)
    wire = Wire(server.url, deadline=PATIENCE)
    await wire.call("SET", "kept", "over the restart")
    server.stop()
    with by_hand():  # no time goes by
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await wire.call("GET", "kept")
        server = start_embedded(tmp_path)
        assert await wire.call("GET", "kept") == b"over the restart"
    await wire.close()
    server.stop()


@pytest.mark.row("RD-05")
async def test_a_stopped_process_is_noticed_in_under_two_seconds(tmp_path: Path) -> None:
    server = start_embedded(tmp_path)
    wire = Wire(server.url)
    with by_hand() as clock:
        await wire.call("PING")
        os.kill(server.pid, signal.SIGSTOP)
        asked = wire.call("PING")
        await clock.until(asked, within=2)
        with pytest.raises(StoreUnavailable):
            await asked
        os.kill(server.pid, signal.SIGCONT)
        assert await wire.call("PING") == b"PONG"
    await wire.close()
    server.stop()


@pytest.mark.row("RD-07")
async def test_what_the_server_refuses_has_the_name_of_its_error(tmp_path: Path) -> None:
    server = start_embedded(tmp_path)
    wire = Wire(server.url)
    await wire.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreRefused) as out_of_memory:
        await wire.call("SET", "a", "b")
    await wire.call("CONFIG", "SET", "maxmemory", "0")
    await wire.call("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreRefused) as read_only:
        await wire.call("SET", "a", "b")
    await wire.call("REPLICAOF", "NO", "ONE")
    with pytest.raises(StoreRefused) as unknown:
        await wire.call("NOSUCHCOMMAND", "a secret")
    with pytest.raises(StoreRefused) as wrong_type:
        await wire.call("HGET", await _a_string(wire), "field")
    assert [error.value.reason for error in (out_of_memory, read_only, wrong_type)] == [
        "oom",
        "readonly",
        "wrongtype",
    ]
    assert "a secret" not in str(unknown.value)
    await wire.close()
    server.stop()


async def _a_string(wire: Wire) -> str:
    await wire.call("SET", "string", "value")
    return "string"


@pytest.mark.row("RD-14")
async def test_a_script_that_the_server_forgot_is_sent_again(wire: Wire) -> None:
    script = Script("return {KEYS[1], ARGV[1]}")
    assert await wire.run(script, ["k"], ["a"]) == [b"k", b"a"]
    await wire.call("SCRIPT", "FLUSH")
    assert await wire.run(script, ["k"], ["b"]) == [b"k", b"b"]


async def test_user_password_and_database_of_the_url_are_used(tmp_path: Path) -> None:
    server = start_embedded(tmp_path)
    direct = Wire(server.url)
    await direct.call("ACL", "SETUSER", "broker", "on", ">s3cret/", "~broker:*", "+@all", "-@dangerous")
    await direct.call("CONFIG", "SET", "requirepass", "another")
    async with Proxy(server.url) as proxy:
        wire = Wire(f"redis://broker:s3cret%2F@127.0.0.1:{proxy.port}/3")
        await wire.call("SET", "broker:a", "in 3")
        with pytest.raises(StoreRefused) as refused:
            await wire.call("SET", "other:a", "x")
        assert refused.value.reason == "noperm"
        await wire.close()
        wrong = Wire(f"redis://broker:wrong@127.0.0.1:{proxy.port}/3")
        with pytest.raises(StoreUnavailable) as no_entry:
            await wrong.call("PING")
        assert no_entry.value.reason == "noauth"
        await wrong.close()
    await direct.call("SELECT", 3)
    assert await direct.call("GET", "broker:a") == b"in 3"
    await direct.close()
    server.stop()


async def test_tls_is_spoken_and_the_certificate_is_checked(valkey: Embedded, tmp_path: Path) -> None:
    async with Proxy(valkey.url, certificate(tmp_path)) as proxy:
        trusting = Wire(f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={tmp_path / 'cert.pem'}")
        assert await trusting.call("PING") == b"PONG"
        await trusting.close()
        doubting = Wire(f"rediss://127.0.0.1:{proxy.port}/0")
        with pytest.raises(StoreUnavailable):
            await doubting.call("PING")
        await doubting.close()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis+sentinel://a:26379,b:26379/mymaster", "redis+sentinel:// (Sentinel) is not supported yet"),
        ("redis+cluster://a:6379", "redis+cluster:// (Cluster) is not supported yet"),
        ("memcached://a", "memcached is not supported"),
        ("localhost", "a URL without scheme is not supported"),
        ("redis://a/b", "number of a database"),
        ("redis://a?nonsense=1", "unknown option nonsense"),
        ("redis://a?socket_timeout=x", "socket_timeout"),
    ],
)
def test_other_urls_are_refused_by_name(url: str, named: str) -> None:
    with pytest.raises(StoreMisconfigured) as refused:
        Wire(url)
    assert named in str(refused.value)


def test_a_refused_url_does_not_tell_its_password() -> None:
    with pytest.raises(StoreMisconfigured) as refused:
        Wire("redis+cluster://user:s3cret@a:6379")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("option", ["decode_responses=True", "retry_on_timeout=True", "protocol=3"])
async def test_the_url_cannot_change_how_answers_are_read(proxy: Proxy, option: str) -> None:
    wire = Wire(f"{proxy.url}?{option}")
    assert await wire.call("ECHO", "\u00e9") == "\u00e9".encode()
    await wire.close()


async def test_after_close_nothing_is_sent(valkey: Embedded) -> None:
    wire = Wire(valkey.url)
    await wire.call("PING")
    await wire.close()
    with pytest.raises(StoreUnavailable):
        await wire.call("PING")
