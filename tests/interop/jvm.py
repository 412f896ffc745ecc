"""The client apps that run on Java: each compiled once for each machine, from its sources under `java/`.

``python -m tests.interop.jvm`` makes them ready, which takes a JDK, Maven and half a minute: Maven brings the
libraries that a ``pom.xml`` names, ``javac`` compiles what is beside it. They are kept under the user's cache
folder, by what they were made of, so that a test run only starts them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.processes import Talking, running

SOURCES = Path(__file__).parent / "java"
_MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m")


@dataclass(frozen=True)
class Program:
    """A folder of sources, and what its ``pom.xml`` is told."""

    name: str
    main: str
    sources: str
    properties: Mapping[str, str] = field(default_factory=dict)

    def made(self) -> Path:
        """The folder of this program as its sources now stand, there or not."""
        recipe = hashlib.sha256(repr(sorted(self.properties.items())).encode())
        for source in sorted((SOURCES / self.sources).iterdir()):
            recipe.update(source.name.encode() + b"\0" + source.read_bytes())
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "federation-broker" / f"{self.name}-{recipe.hexdigest()[:12]}"


NIMBUS = Program("nimbus", "Driver", "nimbus")
SPRING_3 = Program(
    "spring-boot-3.5",
    "webapp.App",
    "spring",
    {"spring-boot.version": "3.5.16", "starter": "spring-boot-starter"},
)
SPRING_4 = Program("spring-boot-4.0", "webapp.App", "spring", {"spring-boot.version": "4.0.9"})
ALL = (NIMBUS, SPRING_3, SPRING_4)


def missing() -> str | None:
    """Why none of these can run here, or None."""
    if shutil.which("java") is None:
        return "no Java runtime on PATH"
    for program in ALL:
        if not program.made().is_dir():
            return f"{program.name} is not made ready (make test does, or python -m tests.interop.jvm)"
    return None


def prepare(program: Program) -> Path:
    """Make it ready unless it is; two callers at once do it once."""
    ready = program.made()
    ready.parent.mkdir(parents=True, exist_ok=True)
    with (ready.parent / f"{program.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_dir():
            with tempfile.TemporaryDirectory(dir=ready.parent, prefix="making-") as making:
                _make(program, Path(making) / "made").rename(ready)
    return ready


def _make(program: Program, made: Path) -> Path:
    """Its libraries and its classes."""
    folder, libraries = SOURCES / program.sources, made / "lib"
    told = [f"-D{name}={value}" for name, value in program.properties.items()]
    # Strict about checksums (-C): what came is what was published.
    fetch = ["mvn", "-B", "-q", "-ntp", "-C", _MAVEN_COPY, f"-DoutputDirectory={libraries}", *told]
    subprocess.run(fetch, check=True, cwd=folder, stdin=subprocess.DEVNULL)
    compiling = ["javac", "-parameters", "-d", made / "classes", "-cp", f"{libraries}/*"]
    subprocess.run([*compiling, *folder.glob("*.java")], check=True, stdin=subprocess.DEVNULL)
    return made


@contextlib.asynccontextmanager
async def started(
    program: Program, *arguments: str | Path, options: tuple[str, ...] = ()
) -> AsyncIterator[Talking]:
    """The program, running while the block lasts."""
    made = program.made()
    path = f"{made / 'classes'}:{made / 'lib'}/*"
    async with running("java", *_QUICK_START, *options, "-cp", path, program.main, *arguments) as process:
        yield process


if __name__ == "__main__":
    for each in ALL:
        prepare(each)
