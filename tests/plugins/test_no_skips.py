"""A run in CI fails when anything was skipped, and says what and why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SKIPPED = """
    import pytest

    @pytest.mark.skip(reason="no Keycloak here")
    def test_needs_more():
        pass
"""
SKIPPED_WHOLE = """
    import pytest

    pytest.importorskip("a_package_that_nobody_has")

    def test_needs_more():
        pass
"""
EXPECTED_TO_FAIL = """
    import pytest

    @pytest.mark.xfail(reason="not there yet", strict=True)
    def test_of_tomorrow():
        raise LookupError
"""


def run(folder, source, *options):
    lines = [line.removeprefix("    ") for line in source.splitlines()]
    (folder / "test_it.py").write_text("\n".join(lines), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "reason"),
    [(SKIPPED, "no Keycloak here"), (SKIPPED_WHOLE, "a_package_that_nobody_has")],
    ids=["a test", "a module"],
)
def test_what_was_skipped_fails_with_its_reason(tmp_path, source, reason):
    assert run(tmp_path, source).returncode in (0, 5)
    refused = run(tmp_path, source, "-p", "tests.plugins.no_skips")
    assert refused.returncode not in (0, 5)
    assert reason in refused.stdout


def test_a_skip_is_refused_in_every_worker(tmp_path):
    refused = run(tmp_path, SKIPPED, "-p", "tests.plugins.no_skips", "-n", "1")
    assert refused.returncode == 1
    assert "no Keycloak here" in refused.stdout


def test_an_expected_failure_is_no_skip(tmp_path):
    assert run(tmp_path, EXPECTED_TO_FAIL, "-p", "tests.plugins.no_skips").returncode == 0
