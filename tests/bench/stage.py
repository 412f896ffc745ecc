"""Everything a measurement needs on this machine: a Valkey, the stub, a driver, and what is measured.

Each is a process of its own, on ports and in folders that nobody else uses, and each is ended by its own id.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import redis

from broker.store.server import candidates
from tests.bench.stub import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parents[2]
OUR_CLIENT, OUR_SECRET = "bench-app", "bench-secret-of-the-client-app-0123456789"
REDIRECT_URI = "https://app.acme.example/callback"
WAIT = 20.0


class StageError(RuntimeError):
    """Something did not start, or ended by itself."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until_answered(port: int, process: subprocess.Popen[Any], log: Path) -> float:
    """Wait until a port answers a request, and say after how many seconds.

    That it accepts is not enough: a socket that is shared with workers accepts before any of them is there.
    """
    began = time.perf_counter()
    while time.perf_counter() - began < WAIT:
        if process.poll() is not None:
            raise StageError(f"ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=0.2) as probe,
        ):
            probe.settimeout(WAIT)
            probe.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if probe.recv(16).startswith(b"HTTP/1.1 "):
                return time.perf_counter() - began
        time.sleep(0.002)
    raise StageError(f"nothing answers on {port} after {WAIT:.0f} s:\n{log.read_text()[-2000:]}")


def family(pid: int) -> list[psutil.Process]:
    """A process and what it started: the workers of the broker."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def cpu_seconds(pids: Sequence[int]) -> float:
    """The CPU that processes have used: from the scheduler, to the nanosecond, thread by thread.

    A thread that has ended is not counted there, so this is for windows in which none does.
    """
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def megabytes(pid: int) -> float:
    """Resident memory of a process, its part of what it shares with others (PSS, proc(5))."""
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


class Stage:
    """Starts parts on demand and ends all of them at the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self._processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            self.end(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command: Sequence[str | Path], name: str, **more: Any) -> subprocess.Popen[Any]:
        log = (self.folder / f"{name}.log").open("ab")
        options = {"stdout": log, "stderr": log, "cwd": ROOT, **more}
        process: subprocess.Popen[Any] = subprocess.Popen([str(part) for part in command], **options)
        log.close()
        self._processes.append(process)
        return process

    def python(self, module: str, *arguments: str, name: str, **more: Any) -> subprocess.Popen[Any]:
        return self.start([sys.executable, "-m", module, *arguments], name, **more)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    @staticmethod
    def end(process: subprocess.Popen[Any]) -> None:
        """End it politely, and then not."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    # ── the parts ─────────────────────────────────────────────────────────────────────────────

    def valkey(self) -> Path:
        """A fresh store; the answer is its socket."""
        at = self.folder / f"valkey-{secrets.token_hex(3)}.sock"
        program = next(candidates(), None)
        if program is None:
            raise StageError("no valkey-server or redis-server on this machine")
        command = [
            program,
            "--port",
            "0",
            "--unixsocket",
            at,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            self.folder,
        ]
        process = self.start(command, "valkey")
        client = redis.Redis(unix_socket_path=str(at))
        until = time.monotonic() + WAIT
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(redis.RedisError):
                client.ping()
                client.close()
                return at
            time.sleep(0.005)
        raise StageError(f"the store did not start:\n{self.log('valkey').read_text()[-2000:]}")

    def stub(self) -> str:
        """The stub upstream; the answer is its issuer."""
        port = free_port()
        process = self.python("tests.bench.stub", str(port), name="stub")
        until_answered(port, process, self.log("stub"))
        return f"http://127.0.0.1:{port}"

    def driver(self, **plan: Any) -> Driver:
        told = {"client_id": OUR_CLIENT, "client_secret": OUR_SECRET, "redirect_uri": REDIRECT_URI, **plan}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return Driver(self.python("tests.bench.driver", json.dumps(told), name="driver", **pipes))

    def naive(self, stub: str, store: Path) -> Served:
        port = free_port()
        told = {
            "port": str(port),
            "stub": stub,
            "redis": f"unix://{store}",
            "client_id": OUR_CLIENT,
            "client_secret": OUR_SECRET,
            "redirect_uri": REDIRECT_URI,
            "upstream_client_id": CLIENT_ID,
            "upstream_client_secret": CLIENT_SECRET,
        }
        process = self.python("tests.bench.naive", json.dumps(told), name="naive")
        seconds = until_answered(port, process, self.log("naive"))
        return Served(process, f"http://127.0.0.1:{port}", seconds, self.log("naive"))

    def broker(
        self,
        stub: str,
        store: Path,
        *,
        workers: int = 1,
        profile: Path | None = None,
        change: Callable[[Path], None] | None = None,
    ) -> Served:
        """The broker as it is served: ``broker serve`` with a config like an operator's, or as changed."""
        port = free_port()
        folder = self.folder / f"broker-{port}"
        config = write_config(folder, port=port, stub=stub, store=store)
        if change is not None:
            change(config)
        command = ["broker", "serve", "--config", str(config), "--workers", str(workers)]
        if profile is not None:
            command = ["tests.bench.profiled", str(config), str(profile)]
        # Its events go to standard output and are written in full, but nobody keeps them.
        process = self.python(*command, name=f"broker-{port}", stdout=subprocess.DEVNULL)
        seconds = until_answered(port, process, self.log(f"broker-{port}"))
        return Served(process, f"http://127.0.0.1:{port}", seconds, self.log(f"broker-{port}"))


class Served:
    """A program under measurement, as it was when it first answered."""

    def __init__(self, process: subprocess.Popen[Any], url: str, started_in: float, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.started_in = started_in
        self.start_cpu = cpu_seconds(self.pids)

    @property
    def pids(self) -> list[int]:
        return [part.pid for part in family(self.process.pid)]

    @property
    def megabytes(self) -> float:
        """Resident memory of all its processes; what they share counts once."""
        return sum(megabytes(pid) for pid in self.pids)


class Driver:
    """The load driver's other end."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self._process = process

    def begin(
        self, in_flight: int, *, logins: int = 0, seconds: float | None = None, tell_at: int = 0
    ) -> None:
        asked = {"in_flight": in_flight, "logins": logins, "seconds": seconds, "tell_at": tell_at}
        if self._process.stdin is None:
            raise StageError("the driver has no input")
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise StageError(f"the driver ended with {self._process.poll()}")
        return dict(json.loads(line))

    def run(self, in_flight: int, *, logins: int = 0, seconds: float | None = None) -> dict[str, Any]:
        self.begin(in_flight, logins=logins, seconds=seconds)
        return self.told()


def write_config(folder: Path, *, port: int, stub: str, store: Path) -> Path:
    folder.mkdir(mode=0o700)
    path = folder / "broker.yaml"
    path.write_text(f"""\
issuer: http://127.0.0.1:{port}
listen: 127.0.0.1:{port}
store:
  url: unix://{store}
  prefix: "broker:"
  encryption_keys: [{b64encode(os.urandom(32)).decode()}]
state_dir: {folder}/state
subject_key: {b64encode(os.urandom(32)).decode()}
keys:
  algorithms: [RS256, ES256]
connectors:
  stub:
    type: oidc
    name: Stub
    issuer: {stub}
    client_id: {CLIENT_ID}
    client_secret: {CLIENT_SECRET}
clients:
  {OUR_CLIENT}:
    client_name: Bench
    client_secret: {OUR_SECRET}
    redirect_uris: [{REDIRECT_URI}]
    grant_types: [authorization_code, refresh_token]
    scope: openid profile email offline_access
    trusted: true
    id_token_signed_response_alg: ES256
    access_token_signing_alg: ES256
outbound:
  allow_networks: [127.0.0.0/8]
""")
    return path
