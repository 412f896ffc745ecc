"""The broker's application under cProfile, in one process without a supervisor.

    python -m tests.bench.profiled CONFIG DUMP

SIGTERM ends it; then the dump is written.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import signal
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from broker.app import build
from broker.config import load


async def serve(config_file: Path) -> None:
    config = load(config_file, os.environ)
    runner = web.AppRunner(await build(config), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, config.listen.host, config.listen.port, backlog=512).start()
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    await leave.wait()
    await runner.cleanup()


def main(config_file: Path, dump: Path) -> None:
    profile = cProfile.Profile()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        profile.enable()
        try:
            runner.run(serve(config_file))
        finally:
            profile.disable()
            profile.dump_stats(dump)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
