"""The wheel, built once and installed into an environment of its own, far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

# Runs before anything else in the environment: notes every file of the checkout that anybody opens.
_WATCH = """
import os, sys

_NOTES = os.open({notes!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def _watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith({root!r}):
        os.write(_NOTES, (arguments[0] + "\\n").encode())

sys.addaudithook(_watch)
"""


@dataclass(frozen=True)
class Installed:
    """The environment that the wheel was installed into."""

    home: Path
    notes: Path
    """Names of files of the checkout that were opened; to stay empty."""

    @property
    def broker(self) -> str:
        """The command."""
        return str(self.home / "env" / "bin" / "broker")

    @property
    def environ(self) -> Mapping[str, str]:
        """What a person has in their shell, and nothing of ours."""
        person = self.home / "person"
        person.mkdir(exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(person), "LANG": "C.UTF-8"}

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        return subprocess.run(
            [self.broker, *arguments],
            cwd=cwd,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `python -m build` makes it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def with_kit(installed: Installed) -> Installed:
    """The same environment, with what the extra `kit` brings."""
    (packages,) = (installed.home / "env" / "lib").glob("python*/site-packages")
    for name in _needed("federation-broker", extra="kit"):
        _link(metadata.distribution(name), packages)
    return installed


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheel and what it says it needs, and nothing else."""
    home = tmp_path_factory.mktemp("far-away")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "env")], check=True)
    python = home / "env" / "bin" / "python"
    install = ["install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(python), *install]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = (home / "env" / "lib").glob("python*/site-packages")
    for name in _needed("federation-broker"):
        _link(metadata.distribution(name), packages)
    notes = home / "notes"
    # Not sitecustomize: Debian's own Python brings one, which would win.
    (packages / "watching.py").write_text(_WATCH.format(notes=str(notes), root=str(ROOT)))
    (packages / "watching.pth").write_text("import watching\n")
    subprocess.run([python, "-c", f"open({str(ROOT / 'README.md')!r}).close()"], check=True)
    assert "README.md" in notes.read_text(), "the watch does not see"
    notes.write_text("")
    return Installed(home, notes)


def _needed(name: str, *, extra: str = "") -> set[str]:
    """What a distribution says it needs here, with an extra of it, and what those need."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in metadata.requires(waiting.pop()) or ():
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


def _link(distribution: metadata.Distribution, packages: Path) -> None:
    """Lend a distribution that is installed here to another environment, without the network."""
    firsts = {path.parts[0] for path in distribution.files or ()}
    tops = firsts - {"..", "__pycache__"}
    for top in sorted(tops):
        if not (packages / top).exists():
            (packages / top).symlink_to(Path(str(distribution.locate_file(top))))
