"""`broker demo` as an operator runs it: a process, its one URL, and everything that it left behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

URL = re.compile(r"http://127\.0\.0\.1:\d+/")
PATIENCE = 60


@dataclass(slots=True)
class Demo:
    """One `broker demo` that runs."""

    process: asyncio.subprocess.Process
    state: Path
    url: str
    said: str
    seconds: float
    """Until the URL was printed."""

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
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command, "demo", f"--state={state}", *more,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=cwd, env=env,
        )  # fmt: skip
        demo = cls(process, state, "", "", 0.0)
        async with asyncio.timeout(PATIENCE):
            await demo._until_url()
        demo.seconds = time.monotonic() - began
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
            line = " ".join(process.cmdline())
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


def left_over(state: Path, *, within: float = 10) -> list[str]:
    """Processes that still have to do with this folder, after those about to go had time to."""
    _, alive = psutil.wait_procs(_about(state), timeout=within)
    return [" ".join(process.cmdline()) for process in alive]


def _about(state: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and str(state) in " ".join(process.info["cmdline"] or ())
    ]
