"""Child processes that never outlive the tests: each in a group of its own, ended with its parent.

Owns starting, listening to and ending them. What a process says when it is ready is for its own room to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.patience import PATIENCE

GRACE = 20.0
"""Seconds between asking a process to end and ending its group."""
STARTS = 300.0
"""Seconds that a server of somebody else's may take until it serves, on a machine that is slow or busy."""
_ours = contextlib.ExitStack()
"""The ports that this process was told."""


def free_port() -> int:
    """A loopback port that nobody listens on now, nor takes for an outgoing connection or a demo."""
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """So many of them, one after the other; this process's own until it ends."""
    # A random start, so that two test processes that ask at the same time rarely look at the same ones.
    start = 10_000 + int.from_bytes(os.urandom(4)) % 9_000
    for first in range(start, 20_000 - count):  # where those of the demo's tests begin
        ports = range(first, first + count)
        with contextlib.suppress(OSError), contextlib.ExitStack() as marks, contextlib.ExitStack() as probes:
            for port in ports:
                # A name that the kernel forgets with the process (unix(7), abstract sockets): what is to
                # listen on the port may take its time to start, and nobody else is told it meanwhile.
                mark = marks.enter_context(socket.socket(socket.AF_UNIX))
                mark.bind(f"\0federation-broker-test-port-{port}")
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            _ours.push(marks.pop_all())
            return ports
    raise OSError("no free port between 10000 and 20000")


class Talking:
    """A running process and everything it has said, on standard output and error together."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._ended = False
        self._reader = asyncio.create_task(self._read())

    async def says(self, *texts: str, within: float = PATIENCE) -> str:
        """The first line that contains all of these texts, as soon as it is there."""
        heard = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within), self._news:
                while True:
                    for line in self.lines[heard:]:
                        if all(text in line for text in texts):
                            return line
                    heard = len(self.lines)
                    if self._ended:
                        break
                    await self._news.wait()
        told = "\n".join(self.lines[-60:])
        raise RuntimeError(f"{'ended' if self._ended else 'waited'} without saying {texts}:\n{told}")

    async def tell(self, line: str) -> None:
        """One line to its standard input."""
        if self.process.stdin is None:
            raise RuntimeError("it has no standard input")
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def end(self) -> int:
        """Ask it to end, then end whatever is left of its group; returns its exit status."""
        process = self.process
        if process.returncode is None:
            # Not by the process's own method: that reaps one that has just ended, and its status is lost.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE)
        _end_group(process)
        status = await process.wait()
        await self._reader
        if process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await process.stdin.wait_closed()
        return status

    async def _read(self) -> None:
        stream = self.process.stdout
        while stream is not None and (line := await stream.readline()):
            async with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()


def _end_group(process: asyncio.subprocess.Process) -> None:
    """End whatever it started."""
    # Once it is gone its number may be somebody else's, though not while anybody is left of its group.
    if process.returncode is None or not Path(f"/proc/{process.pid}").exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[Talking]:
    """Run a command while the block lasts; then end it and everything it started."""
    # Should this process die without ending it, the kernel does (prctl, PR_SET_PDEATHSIG).
    setpriv = shutil.which("setpriv")
    tie = (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()
    process = await asyncio.create_subprocess_exec(
        *tie,
        *command,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=2**22,
    )
    talking = Talking(process)
    try:
        yield talking
    finally:
        await talking.end()
