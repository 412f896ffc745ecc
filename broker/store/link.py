"""One connection to Redis that many tasks share, from its opening to its end.

Owns the order of commands and answers. RESP carries no ids: the nth answer belongs to the nth
command, so nobody leaves the row before it was answered, and a row in doubt is given up whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from broker.store.errors import StoreRefused, StoreUnavailable

_HELD_UP = 0.1
"""Seconds by which a timer may be late before that says something about us, and not about the server."""
_LOOKS = 0.25
"""Seconds between two looks at whether the other side is silent."""
Waiting = tuple["asyncio.Future[Any]", bytes, float]


class Link:
    """Opens itself, serves until it breaks, and then never again."""

    def __init__(self, connection: AbstractConnection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._unsent: list[Waiting] = []
        self._unanswered: deque[Waiting] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._looked = self._due = 0.0
        self._oldest: Waiting | None = None
        self._silent = 0.0
        self.broken = False
        self._task = self._loop.create_task(self._live())

    @property
    def load(self) -> int:
        """How many commands wait here."""
        return len(self._unsent) + len(self._unanswered)

    def submit(self, packed: bytes) -> asyncio.Future[Any]:
        """Queue a command; it leaves with all others of this turn of the loop."""
        loop = self._loop
        answer: asyncio.Future[Any] = loop.create_future()
        self._unsent.append((answer, packed, loop.time()))
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        if self._watch is None:
            self._look_later(self._deadline)
        return answer

    def give_up(self, error: StoreUnavailable) -> None:
        """Break: everyone who waits hears it now, and no late answer can reach anybody."""
        if self.broken:
            return
        self.broken = True
        if self._watch is not None:
            self._watch.cancel()
        for answer, _, _ in (*self._unanswered, *self._unsent):
            if not answer.done():
                answer.set_exception(type(error)(error.reason, error.detail))
        self._unanswered.clear()
        self._unsent.clear()
        self._task.cancel()

    async def close(self) -> None:
        """Break, and wait until the socket is closed."""
        self.give_up(StoreUnavailable("closed", "the store was closed"))
        await asyncio.wait([self._task])

    def _look_for_late(self) -> None:
        """Answers come in order, so the oldest question tells whether the other side still lives."""
        oldest = self._unanswered[0] if self._unanswered else self._unsent[0] if self._unsent else None
        if oldest is None:
            self._watch = self._oldest = None
            return
        # While we were held up ourselves (a pause of the machine, a busy loop) we did not listen: the server
        # may have been held up with us, or what it said waits to be read.
        now = self._loop.time()
        listened = min(now, self._due + _HELD_UP) - self._looked
        if oldest is self._oldest:
            self._silent += listened
        else:
            self._oldest, self._silent = oldest, min(listened, now - oldest[2])
        if self._silent < self._deadline:
            self._look_later(self._deadline - self._silent)
        else:
            self.give_up(StoreUnavailable("timeout", f"no answer within {self._deadline} s"))

    def _look_later(self, left: float) -> None:
        self._looked = self._loop.time()
        self._due = self._looked + min(_LOOKS, left)
        self._watch = self._loop.call_at(self._due, self._look_for_late)

    async def _live(self) -> None:
        """Open, write what is queued until something breaks; whatever ends it, the socket is closed."""
        reader: asyncio.Task[None] | None = None
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
            reader = self._loop.create_task(self._read())
            await self._write()
        except (RedisError, OSError) as error:
            self.give_up(_lost(error))
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.wait([reader])
            await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            if not self._unsent:
                self._wake = self._loop.create_future()
                await self._wake
                self._wake = None
            turn, self._unsent = self._unsent, []
            # Whoever was cancelled before it left is not sent at all.
            leaving = [waiting for waiting in turn if not waiting[0].done()]
            # Into the row before the first byte leaves: from here on their answers may come.
            self._unanswered.extend(leaving)
            if leaving:
                packed = b"".join([waiting[1] for waiting in leaving])
                await self._connection.send_packed_command(packed, check_health=False)

    async def _read(self) -> None:
        read, row = self._connection.read_response, self._unanswered
        try:
            while True:
                try:
                    reply: Any = await read()
                except ResponseError as error:
                    self._fail_first(error)
                    continue
                answer = row.popleft()[0]
                if not answer.done():
                    answer.set_result(reply)
        except (RedisError, OSError) as error:
            self.give_up(_lost(error))
        except IndexError:
            self.give_up(StoreUnavailable("surplus_answer", "an answer to which there is no question"))

    def _fail_first(self, error: ResponseError) -> None:
        answer = self._unanswered.popleft()[0]
        if not answer.done():
            answer.set_exception(refusal(error))


def refusal(error: ResponseError) -> StoreRefused:
    """What the server said no with, by its code: OOM, READONLY, NOSCRIPT, … (RESP: the first word)."""
    code = str(error.status_code or str(error).split(" ", 1)[0])
    # The rest of the text may repeat what was sent, so it stays here.
    return StoreRefused(
        code.lower() if code.isupper() else "error", f"the server refused: {type(error).__name__}"
    )


def _lost(error: Exception) -> StoreUnavailable:
    if isinstance(error, BusyLoadingError):
        return StoreRefused("loading", "the server is still reading its data")
    if isinstance(error, AuthenticationError):
        return StoreRefused("noauth", "the server does not accept our user and password")
    return StoreUnavailable("connection_lost", str(error))
