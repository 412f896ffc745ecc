"""A small application under the real supervisor: `python -m tests.cli.little_broker WHERE WORKERS`."""

import asyncio
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from aiohttp import web

from broker.cli import supervisor
from broker.cli.listening import Entrance, open_socket, where
from broker.cli.worker import work
from broker.config import read_listen
from broker.events import Events


def say(line: str) -> None:
    """One line on standard output, from whichever process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told_to_stop_while_it_forks() -> int:
    """`os.fork` on a machine that is so busy that SIGTERM comes before its answer."""
    child = fork()
    if child:
        os.kill(os.getpid(), signal.SIGTERM)
    return child


fork = os.fork
# Who was not told is waited for as good as for ever; who does not hear, as good as not at all.
LIMITS = {"stopped early": 600.0, "never ready": 600.0, "deaf": 1.0}


async def never_ready(_app: web.Application) -> None:
    """As where a store is waited for that never comes."""
    say("waiting")
    await asyncio.Event().wait()


async def build(mode: str) -> web.Application:
    app = web.Application()
    if mode == "never ready":
        app.on_startup.append(never_ready)

    ending = asyncio.Event()

    async def end(_app: web.Application) -> None:
        ending.set()

    app.on_shutdown.append(end)  # nobody new comes in, and who is in flight is waited for

    async def who(request: web.Request) -> web.Response:
        return web.json_response({"pid": os.getpid(), "parent": os.getppid(), "remote": request.remote})

    async def until_the_end(_request: web.Request) -> web.Response:
        say("answering")
        await ending.wait()
        await asyncio.sleep(0.5)  # a seventh of what it is given, by the clock of the same loop
        return web.json_response({"pid": os.getpid()})

    async def never(_request: web.Request) -> web.Response:
        say("answering")
        await asyncio.Event().wait()
        return web.Response()

    async def deaf(_request: web.Request) -> web.Response:
        say("answering")
        threading.Event().wait()  # and with it the whole worker
        return web.Response()

    app.router.add_get("/who", who)
    app.router.add_get("/deaf", deaf)
    app.router.add_get("/until-the-end", until_the_end)
    app.router.add_get("/never", never)
    return app


def main(listen: str, workers: str, mode: str = "") -> int:
    listening = open_socket(read_listen(listen, Path()))
    parent = os.getpid()

    def be_a_worker(tell: int) -> None:
        if mode == "broken":
            raise RuntimeError("cannot begin")
        work(partial(build, mode), {}, [Entrance(listening)], parent, tell)

    def ready() -> None:
        say(where(listening, tls=False))

    if mode == "stopped early":
        os.fork = told_to_stop_while_it_forks
    if mode in LIMITS:
        vars(supervisor)["_LIMIT"] = LIMITS[mode]
    return supervisor.Supervisor(int(workers), be_a_worker, Events(now=time.time)).run(ready)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
