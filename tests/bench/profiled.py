"""The broker's application in one process, looked at every other millisecond of CPU that it uses.

    python -m tests.bench.profiled CONFIG DUMP

A timer of the kernel that counts CPU, not time, stops the process; where it stands then is counted. So
waiting for a core costs nothing, and C code counts for the Python function that called it. SIGUSR1 begins
the counting, SIGUSR2 tells how many tasks there are, SIGTERM ends it; then the counts are written.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import uvloop
from aiohttp import web

from broker.app import build
from broker.config import load

EVERY = 0.002
SITE = "site-packages/"
HOME = f"{Path.cwd()}/"
OURS = ("broker/", "connectors/")


class Sampler:
    """Counts functions by where the CPU is (own) and by everything on the way there (whole)."""

    def __init__(self) -> None:
        self.samples = 0
        self.own: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.owner: Counter[str] = Counter()

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        self.samples += 1
        seen: set[str] = set()
        owner = ""
        while frame is not None:
            code = frame.f_code
            place = code.co_filename.rpartition(SITE)[2].replace(HOME, "")
            name = f"{place}:{code.co_qualname}"
            if not seen:
                self.own[name] += 1
            if not owner and place.startswith(OURS):
                owner = f"{place}:{frame.f_lineno} {code.co_qualname}"
            seen.add(name)
            frame = frame.f_back
        self.whole.update(seen)
        self.owner[owner or "(below us: aiohttp, uvloop, asyncio)"] += 1

    def write(self, dump: Path) -> None:
        told = {"samples": self.samples, "own": self.own, "whole": self.whole, "owner": self.owner}
        dump.write_text(json.dumps(told))


async def serve(config_file: Path) -> None:
    config = load(config_file, os.environ)
    runner = web.AppRunner(await build(config), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, config.listen.host, config.listen.port, backlog=512).start()
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_signal_handler(signal.SIGUSR1, sampler_begins)
    loop.add_signal_handler(signal.SIGUSR2, tell_tasks)
    await leave.wait()
    signal.setitimer(signal.ITIMER_PROF, 0)
    await runner.cleanup()


SAMPLER = Sampler()


def sampler_begins() -> None:
    """The parent says when the warm-up is over."""
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)


def tell_tasks() -> None:
    sys.stderr.write(f"tasks {len(asyncio.all_tasks())}\n")
    sys.stderr.flush()


def main(config_file: Path, dump: Path) -> None:
    signal.signal(signal.SIGPROF, SAMPLER)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(config_file))
    SAMPLER.write(dump)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
