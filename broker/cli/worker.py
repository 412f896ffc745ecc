"""One worker: accepts from the shared sockets, serves, and leaves without losing anybody.

Owns the order in which it leaves. First it stops accepting, and every answer says ``Connection: close``
(RFC 9112 §9.6), so that clients which keep their connections go elsewhere by themselves; after a while the
connections on which nobody speaks are closed; then what is still being answered is awaited. All of it
takes at most ten seconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import uvloop
from aiohttp import web

from broker.cli.listening import Entrance

Build = Callable[[], Awaitable[web.Application]]
Options = Mapping[str, Any]

_GARBAGE = 10_000, 20, 20
"""New objects before a collection: a login leaves hardly any circles, and the default looks too often."""
READY, LEAVING = b"r", b"l"

# Together with what the parent allows on top, at most ten seconds.
_FAREWELL: Final = 2.0
_IN_FLIGHT: Final = 3.5  # aiohttp waits twice: for answers, and once more after it has stopped reading
_POLL: Final = 0.02
_KEEP_ALIVE: Final = 75.0
_BREATH: Final = 0.5
_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(parent: int) -> None:
    """SIGTERM for this process when its parent dies, however that comes about (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before prctl was heard
            os._exit(1)


def work(
    build: Build,
    options: Options,
    entrances: Sequence[Entrance],
    parent: int,
    tell: int,
) -> None:
    """Serve until SIGTERM. ``options`` are for the application's runner, ``tell`` is a pipe to the parent."""
    end_with_parent(parent)
    gc.set_threshold(*_GARBAGE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build, options, entrances, tell))


async def _serve(build: Build, options: Options, entrances: Sequence[Entrance], tell: int) -> None:
    loop, leave = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, leave.set)
    application = await build()
    application.on_response_prepare.append(_farewell(leave))
    runner = web.AppRunner(
        application,
        **options,
        handle_signals=False,
        keepalive_timeout=_KEEP_ALIVE,
        shutdown_timeout=_IN_FLIGHT,
    )
    if await _begun(runner, leave):
        await _attend(runner, entrances, leave, tell)
    await runner.cleanup()


def _farewell(leave: asyncio.Event) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def say_farewell(_request: web.Request, response: web.StreamResponse) -> None:
        if leave.is_set():
            response.force_close()
            response.headers["Connection"] = "close"

    return say_farewell


async def _begun(runner: web.AppRunner, leave: asyncio.Event) -> bool:
    """Start the application; False where we are told to leave first, as when a store is still waited for."""
    loop = asyncio.get_running_loop()
    beginning, leaving = loop.create_task(runner.setup()), loop.create_task(leave.wait())
    await asyncio.wait({beginning, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if beginning.done():
        beginning.result()
        return True
    beginning.cancel()
    with suppress(asyncio.CancelledError):
        await beginning
    return False


async def _attend(
    runner: web.AppRunner, entrances: Sequence[Entrance], leave: asyncio.Event, tell: int
) -> None:
    """Serve until told to leave."""
    if runner.server is None:
        raise RuntimeError("the application did not start")
    doors = [Door(entrance.socket, runner.server, entrance.tls) for entrance in entrances]
    for door in doors:
        door.open()
    os.write(tell, READY)
    await leave.wait()
    os.write(tell, LEAVING)
    await asyncio.gather(*(door.close() for door in doors))
    await _until_quiet(runner.server)


async def _until_quiet(server: web.Server) -> None:
    """Returns when nobody is connected any more, or when it has been long enough."""
    end = asyncio.get_running_loop().time() + _FAREWELL
    while server.connections and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110  (it has no event)
        await asyncio.sleep(_POLL)


class Door:
    """Accepts connections one by one, so that a burst is shared with the other workers."""

    def __init__(
        self,
        listening: socket.socket,
        server: Callable[[], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listening, self._server, self._tls = listening, server, tls
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to accept."""
        self._later = None
        self._loop.add_reader(self._listening, self._accept)

    async def close(self) -> None:
        """Accept nobody any more; who is on the doorstep comes in."""
        self._loop.remove_reader(self._listening)
        if self._later is not None:
            self._later.cancel()
        if self._entering:
            await asyncio.wait(self._entering, timeout=_BREATH)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # another worker was faster, or the client has gone
        except OSError:  # no more file descriptors: what waits is not lost, so take a breath
            self._loop.remove_reader(self._listening)
            self._later = self._loop.call_later(_BREATH, self.open)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._enter(connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._server, connection, ssl=self._tls)
        except (OSError, ssl.SSLError):  # a handshake that failed is the other side's affair
            connection.close()
