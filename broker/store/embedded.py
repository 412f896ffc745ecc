"""A Valkey of our own: started, watched over and stopped by the broker, its data in ``state_dir``.

Owns ``state_dir/store/``: the server's data (an append-only file, so what was spent stays spent after a
crash), its socket, its log, and the lock. The server listens on a Unix socket in a 0700 folder and
nowhere else.

One server per state_dir. The lock is held by the server process itself, so it is free exactly when
nobody writes the data any more. `start_embedded` wants to be that one server's owner and says
`EmbeddedInUse` where there is an owner already: a second ``broker serve`` on the same folder is a
mistake. `join_embedded` is for workers and commands: it finds the server that runs.

The server ends with the thread that started it (PDEATHSIG), even where that was killed: start it from
the main thread.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from broker.store.errors import StoreMisconfigured
from broker.store.kept import usable
from broker.store.server import candidates

_LAUNCH = Path(__file__).with_name("launch.py")
_LONGEST_SOCKET = 100
"""A socket's path may have 107 bytes (unix(7)); some are left for the server's own use."""
_PATIENCE = 20.0
"""Seconds for a server to read its data; a fresh one takes 0.03."""
_HANDOVER = 1.0
"""Seconds that a server whose owner was killed may take to go."""
_STOP = 5.0


class EmbeddedInUse(StoreMisconfigured):
    """Another broker owns the store of this state_dir."""

    def __init__(self, folder: Path) -> None:
        super().__init__("in_use", f"state_dir: {folder.parent} is in use by another broker that runs")


@dataclass(frozen=True, slots=True)
class _Home:
    """The folder of one embedded store, and the names in it."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def note(self) -> Path:
        """Says where the socket is."""
        return self.folder / "socket"

    def make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def noted(self) -> Path | None:
        """Where the last server said its socket is."""
        try:
            return Path(self.note.read_text())
        except FileNotFoundError:
            return None

    def forget(self, address: Path) -> None:
        """Remove a socket that nobody listens on, with the folder that was made for it."""
        self.note.unlink(missing_ok=True)
        address.unlink(missing_ok=True)
        if address.parent != self.folder:
            with suppress(OSError):  # gone already, or not empty and so not only ours
                address.parent.rmdir()


class Embedded:
    """A server that runs. ``url`` is for `open_store`, in this process and its workers."""

    def __init__(self, process: subprocess.Popen[bytes], home: _Home, address: Path) -> None:
        self._process = process
        self._home = home
        self._address = address
        self.url = _url(address)

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server still lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server; what was stored is on disk when this returns."""
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._home.forget(self._address)


def start_embedded(state_dir: Path) -> Embedded:
    """Start the server of ``state_dir``. It is ready when this returns.

    Raises:
        EmbeddedInUse: a server runs there already.
        StoreMisconfigured: no server program was found, it does not start, or its folder cannot be used.
    """
    home = _home(state_dir)
    with usable(state_dir):
        home.make()
        lock = _lock(home)
        try:
            return _started(home, lock)
        finally:
            # The server has its own copy. Ours would pass to workers and outlive the server with them.
            os.close(lock)


def _started(home: _Home, lock: int) -> Embedded:
    left_behind = home.noted()
    if left_behind is not None:  # by an owner that was killed
        home.forget(left_behind)
    address = _address(home)
    home.note.write_text(str(address))
    try:
        return Embedded(_launch(home, address, lock), home, address)
    except BaseException:
        home.forget(address)
        raise


def join_embedded(state_dir: Path) -> str | None:
    """The URL of the server that runs in ``state_dir``, or None where none answers.

    Raises:
        StoreMisconfigured: its folder cannot be used.
    """
    home = _home(state_dir)
    with usable(state_dir):
        address = home.noted()
    return _url(address) if address is not None and _answers(address) else None


def _home(state_dir: Path) -> _Home:
    return _Home(state_dir.absolute() / "store")


def _url(address: Path) -> str:
    return f"unix://{quote(str(address))}"


def _lock(home: _Home) -> int:
    lock = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + _HANDOVER
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(lock)
                raise EmbeddedInUse(home.folder) from None
            time.sleep(0.01)
        else:
            return lock


def _address(home: _Home) -> Path:
    """Beside the data, or where that path is too long for a socket in a folder of its own."""
    beside = home.folder / "valkey.sock"
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET:
        beside.unlink(missing_ok=True)
        return beside
    return Path(tempfile.mkdtemp(prefix="broker-")) / "valkey.sock"


def _launch(home: _Home, address: Path, lock: int) -> subprocess.Popen[bytes]:
    tried: list[str] = []
    for program in candidates():
        process = _spawn(program, home, address, lock)
        if _ready(process, address):
            return process
        tried.append(f"{program} does not start: {_last_line(home.log)}")
    if not tried:
        tried.append("no valkey-server or redis-server of version 6.2 or later was found")
    raise StoreMisconfigured("no_server", f"store.url: embedded: {'; '.join(tried)}")


def _spawn(program: Path, home: _Home, address: Path, lock: int) -> subprocess.Popen[bytes]:
    settings = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": str(home.folder),
        # On the disk before the answer leaves, so neither a killed server nor a power cut forgets that a code
        # was spent (RFC 6749 §4.1.2). "everysec" is not enough: while its fsync runs it puts off the write
        # too, up to two seconds, and answers all the same. Commands of one turn share one fsync.
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        # An evicted record would be a login lost, or a spent mark (RFC 6749 §4.1.2).
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": "",
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    with home.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - no part of it comes from a request
            [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            # Ctrl-C is for the broker, which still needs its store while it drains.
            start_new_session=True,
            umask=0o077,
        )


def _ready(process: subprocess.Popen[bytes], address: Path) -> bool:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None:
        if _answers(address):
            return True
        if time.monotonic() > end:
            process.kill()
            process.wait()
            return False
        time.sleep(0.002)
    return False


def _answers(address: Path) -> bool:
    """Whether a server there has read its data and answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            probe.connect(str(address))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
