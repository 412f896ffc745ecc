"""`broker demo` as an operator runs it: a process, its one URL, and everything that it left behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

import psutil

from tests.patience import PATIENCE

URL = re.compile(r"http://127\.0\.0\.1:\d+/")


@dataclass(slots=True)
class Demo:
    """One `broker demo` that runs."""

    process: asyncio.subprocess.Process
    state: Path
    url: str
    said: str

    @classmethod
    async def start(
        cls,
        state: Path,
        *more: str,
        command: Sequence[str] = (sys.executable, "-m", "broker"),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Self:
        """Start it and wait for its URL."""
        if not any(argument.startswith("--port") for argument in more):
            more = (f"--port={three_ports()}", *more)
        process = await asyncio.create_subprocess_exec(
            *command, "demo", f"--state={state}", *more,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=cwd, env=env,
        )  # fmt: skip
        demo = cls(process, state, "", "")
        async with asyncio.timeout(2 * PATIENCE):  # sooner it says itself who does not answer
            await demo._until_url()
        return demo

    async def _until_url(self) -> None:
        if self.process.stdout is None:
            raise RuntimeError("no output to read")
        async for line in self.process.stdout:
            self.said += line.decode()
            found = URL.search(line.decode())
            if found:
                self.url = found[0]
                return
        raise RuntimeError(f"it ended with {await self.process.wait()} and said: {self.said}")

    def cpu(self) -> float:
        """Seconds of a processor that everybody has used so far."""
        launcher = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (launcher, *launcher.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    async def rest(self) -> tuple[int, str]:
        """The exit code, and what was said after the URL."""
        async with asyncio.timeout(PATIENCE):
            said, _ = await self.process.communicate()
        return self.process.returncode or 0, said.decode()

    async def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Ask it to stop, as Ctrl-C does."""
        os.kill(self.process.pid, how)
        return await self.rest()

    def children(self) -> dict[str, psutil.Process]:
        """The parties, by what their command says."""
        found = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            line = _line(process)
            for word in (
                "broker serve",
                "broker.demo.provider",
                "broker.demo.app",
                "valkey-server",
                "redis-server",
            ):
                if word in line and word not in found:
                    found[word] = process
        return found


_first = count(20_000 + 900 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), 3)


def three_ports() -> int:
    """The first of three free ports, from a range that is this test process's own."""
    for first in _first:
        try:
            for port in range(first, first + 3):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise RuntimeError("no free ports")


def left_over(state: Path, *, within: float = PATIENCE) -> list[str]:
    """Processes that still have to do with this folder, after those about to go had time to."""
    _, alive = psutil.wait_procs(_about(state), timeout=within)
    return [line for process in alive if (line := _line(process))]


def _line(process: psutil.Process) -> str:
    """Its command; nothing when it has gone in the meantime."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _about(state: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and str(state) in " ".join(process.info["cmdline"] or ())
    ]
