"""The wheel holds everything that is needed at run time: installed far away it serves a whole login."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.demo.helpers import Browser
from tests.demo.running import Demo, left_over
from tests.kit.documented import write_examples
from tests.wheel.conftest import ROOT, Installed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel"), pytest.mark.timeout(600)]


def test_it_holds_what_is_not_python_too(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    tracked = {
        str(path.relative_to(ROOT))
        for room in ("broker", "connectors")
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert tracked <= held
    assert {"broker/py.typed", "connectors/py.typed", "broker/demo/templates/app_home.html"} <= held


def test_it_holds_nothing_else(wheel: Path) -> None:
    rooms = {name.partition("/")[0] for name in ZipFile(wheel).namelist()}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"broker", "connectors"}
    assert not [name for name in ZipFile(wheel).namelist() if name.endswith((".pyc", ".pem"))]


def test_the_command_is_not_the_checkouts(installed: Installed, tmp_path: Path) -> None:
    said = installed.run("--version", cwd=tmp_path)
    assert said.stdout.startswith("broker ")
    assert said.returncode == 0


async def test_the_demo_runs_a_whole_login_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    empty, state = tmp_path / "empty", tmp_path / "state"
    empty.mkdir()
    demo = await Demo.start(state, command=[installed.broker], cwd=empty, env=installed.environ)
    async with Browser() as browser:
        await browser.open(demo.url)
        await browser.click("Sign in to Harbour Notes")
        await browser.click("Ada Marlowe")
        page = await browser.click("Allow")
        assert "Ada Marlowe is signed in to Harbour Notes" in page.text
        assert "Buy rope" in page.text
        assert "tokens refreshed 1×" in (await browser.click("Refresh tokens")).text
        assert "Harbour Notes" in (await browser.click("Your granted apps")).text
    assert (await demo.stop(signal.SIGINT))[0] == 0
    assert left_over(state) == []
    assert list(empty.iterdir()) == []
    assert _read_of_the_checkout(installed) == []


def test_init_writes_what_check_accepts(installed: Installed, tmp_path: Path) -> None:
    made = installed.run("init", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = installed.run("check", "mine/broker.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert _read_of_the_checkout(installed) == []


def test_a_connector_of_ones_own_passes_the_kit_far_from_the_checkout(
    with_kit: Installed, tmp_path: Path
) -> None:
    write_examples(tmp_path)
    python = str(with_kit.home / "env" / "bin" / "python")
    command = [python, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "test_acme.py"]
    said = subprocess.run(
        command, cwd=tmp_path, env=with_kit.environ, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-1000:]
    assert " passed" in said.stdout
    assert _read_of_the_checkout(with_kit) == []


def test_every_command_explains_itself(installed: Installed, tmp_path: Path) -> None:
    for name in ("demo", "init", "serve", "check", "schema", "metadata", "keys", "consents"):
        said = installed.run(name, "--help", cwd=tmp_path)
        assert (said.returncode, said.stderr) == (0, "")
    assert _read_of_the_checkout(installed) == []


def _read_of_the_checkout(installed: Installed) -> list[str]:
    return sorted(set(installed.notes.read_text().split()))
