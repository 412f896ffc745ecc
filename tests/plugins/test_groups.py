"""What shares something heavy runs on one worker, whatever else runs on the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest

@pytest.mark.parametrize("turn", range(6))
@pytest.mark.xdist_group("heavy")
def test_of_a_group(turn):
    pass

@pytest.mark.parametrize("turn", range(6))
def test_of_none(turn):
    pass
"""


def test_the_tests_of_a_group_run_on_one_worker(tmp_path: Path):
    (tmp_path / "conftest.py").write_text("from tests.plugins.groups import pytest_collection_modifyitems\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    wanted = ["-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *wanted, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    workers = re.findall(r"\[(gw\d)\] .*test_of_a_group\[\d\]", said)
    assert len(workers) == 6, said
    assert len(set(workers)) == 1
