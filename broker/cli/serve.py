"""``broker serve``: N workers on the same sockets, and whoever looks after them.

Owns the order of a start: read the configuration once, open the socket, start the embedded store, import
the application, then fork, so that all of it is shared.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from broker.cli.listening import Entrance, mtls_context, open_socket, tls_context, where
from broker.cli.operator import OperatorError, command, config_argument, load_config
from broker.cli.supervisor import Supervisor
from broker.cli.worker import work
from broker.config import EMBEDDED, Config, read_listen
from broker.events import Events
from broker.store import Embedded, StoreError, StoreMisconfigured, start_embedded

_MOST_WORKERS = 256


def register(commands: Any) -> None:
    """``serve --config FILE [--workers N] [--listen WHERE]``."""
    parser = command(commands, "serve", run)
    config_argument(parser, of_one_issuer=False)
    parser.add_argument("--workers", metavar="N", type=_workers, default=1, help="processes (default: 1)")
    parser.add_argument("--listen", metavar="WHERE", help="address:port or unix:PATH, instead of the file's")


def _workers(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if not 1 <= count <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_MOST_WORKERS}")
    return count


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM."""
    config = load_config(options)
    if options.listen is not None:
        try:
            config = replace(config, listen=read_listen(options.listen, Path()))
        except ValueError as error:
            options.parser.error(f"--listen: {error}")
    return serve(config, options.workers)


def serve(config: Config, workers: int) -> int:
    """Open what is shared, then let the workers work; the answer is the exit code."""
    gc.disable()  # until the workers begin: of what is imported and read, nearly all is here to stay
    with ExitStack() as shared:
        entrances = _entrances(config, shared)
        store = OwnStore(config) if config.store.url == EMBEDDED else None
        if store is not None:
            shared.callback(store.stop)
        be_a_worker = _worker(config, entrances)
        events = Events(now=time.time)

        def when_ready() -> None:
            for entrance in entrances:
                events.emit("serving", "ok", detail=where(entrance.socket, tls=entrance.tls is not None))
            notify("READY=1")

        shared.callback(notify, "STOPPING=1")
        # What is here now is here for good, so no worker's collector needs to touch (and copy) it.
        gc.collect()
        gc.freeze()
        gc.enable()
        watch = store.watch if store is not None else None
        return Supervisor(workers, be_a_worker, events, watch).run(when_ready)


def _entrances(config: Config, shared: ExitStack) -> list[Entrance]:
    """Where people and apps come in, and where those do that show a certificate."""
    tls = config.tls
    found = [(config.listen, tls_context(tls) if tls is not None else None)]
    if config.listen_mtls is not None and tls is not None:
        found.append((config.listen_mtls, mtls_context(tls)))
    entrances = []
    for listen, context in found:
        entrances.append(Entrance(shared.enter_context(open_socket(listen)), context))
        if listen.path is not None:
            shared.callback(listen.path.unlink, missing_ok=True)
    return entrances


def _worker(config: Config, entrances: Sequence[Entrance]) -> Callable[[int], None]:
    """What a worker does. Its imports are done here, before the fork, so that all share them."""
    from broker.app import SERVER, build  # noqa: PLC0415  (after the mistakes that are told without it)
    from broker.endpoints.certificates import ANCHORS  # noqa: PLC0415
    from broker.jose import JoseError  # noqa: PLC0415

    parent = os.getpid()

    async def built() -> web.Application:
        application = await build(config)
        for entrance in entrances:
            if entrance.tls is not None and entrance.tls.verify_mode is not ssl.CERT_NONE:
                application[ANCHORS].attach(entrance.tls)
        return application

    def be_a_worker(tell: int) -> None:
        try:
            work(built, SERVER, entrances, parent, tell)
        except (StoreError, JoseError) as error:
            raise OperatorError(str(error)) from error

    return be_a_worker


class OwnStore:
    """The embedded store, which lives as long as the parent; one that dies is started again."""

    def __init__(self, config: Config) -> None:
        self._folder = config.state_dir
        self._server = self._start()

    def _start(self) -> Embedded:
        try:
            return start_embedded(self._folder)
        except StoreMisconfigured as error:
            raise OperatorError(str(error)) from error

    def watch(self) -> None:
        """Called each second. The new server has the old one's address, so the workers find it."""
        if not self._server.running:
            self._server = self._start()

    def stop(self) -> None:
        """What was stored is on disk when this returns."""
        self._server.stop()


def notify(state: str) -> None:
    """Tells systemd, where that is who started us (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        # An abstract name begins with a zero byte, which is written @.
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
