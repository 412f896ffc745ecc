"""Notes what became of every test, for the pages that are made of it.

Loaded with ``-p tests.plugins.results``. Writes ``build/results.json`` at the end of a run, by where a test
is written (a test of the connector kit runs for many connectors). A run of some tests changes only theirs.
``tests.proven`` makes pages of it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "build" / "results.json"
WRITTEN_AT = "written_at"
_WORST = ("passed", "skipped", "failed")


def written_at(item: pytest.Item) -> str:
    """Where a test is written, as ``tests/flow/test_codes.py::test_…``, without what it is run with."""
    function = getattr(item, "function", None)
    if function is None:
        return item.nodeid
    path = Path(function.__code__.co_filename)
    inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return "::".join([inside.as_posix(), *function.__qualname__.split(".")])


class Noted:
    """What became of each test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def note(self, where: str, outcome: str) -> None:
        """A test run with several values is as good as its worst."""
        before = self.outcomes.get(where, outcome)
        self.outcomes[where] = max(before, outcome, key=_WORST.index)


_KEY: pytest.StashKey[Noted] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_KEY] = noted = Noted()
        config.pluginmanager.register(_Listener(noted), "results-listener")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.user_properties.append((WRITTEN_AT, written_at(item)))  # goes with the report to who asked for it
    return report


class _Listener:
    """Only where the run was started: there the reports of all workers come together."""

    def __init__(self, noted: Noted) -> None:
        self._noted = noted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        where = dict(report.user_properties).get(WRITTEN_AT)
        if isinstance(where, str) and (report.when == "call" or not report.passed):
            self._noted.note(where, report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    noted = session.config.stash.get(_KEY, None)
    if noted is None or not noted.outcomes:
        return
    said: dict[str, Any] = {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "tests": dict(sorted({**_before(), **noted.outcomes}.items())),
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _before() -> dict[str, str]:
    """What became of the tests of earlier runs."""
    try:
        found: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))["tests"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
