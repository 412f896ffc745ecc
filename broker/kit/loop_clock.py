"""What takes time, proven on a machine that has none: the clock of the running loop, moved by hand.

Owns `by_hand`. Meanwhile that clock stands still: a machine that stalls is no upstream that is silent, and
whoever waits for a time waits until the test lets it pass. What needs no time comes all the same. It wants an
event loop of asyncio's own, which asks its clock in Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broker.kit.saying import must

_TURNS = 20
"""Of the loop, for all to happen that follows from a timer, before the clock goes on."""


class LoopClock:
    """The time of the loop, which goes as far as a test lets it."""

    def __init__(self, now: float, step: float) -> None:
        self.now, self._step = now, step

    def __call__(self) -> float:
        """What the loop asks for."""
        return self.now

    async def until(self, done: asyncio.Future[Any], *, within: float) -> None:
        """Let time pass until that is done, which takes no more than so many seconds."""
        await self.passes(within, unless=done)
        must(done.done(), f"after {within:g} s it was not done")

    async def passes(self, seconds: float, *, unless: asyncio.Future[Any] | None = None) -> None:
        """Let so many seconds pass, or less, where what it is called with is done sooner."""
        ends = self.now + seconds
        await self._turns()
        while self.now < ends and (unless is None or not unless.done()):
            self.now = min(self.now + self._step, ends)
            await self._turns()

    async def _turns(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)


@contextmanager
def by_hand(step: float = 0.05) -> Iterator[LoopClock]:
    """The clock of the running loop, to be moved; at the end it is the usual one again.

    ``step`` is how many seconds it goes at a time. A timer that is much later than it should be could believe
    that its own process was held up.
    """
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop.time(), step)
    loop.time = clock  # type: ignore[method-assign]
    try:
        yield clock
    finally:
        del loop.time
