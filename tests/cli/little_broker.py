"""A small application under the real supervisor: `python -m tests.cli.little_broker WHERE WORKERS`."""

import asyncio
import os
import sys
import time
from pathlib import Path

from aiohttp import web

from broker.cli.listening import Entrance, open_socket, where
from broker.cli.supervisor import Supervisor
from broker.cli.worker import work
from broker.config import read_listen
from broker.events import Events


async def build() -> web.Application:
    app = web.Application()

    async def who(request: web.Request) -> web.Response:
        return web.json_response({"pid": os.getpid(), "parent": os.getppid(), "remote": request.remote})

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query["s"]))
        return web.json_response({"pid": os.getpid()})

    app.router.add_get("/who", who)
    app.router.add_get("/slow", slow)
    return app


def main(listen: str, workers: str, mode: str = "") -> int:
    listening = open_socket(read_listen(listen, Path()))
    parent = os.getpid()

    def be_a_worker(tell: int) -> None:
        if mode == "broken":
            raise RuntimeError("cannot begin")
        work(build, {}, [Entrance(listening)], parent, tell)

    def ready() -> None:
        sys.stdout.write(f"{where(listening, tls=False)}\n")
        sys.stdout.flush()

    return Supervisor(int(workers), be_a_worker, Events(now=time.time)).run(ready)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
