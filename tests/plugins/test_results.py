"""What became of every test is noted, by where it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.plugins import results

TESTS = """
import pytest

@pytest.mark.parametrize("good", [True, False])
def test_of_two(good):
    assert good

class TestIt:
    def test_inside(self):
        pass

def test_skipped():
    pytest.skip("not here")
"""


def run(folder: Path) -> dict[str, str]:
    """What a run of `TESTS` on two workers leaves."""
    (folder / "test_some.py").write_text(TESTS)
    script = (
        "import pathlib, pytest, sys; from tests.plugins import results;"
        f"results.FILE = pathlib.Path({str(folder)!r}) / 'build' / 'results.json';"
        "results.ROOT = results.FILE.parent.parent;"
        f"folder = {str(folder)!r};"
        "wanted = ['-q', '-n', '2', '-p', 'tests.plugins.results', folder, '--rootdir', folder];"
        "sys.exit(pytest.main(wanted))"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=results.ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        check=False,
    )
    said = json.loads((folder / "build" / "results.json").read_text())
    return {where.partition("test_some.py")[2] or where: outcome for where, outcome in said["tests"].items()}


WORST = {"::test_of_two": "failed", "::TestIt::test_inside": "passed", "::test_skipped": "skipped"}


def test_a_run_leaves_what_became_of_each_test_at_its_worst(tmp_path: Path):
    assert run(tmp_path) == WORST


def test_a_run_of_some_tests_leaves_what_is_known_of_the_others(tmp_path: Path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "results.json").write_text('{"tests": {"elsewhere.py::test_a": "failed"}}')
    assert run(tmp_path) == WORST | {"elsewhere.py::test_a": "failed"}
