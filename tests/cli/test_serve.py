"""Serving with several workers: nobody is lost when one leaves, and nobody stays when the parent goes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest

from broker.cli import supervisor, worker
from broker.cli.listening import open_socket
from broker.cli.operator import OperatorError
from broker.config import Listen
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]

Start = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts the little broker; the answer is its parent process and its address."""
    started: list[Process] = []

    async def begin(listen: str = "127.0.0.1:0", workers: int = 2, *more: str) -> tuple[Process, str]:
        command = [sys.executable, "-m", "tests.cli.little_broker", listen, str(workers), *more]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
        started.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        assert line or more, "it did not start"
        return process, line.decode().strip()

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def hears(process: Process, line: str) -> None:
    """Returns when that is the next line of its output."""
    assert process.stdout is not None
    said = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    assert said.decode().strip() == line


def children(process: Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


async def gone(processes: list[psutil.Process]) -> bool:
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, PATIENCE)
    return not alive


async def replaced(process: Process, pid: int) -> None:
    """Returns when two workers are there and none of them is ``pid``."""
    async with asyncio.timeout(PATIENCE):
        # The processes of others tell nobody when they change, so they are looked at.
        while len(children(process)) != 2 or pid in {child.pid for child in children(process)}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Crowd:
    """Clients that ask without pause; half of them keep their connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.failures: list[BaseException] = []
        self.answered: dict[int, int] = {}
        self._done = asyncio.Event()
        self._heard = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._ask(keep=number % 2 == 0)) for number in range(12)]

    async def _ask(self, *, keep: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=not keep)
        async with aiohttp.ClientSession(connector=connector) as session:
            while not self._done.is_set():
                try:
                    async with session.get(f"{self._url}/who") as answer:
                        pid = (await answer.json())["pid"]
                        self.answered[pid] = self.answered.get(pid, 0) + 1
                    async with self._heard:
                        self._heard.notify_all()
                except aiohttp.ClientError as error:
                    self.failures.append(error)

    async def answered_by(self, count: int) -> set[int]:
        """Waits until so many workers have answered."""
        async with asyncio.timeout(PATIENCE), self._heard:
            await self._heard.wait_for(lambda: len(self.answered) >= count)
        return set(self.answered)

    async def leave(self) -> None:
        self._done.set()
        await asyncio.gather(*self._tasks)


async def test_no_answer_is_lost_when_one_of_two_workers_is_told_to_stop(start: Start) -> None:
    process, url = await start()
    crowd = Crowd(url)
    for turn in range(2, 5):
        await crowd.answered_by(turn)
        leaving = children(process)[0].pid
        os.kill(leaving, signal.SIGTERM)
        await replaced(process, leaving)
    await crowd.answered_by(4)
    await crowd.leave()
    assert crowd.failures == []


async def test_what_is_in_flight_is_finished_before_the_end(start: Start) -> None:
    process, url = await start()
    async with aiohttp.ClientSession() as session:
        slow = [asyncio.create_task(session.get(f"{url}/until-the-end")) for _ in range(4)]
        for _ in slow:
            await hears(process, "answering")
        process.terminate()
        answers = await asyncio.gather(*slow)
    assert [answer.status for answer in answers] == [200] * 4
    assert {answer.headers.get("Connection") for answer in answers} == {"close"}
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def end_while_it_answers(start: Start, path: str, *how: str | int) -> None:
    """Tell it to end while it is busy with what will never be answered; it ends all the same."""
    process, url = await start(*how)
    family = children(process)
    async with aiohttp.ClientSession() as session:
        endless = asyncio.create_task(session.get(f"{url}{path}"))
        await hears(process, "answering")
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        with pytest.raises(aiohttp.ClientError):
            await endless
    assert await gone(family)


async def test_what_never_finishes_does_not_keep_the_process(start: Start) -> None:
    await end_while_it_answers(start, "/never")


async def test_a_worker_that_hears_nothing_is_made_to_go(start: Start) -> None:
    await end_while_it_answers(start, "/deaf", "127.0.0.1:0", 2, "deaf")


def test_what_workers_are_given_ends_within_the_ten_seconds_of_everybody() -> None:
    """A clock beside them would tell how busy the machine is."""
    of_a_worker = worker._BREATH + worker._FAREWELL + 2 * worker._IN_FLIGHT
    assert of_a_worker < supervisor._LIMIT == 10


async def test_a_worker_that_dies_is_replaced(start: Start) -> None:
    process, url = await start()
    victim = children(process)[0].pid
    os.kill(victim, signal.SIGKILL)
    await replaced(process, victim)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/who") as answer:
        assert (await answer.json())["remote"] == "127.0.0.1"
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert b'"event":"worker","outcome":"failed","reason":"died"' in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_end_leaves_no_process(start: Start, number: signal.Signals) -> None:
    process, _ = await start()
    family = children(process)
    assert len(family) == 2
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    assert await gone(family)


async def test_who_is_told_to_stop_in_the_moment_of_a_start_does_not_wait_for_the_newborn(
    start: Start,
) -> None:
    process, line = await start("127.0.0.1:0", 2, "stopped early")
    assert line == ""
    await asyncio.wait_for(process.wait(), PATIENCE)


async def test_a_parent_that_is_killed_leaves_no_process(start: Start) -> None:
    process, _ = await start()
    family = children(process)
    process.kill()
    await process.wait()
    assert await gone(family)


async def test_a_worker_that_cannot_begin_ends_everything(start: Start) -> None:
    process, line = await start("127.0.0.1:0", 2, "broken")
    assert line == ""
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert b"RuntimeError: cannot begin" in errors


async def test_a_socket_with_a_path_is_shared_alike(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    process, where = await start(f"unix:{path}")
    assert where == f"unix:{path}"
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://a/who") as answer:
        assert (await answer.json())["parent"] == process.pid


def test_a_place_that_is_taken_is_told_plainly(tmp_path: Path) -> None:
    with open_socket(Listen(host="127.0.0.1", port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(
            OperatorError, match=f"cannot listen on 127.0.0.1:{port}: somebody else listens there"
        ):
            open_socket(Listen(host="127.0.0.1", port=port))
    path = tmp_path / "http.sock"
    with open_socket(Listen(path=path)), pytest.raises(OperatorError, match="somebody else listens there"):
        open_socket(Listen(path=path))
    # Whoever left the socket behind is gone, so its place is free.
    open_socket(Listen(path=path)).close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_who_still_waits_to_begin_ends_when_told(start: Start, number: signal.Signals) -> None:
    process, line = await start("127.0.0.1:0", 2, "never ready")
    assert line == "waiting"
    workers = children(process)
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 1
    assert await gone(workers)


def test_what_is_not_a_socket_is_never_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "important"
    path.write_text("x")
    with pytest.raises(OperatorError):
        open_socket(Listen(path=path))
    assert path.read_text() == "x"


@pytest.mark.row("SC-06")
def test_a_start_loads_no_library_that_only_some_configurations_use():
    asked = "import sys, broker.cli.serve, broker.app, connectors.oidc; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout
    assert not {"argon2", "pyotp", "lxml", "signxml", "ldap3", "cel_expr_python"} & set(loaded.split())
