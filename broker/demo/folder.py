"""What the demo keeps between two runs, in one folder: secrets, keys, logs, configuration and state.

Owns that folder and the choice of ports. A curious operator can read everything in it, and nobody else.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Self

from broker.demo.apps import APPS

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
USUAL_PORT = 8610
PARTIES = 3


class DemoError(Exception):
    """The demo cannot run, for a reason that the operator can do something about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One port for each party. The app's is the one that people see."""

    app: int
    broker: int
    provider: int

    @classmethod
    def choose(cls, wanted: int | None) -> Self:
        """`wanted` and the two after it; without it the usual ones, or any that are free.

        The usual ones come first because the issuers are named by them: with other ports Ada would be another
        person to the broker, who has allowed nothing yet.

        Raises:
            DemoError: one of those that are wanted is taken.
        """
        first = wanted or USUAL_PORT
        row = range(first, first + PARTIES)
        taken = [port for port in row if not _is_free(port)]
        if taken and wanted:
            raise DemoError(f"port {taken[0]} is taken; --port {wanted} needs {row[0]} to {row[-1]}")
        ports = _any_free() if taken else list(row)
        return cls(app=ports[0], broker=ports[1], provider=ports[2])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_free() -> list[int]:
    probes = [socket.socket() for _ in range(PARTIES)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@dataclass(frozen=True, slots=True)
class Folder:
    """The demo's folder."""

    path: Path

    @classmethod
    def usual(cls) -> Self:
        """Where such things belong (XDG Base Directory Specification)."""
        state = os.environ.get("XDG_STATE_HOME", "")
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
        return cls(base / "federation-broker" / "demo")

    @property
    def config(self) -> Path:
        """The broker's configuration."""
        return self.path / "broker.yaml"

    @property
    def secrets(self) -> Path:
        """One file for each secret that two of the parties share."""
        return self.path / "secrets"

    @property
    def provider_key(self) -> Path:
        """The demo provider's signing key."""
        return self.path / "provider-key.json"

    def log(self, party: str) -> Path:
        """What a party has said since the last start."""
        return self.path / "logs" / f"{party}.log"

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Hold the folder: two demos in one would overwrite each other.

        Raises:
            DemoError: another demo has it, or it cannot be written.
        """
        try:
            for folder in (self.path, self.secrets, self.path / "logs"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DemoError(f"{self.path} cannot be used: {error.strerror}; try --state DIR") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"a demo is running in {self.path} already; --state DIR runs another") from None
        else:
            yield
        finally:
            os.close(lock)

    def furnish(self, ports: Ports) -> None:
        """Write everything that the parties read. Secrets are made once."""
        for name in ("upstream", *(app.key for app in APPS)):
            self._secret(name)
        for name in ("claims.yaml", "static/app.svg", "static/provider.svg"):
            shutil.copyfile(HERE / name, self.path / Path(name).name)
        values = {
            "issuer": url(ports.broker),
            "listen": f"{LOOPBACK}:{ports.broker}",
            "provider": url(ports.provider),
            "app": url(ports.app),
            **{f"{app.key}_scope": " ".join(app.scopes) for app in APPS},
        }
        text = Template((HERE / "broker.yaml.template").read_text(encoding="utf-8")).substitute(values)
        self.config.write_text(text, encoding="utf-8")

    def _secret(self, name: str) -> None:
        with suppress(FileExistsError):
            file = os.open(self.secrets / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(file, "w") as opened:
                opened.write(secrets.token_urlsafe(32) + "\n")


def url(port: int) -> str:
    """Where a party is on this machine."""
    return f"http://{LOOPBACK}:{port}"
