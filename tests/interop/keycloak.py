"""A real Keycloak with the realm `acme`: made ready once for each machine, started for each test run.

``python -m tests.interop.keycloak`` makes it ready, which takes a JDK, Maven and about a minute: the
distribution comes from Maven Central, is built, and its realm imported. It is kept under the user's cache
folder, by version and realm, so that a test run only starts a copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.interop.processes import STARTS, free_port, running

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
REALM = Path(__file__).parent / "data" / "acme-realm.json"

_MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_SMALL_JVM = {
    "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1",
    "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx256m",
    "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
    "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin",
}


@dataclass(frozen=True)
class Keycloak:
    """Where it runs, and what the broker must know to be its client."""

    base_url: str
    realm: str = "acme"
    client_id: str = "broker-rp"
    client_secret: str = "broker-rp-secret"

    @property
    def issuer(self) -> str:
        return f"{self.base_url}/realms/{self.realm}"


def home() -> Path:
    """The folder of this version with this realm, there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    recipe = hashlib.sha256(REALM.read_bytes() + SHA256.encode()).hexdigest()[:12]
    return cache / "federation-broker" / f"keycloak-{VERSION}-{recipe}"


def missing() -> str | None:
    """Why no Keycloak can run here, or None."""
    if shutil.which("java") is None:
        return "no Java runtime on PATH"
    if not home().is_dir():
        return "Keycloak is not made ready (make test does, or python -m tests.interop.keycloak)"
    return None


async def prepare() -> Path:
    """Make it ready unless it is; two callers at once do it once."""
    ready = home()
    ready.parent.mkdir(parents=True, exist_ok=True)
    with (ready.parent / "keycloak.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not ready.is_dir():
            with tempfile.TemporaryDirectory(dir=ready.parent, prefix="making-") as making:
                (await _make(Path(making))).rename(ready)
    return ready


@contextlib.asynccontextmanager
async def serving(database: Path) -> AsyncIterator[Keycloak]:
    """A Keycloak on a copy of the seeded database in the folder ``database``, while the block lasts."""
    shutil.copytree(home() / "seed", database, dirs_exist_ok=True)
    async with _started(home() / "server", database) as base_url:
        yield Keycloak(base_url)


async def _make(folder: Path) -> Path:
    """The distribution, built, and beside it a database that holds the realm."""
    made = folder / "made"
    server = made / "server"
    _unpack(_fetch(folder), server)
    _build(server)
    async with _started(server, made / "seed", "--import-realm"):
        pass
    return made


def _fetch(folder: Path) -> Path:
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
    command = [
        "mvn",
        "-B",
        "-q",
        "-ntp",
        _MAVEN_COPY,
        f"-Dartifact={artifact}",
        f"-DoutputDirectory={folder}",
    ]
    subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL)
    (archive,) = folder.glob("*.zip")
    with archive.open("rb") as content:
        if hashlib.file_digest(content, "sha256").hexdigest() != SHA256:
            raise ValueError(f"{archive.name} is not the Keycloak {VERSION} that is known here")
    return archive


def _unpack(archive: Path, server: Path) -> None:
    unpacked = archive.parent / "unpacked"
    with zipfile.ZipFile(archive) as content:
        content.extractall(unpacked)
    archive.unlink()
    (top,) = unpacked.iterdir()
    server.parent.mkdir()
    top.rename(server)
    (server / "bin" / "kc.sh").chmod(0o755)


def _build(server: Path) -> None:
    subprocess.run([server / "bin" / "kc.sh", "build", "--db=dev-file"], check=True, stdin=subprocess.DEVNULL)
    (server / "data" / "import").mkdir(parents=True, exist_ok=True)
    shutil.copy(REALM, server / "data" / "import")


@contextlib.asynccontextmanager
async def _started(server: Path, database: Path, *options: str) -> AsyncIterator[str]:
    """A Keycloak of this build on the database in that folder; yields its base URL once it listens."""
    port = free_port()
    command = [
        server / "bin" / "kc.sh",
        "start",
        "--optimized",
        "--cache=local",  # without it, ports for a cluster open on every interface
        "--http-enabled=true",
        "--hostname-strict=false",
        "--http-host=127.0.0.1",
        f"--http-port={port}",
        f"--db-url=jdbc:h2:file:{database}/keycloak;NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=0",
        *options,
    ]
    async with running(*command, env=_SMALL_JVM) as keycloak:
        await keycloak.says("Listening on:", within=STARTS)
        yield f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    asyncio.run(prepare())
