"""The page on writing a connector: its connectors pass the kit, as it says, in anybody's folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.documented import write_examples


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_documented_connectors_pass_the_kit_as_the_page_says(tmp_path: Path) -> None:
    write_examples(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "."]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-1000:]
    assert "warning" not in said.stdout
