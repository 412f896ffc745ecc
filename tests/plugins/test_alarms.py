"""No test waits forever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests.plugins import alarms
from tests.plugins.alarms import pytest_timeout_set_timer

alarms.AGAIN = 0.5
"""
TEST = """
import asyncio

async def busy():
    while True:
        pass

async def test_what_would_wait_forever():
    task = asyncio.create_task(busy())
    await asyncio.sleep(0)
    assert task.done()
    print("caught")
    await asyncio.Event().wait()
"""


def test_a_test_whose_alarm_was_caught_by_a_task_ends_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_some.py").write_text(TEST)
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
    wanted = ["--asyncio-mode=auto", "--timeout=1", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *plugins, *wanted, str(tmp_path)]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    said = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False).stdout
    assert "\ncaught\n" in said
    assert "1 failed" in said, said
