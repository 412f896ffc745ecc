"""`broker demo` starts everybody quickly, says so when it cannot, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from broker.demo import launcher
from broker.demo.folder import DemoError, Folder, Ports
from broker.kit.loop_clock import by_hand
from tests.demo.helpers import Browser
from tests.demo.running import Demo, left_over, three_ports
from tests.patience import PATIENCE

pytestmark = pytest.mark.timeout(600)

PROGRAMS = "broker.app", "broker.cli.serve", "broker.demo.app", "broker.demo.provider", "broker.demo.launcher"
EVERYBODY = {"broker serve", "broker.demo.provider", "broker.demo.app", "valkey-server"}


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder for one demo; whatever still runs there at the end is a failure."""
    yield tmp_path / "state"
    assert left_over(tmp_path / "state") == []


@contextmanager
def taken_ports(count: int = 1) -> Iterator[list[int]]:
    """Ports that somebody else listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    yield [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_being_stopped_ends_everybody(state: Path, how: signal.Signals) -> None:
    demo = await Demo.start(state)
    assert not EVERYBODY - demo.children().keys()
    assert (await demo.stop(how))[0] == 0


STUBBORN = """
import http.server, signal, sys

def hear(*_):
    global deaf
    deaf -= 1
    print("heard", flush=True)
    if deaf < 0:
        sys.exit(0)

deaf = {deaf}
signal.signal(signal.SIGTERM, hear)
answer = {{"do_GET": lambda self: self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n")}}
handler = type("Handler", (http.server.BaseHTTPRequestHandler,), answer)
http.server.HTTPServer(("127.0.0.1", {port}), handler).serve_forever()
"""


def _heard(log: Path, times: int) -> None:
    """Returns when a party has heard so many signals."""
    while log.read_text().count("heard") < times:
        time.sleep(0.01)


@pytest.mark.parametrize(("deaf", "code"), [(0, 0), (1, 0), (99, -9)], ids=["polite", "asked twice", "deaf"])
async def test_who_does_not_hear_is_asked_again_and_then_made_to_go(
    tmp_path: Path, deaf: int, code: int
) -> None:
    port = three_ports()
    program = STUBBORN.format(deaf=deaf, port=port)
    command = [sys.executable, "-c", program]
    party = launcher.Party(name="stubborn", key="s", command=command, port=port, ready="/")
    running = await launcher.Running.start(party, tmp_path / "log")
    patience = [seconds for _, seconds in launcher._GOODBYES if seconds is not None]
    try:
        await running.answers()
        with by_hand() as clock:
            stopping = asyncio.ensure_future(launcher._stop([running]))
            for times, seconds in enumerate(patience[:deaf], start=1):
                await asyncio.to_thread(_heard, tmp_path / "log", times)
                await clock.passes(seconds - 0.2)
                assert not stopping.done()
                assert (tmp_path / "log").read_text().count("heard") == times
                await clock.passes(0.3)
            await stopping
    finally:
        running.ask_to_stop(signal.SIGKILL)
    assert running.ended.result() == code


async def test_exactly_one_address_is_printed(state: Path) -> None:
    demo = await Demo.start(state)
    _, rest = await demo.stop()
    assert (demo.said + rest).count("http") == 1
    assert str(state) in rest


def _reading() -> float:
    """Seconds of a processor to read what everybody runs: half of a start, on whatever machine."""
    before = os.times()
    subprocess.run([sys.executable, "-c", f"import {', '.join(PROGRAMS)}"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


async def test_the_second_start_costs_little_more_than_to_read_its_programs_and_keeps_the_keys(
    state: Path,
) -> None:
    await (await Demo.start(state)).stop()
    kept = {path: path.read_bytes() for path in [state / "provider-key.json", *(state / "secrets").iterdir()]}
    starts, readings = list[float](), list[float]()
    for _ in range(2):
        readings.append(await asyncio.to_thread(_reading))
        demo = await Demo.start(state)
        starts.append(demo.cpu())
        await demo.stop()
    assert min(starts) < 5 * min(readings)
    assert {path: path.read_bytes() for path in kept} == kept


async def test_who_was_signed_in_and_what_was_allowed_survive_a_restart(state: Path) -> None:
    port = f"--port={three_ports()}"
    async with Browser() as browser:
        demo = await Demo.start(state, port)
        await browser.open(demo.url)
        await browser.click("Sign in to Harbour Notes")
        await browser.click("Ada Marlowe")
        assert "Buy rope" in (await browser.click("Allow")).text
        await demo.stop()
        demo = await Demo.start(state, port)
        await browser.open(demo.url)
        assert "Buy rope" in (await browser.click("Sign in to Harbour Notes")).text
        await demo.stop()


async def test_everybody_goes_even_when_the_launcher_is_killed(state: Path) -> None:
    demo = await Demo.start(state)
    everybody = list(demo.children().values())
    demo.process.kill()
    await demo.process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, everybody, timeout=PATIENCE)
    assert alive == []


@pytest.mark.parametrize("who", sorted(EVERYBODY - {"valkey-server"}))
async def test_a_party_that_dies_is_named_and_ends_the_demo(state: Path, who: str) -> None:
    demo = await Demo.start(state)
    demo.children()[who].kill()
    code, said = await demo.rest()
    assert code == 1
    names = {
        "broker serve": "broker",
        "broker.demo.provider": "demo identity provider",
        "broker.demo.app": "demo app",
    }
    assert f"The {names[who]} was killed by SIGKILL" in said


async def test_a_party_that_cannot_start_says_why(state: Path) -> None:
    (state / "state").parent.mkdir(parents=True)
    (state / "state").write_text("not a folder")
    with pytest.raises(RuntimeError, match=r"ended with 1") as failure:
        await Demo.start(state)
    assert "The broker ended with exit code" in str(failure.value)
    assert "Traceback" not in str(failure.value).partition("Its last words")[0]


async def test_a_wanted_port_that_is_taken_is_named(state: Path) -> None:
    with taken_ports() as (port,), pytest.raises(RuntimeError, match=f"port {port} is taken"):
        await Demo.start(state, f"--port={port}")


async def test_a_wanted_port_is_the_address_of_the_apps(state: Path) -> None:
    port = three_ports()
    demo = await Demo.start(state, f"--port={port}")
    await demo.stop()
    assert demo.url == f"http://127.0.0.1:{port}/"


async def test_two_demos_do_not_share_a_folder(state: Path) -> None:
    demo = await Demo.start(state)
    with pytest.raises(RuntimeError, match=r"is running in .* already"):
        await Demo.start(state)
    await demo.stop()


async def test_a_port_that_is_not_one_is_a_usage_error(state: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "broker", "demo", "--port=70000", stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"65533" in said


def test_other_ports_are_taken_when_the_usual_ones_are_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_ports() as (port,):
        monkeypatch.setattr("broker.demo.folder.USUAL_PORT", port)
        chosen = Ports.choose(None)
        assert port not in {chosen.app, chosen.broker, chosen.provider}
        assert len({chosen.app, chosen.broker, chosen.provider}) == 3


def test_the_folder_is_where_such_things_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Folder.usual().path == tmp_path / "federation-broker" / "demo"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert Folder.usual().path == Path.home() / ".local/state/federation-broker/demo"


def test_a_folder_that_cannot_be_written_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError, match="--state DIR"), Folder(tmp_path / "file" / "demo").ours():
        pass


def test_only_the_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "demo")
    with folder.ours():
        folder.furnish(Ports(app=1, broker=2, provider=3))
    assert folder.path.stat().st_mode & 0o077 == 0
    for secret in folder.secrets.iterdir():
        assert secret.stat().st_mode & 0o077 == 0
