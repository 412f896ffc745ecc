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


def test_a_run_leaves_what_became_of_each_test_at_its_worst(tmp_path: Path):
    (tmp_path / "test_some.py").write_text(TESTS)
    script = (
        "import pathlib, pytest, sys; from tests.plugins import results;"
        f"results.FILE = pathlib.Path({str(tmp_path)!r}) / 'build' / 'results.json';"
        "results.ROOT = results.FILE.parent.parent;"
        f"folder = {str(tmp_path)!r};"
        "wanted = ['-q', '-n', '2', '-p', 'tests.plugins.results', folder, '--rootdir', folder];"
        "sys.exit(pytest.main(wanted))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=results.ROOT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads((tmp_path / "build" / "results.json").read_text())
    outcomes = {where.partition("test_some.py")[2]: outcome for where, outcome in said["tests"].items()}
    assert outcomes == {
        "::test_of_two": "failed",
        "::TestIt::test_inside": "passed",
        "::test_skipped": "skipped",
    }, done.stdout + done.stderr
