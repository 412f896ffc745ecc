"""The embedded server: ours alone, quick to start, gone with us, and its data stays."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from broker.config.settings import StoreConfig
from broker.store import EmbeddedInUse, StoreMisconfigured, embedded, open_store, server, start_embedded
from broker.store.embedded import join_embedded
from broker.store.server import candidates, new_enough
from broker.store.wire import Wire
from tests.patience import PATIENCE
from tests.store.samples import NOW, grant, handle, session

CONFIG = StoreConfig()


async def test_what_was_stored_survives_a_restart(tmp_path: Path) -> None:
    store = await open_store(CONFIG, tmp_path)
    await store.put_session("sid.cookie", session(), 600)
    mine = grant()
    code = handle(store, "code", mine)
    await store.put_grant(mine, code, 600)
    await store.spend_code(code, ttl=600)
    await store.close()
    store = await open_store(CONFIG, tmp_path)
    assert await store.read_session("sid.cookie", 600) == session()
    state = await store.read_grant(mine.id)
    assert state is not None
    assert (state.grant, state.spent) == (mine, True)
    await store.close()


@pytest.mark.row("RT-03")
async def test_what_was_spent_stays_spent_when_the_server_is_killed(tmp_path: Path) -> None:
    owner = start_embedded(tmp_path)
    store = await open_store(CONFIG, tmp_path)
    mine = grant(issued_at=NOW)
    code = handle(store, "code", mine)
    await store.put_grant(mine, code, 600)
    await store.spend_code(code, ttl=600)
    await store.close()
    os.kill(owner.pid, signal.SIGKILL)
    owner.stop()
    owner = start_embedded(tmp_path)
    store = await open_store(CONFIG, tmp_path)
    state = await store.read_grant(mine.id)
    assert state is not None
    assert state.spent
    await store.close()
    owner.stop()


def test_it_starts_in_a_blink_and_leaves_nothing_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps, nap, least = list[float](), time.sleep, 1.0
    for _ in range(3):
        with monkeypatch.context() as starting:
            starting.setattr(time, "sleep", lambda seconds: (naps.append(seconds), nap(seconds)))
            running = start_embedded(tmp_path)
        used = psutil.Process(running.pid).cpu_times()
        least = min(least, used.user + used.system)
        pid = running.pid
        running.stop()
        assert not psutil.pid_exists(pid)
        assert not running.running
    # How long it takes says how busy the machine is. It has little to do, and nobody sleeps once it did that.
    assert least < 0.5
    assert [long for long in naps if long > 0.01] == []
    assert join_embedded(tmp_path) is None
    assert not (tmp_path / "store" / "valkey.sock").exists()


def test_its_folder_socket_and_data_are_the_owners_alone(tmp_path: Path) -> None:
    running = start_embedded(tmp_path)
    folder = tmp_path / "store"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "valkey.sock").stat().st_mode) == 0o700
    data = list(folder.rglob("*.aof"))
    assert data
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in data} == {0}
    assert psutil.Process(running.pid).net_connections(kind="inet") == []
    running.stop()


@pytest.mark.row("RT-03")
async def test_what_it_answered_is_on_the_disk(tmp_path: Path) -> None:
    running = start_embedded(tmp_path)
    wire = Wire(running.url)
    assert await wire.call("CONFIG", "GET", "appendfsync") == [b"appendfsync", b"always"]
    assert await wire.call("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
    # Killed at any moment, also while an fsync runs, it has all that it said yes to.
    said_yes = 0
    for number in range(1, 300):
        await wire.call("SET", "number", number)
        said_yes = number
    os.kill(running.pid, signal.SIGKILL)
    await wire.close()
    running.stop()
    running = start_embedded(tmp_path)
    wire = Wire(running.url)
    assert await wire.call("GET", "number") == str(said_yes).encode()
    await wire.close()
    running.stop()


@pytest.mark.row("RD-10")
async def test_it_does_not_evict(tmp_path: Path) -> None:
    running = start_embedded(tmp_path)
    wire = Wire(running.url)
    assert await wire.call("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"noeviction"]
    await wire.close()
    running.stop()


def test_a_second_owner_of_the_same_folder_is_told_so(tmp_path: Path) -> None:
    running = start_embedded(tmp_path)
    with pytest.raises(EmbeddedInUse, match="in use by another broker"):
        start_embedded(tmp_path)
    running.stop()
    start_embedded(tmp_path).stop()


async def test_workers_and_commands_join_the_server_that_runs(tmp_path: Path) -> None:
    owner = start_embedded(tmp_path)
    one, two = await open_store(CONFIG, tmp_path), await open_store(CONFIG, tmp_path)
    await one.put_session("sid.cookie", session(), 60)
    assert await two.read_session("sid.cookie", 60) == session()
    await one.close()
    await two.close()
    assert owner.running  # it is not theirs to stop
    owner.stop()


@pytest.mark.parametrize("length", [60, 107, 180])
async def test_a_long_folder_name_is_no_hindrance(tmp_path: Path, length: int) -> None:
    deep = tmp_path / ("d" * length)
    store = await open_store(CONFIG, deep)
    await store.ping()
    joined = join_embedded(deep)
    assert joined is not None
    socket = Path(joined.removeprefix("unix://"))
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    await store.close()
    assert not await asyncio.to_thread(socket.exists)


def test_a_folder_with_odd_characters_is_no_hindrance(tmp_path: Path) -> None:
    running = start_embedded(tmp_path / "ä b%20?#c")
    assert join_embedded(tmp_path / "ä b%20?#c") == running.url
    assert Wire(running.url)
    running.stop()


_PARENT = """
import signal, sys
from pathlib import Path
from broker.store import start_embedded
print(start_embedded(Path(sys.argv[1])).pid, flush=True)
signal.pause()
"""


def _parent(state_dir: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(state_dir)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, psutil.Process(int(parent.stdout.readline()))


def _gone(child: psutil.Process) -> bool:
    _, alive = psutil.wait_procs([child], timeout=PATIENCE)
    return not alive


def test_it_ends_with_its_parent_even_where_that_was_killed(tmp_path: Path) -> None:
    parent, child = _parent(tmp_path)
    assert child.is_running()
    parent.kill()
    parent.communicate()
    assert _gone(child)
    # And the next one takes over at once, though nobody cleaned up.
    start_embedded(tmp_path).stop()


def test_the_folder_of_a_far_socket_is_removed_after_a_kill_and_after_a_failed_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(embedded, "_LONGEST_SOCKET", 10)  # every path is too long for beside the data
    parent, child = _parent(tmp_path / ("d" * 100))
    parent.kill()
    parent.communicate()
    assert _gone(child)
    start_embedded(tmp_path / ("d" * 100)).stop()
    assert list((tmp_path / "tmp").iterdir()) == []
    monkeypatch.setattr(embedded, "candidates", lambda: iter(()))
    with pytest.raises(StoreMisconfigured):
        start_embedded(tmp_path / "none")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "appendonlydir").write_text("a file, not a folder")
    with pytest.raises(StoreMisconfigured, match="does not start"):
        start_embedded(tmp_path)


def test_a_program_on_the_path_serves_where_none_came_with_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = next(candidates())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(packaged)
    monkeypatch.setattr(server, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert list(candidates()) == [tmp_path / "bin" / "redis-server"]
    start_embedded(tmp_path / "state").stop()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreMisconfigured, match="or later was found"):
        start_embedded(tmp_path / "state")


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("Redis server v=6.0.16 sha=0 malloc=x bits=64", False),
        ("Redis server v=6.2.0 sha=0 malloc=x bits=64", True),
        ("Redis server v=7.0.15 sha=0", True),
        ("Valkey server v=10.1.0 sha=0", True),
        ("something else", False),
    ],
)
def test_the_version_of_a_found_program_is_checked(tmp_path: Path, said: str, good: bool) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    assert new_enough(program) is good


def test_a_program_that_does_not_run_is_not_good_enough(tmp_path: Path) -> None:
    assert not new_enough(tmp_path / "nothing")


async def test_the_key_of_the_embedded_store_is_made_once_and_kept(tmp_path: Path) -> None:
    store = await open_store(CONFIG, tmp_path)
    keys = store.handle_keys
    await store.close()
    store = await open_store(CONFIG, tmp_path)
    assert store.handle_keys == keys
    await store.close()
    assert stat.S_IMODE((tmp_path / "store-key").stat().st_mode) == 0o600


async def test_settings_that_cannot_work_leave_no_server_behind(tmp_path: Path) -> None:
    with pytest.raises(StoreMisconfigured, match="braces"):
        await open_store(StoreConfig(prefix="{a}:"), tmp_path)
    assert join_embedded(tmp_path) is None
