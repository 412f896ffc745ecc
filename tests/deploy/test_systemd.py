"""The unit file is one that systemd accepts and that leaves the broker little of the machine."""

import shutil
import subprocess

import pytest

from tests.deploy.files import DEPLOY, swap

MOST_EXPOSED = 15
"""Of 100, where 100 is a service without any protection."""

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze"),
]


@pytest.fixture
def unit(tmp_path):
    """The unit with a program that is there, since systemd looks for it."""
    program = tmp_path / "broker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "broker.service"
    path.write_text(swap((DEPLOY / "broker.service").read_text(), {"/opt/broker/bin/broker": str(program)}))
    return path


def analyze(*arguments):
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_to_say_about_the_unit(unit):
    said = analyze("verify", "--recursive-errors=no", "--man=no", unit)
    ours = [line for line in said.stderr.splitlines() if "broker" in line]
    assert (said.returncode, ours) == (0, [])


def test_a_mistake_in_the_unit_would_be_found(unit):
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=stricter"))
    said = analyze("verify", "--recursive-errors=no", "--man=no", unit)
    assert "protect system value" in said.stderr


def test_the_unit_exposes_little_of_the_machine(unit):
    said = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit)
    assert said.returncode == 0, said.stdout
