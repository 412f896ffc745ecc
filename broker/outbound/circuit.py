"""The circuit breaker of one upstream at work: it hears how each call ended, and lets none out while open.

Owns `Circuit`: a `breaker.Breaker` with a clock, and the one task that asks if the upstream answers again.
Each upstream has its own, in each worker; nothing that one of them does is felt by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from broker.connector import UpstreamUnavailable
from broker.outbound.breaker import Breaker, State, retry_after

Told = Callable[[bool, str], None]
"""Hears that it opened (True) or closed again, and why."""
Ask = Callable[[], Awaitable[bool]]
"""Asks the upstream something; whether it answered."""

_PROBE: ContextVar[Circuit | None] = ContextVar("probe", default=None)
"""The circuit for which the running task is the one that asks."""


class Circuit:
    """The breaker of one upstream.

    ``clock`` only ever goes forward; ``now`` is the time of day, for instants that an upstream names.
    """

    def __init__(self, clock: Callable[[], float], now: Callable[[], float], told: Told) -> None:
        self._clock, self._now, self._told = clock, now, told
        self._breaker = Breaker()
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the upstream is asked as usual."""
        return self._breaker.state is State.CLOSED

    @property
    def is_probe(self) -> bool:
        """Whether the running task is the one that asks if it answers again."""
        return _PROBE.get() is self

    def check(self) -> None:
        """Before every call.

        Raises:
            UpstreamUnavailable: it is open, and this is not the one who asks.
        """
        if not self.is_closed and not self.is_probe:
            left = self._breaker.remaining(self._clock())
            raise UpstreamUnavailable(f"left alone for another {left:.0f} s: it did not answer")

    def answered(self) -> None:
        """A call was answered, with whatever."""
        self._breaker.succeeded(self._clock())

    def unanswered(self, why: str, *, asks_for: str = "") -> None:
        """A call was not. ``asks_for`` is ``Retry-After``, where there is one."""
        wanted = retry_after(asks_for, now=self._now()) if asks_for else 0.0
        if self._breaker.failed(self._clock(), retry_after=wanted):
            self._told(True, why)

    def look_again(self, ask: Ask) -> asyncio.Task[None] | None:
        """The task that asks whether it answers again, for whom it may be; None for everybody else."""
        if not self._breaker.takes_probe(self._clock()):
            return None
        self._asking = asyncio.create_task(self._probe(ask))
        return self._asking

    async def close(self) -> None:
        """End what is still being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _probe(self, ask: Ask) -> None:
        _PROBE.set(self)
        answered = False
        try:
            answered = await ask()
        finally:
            self._breaker.probed(self._clock(), answered=answered)
            if answered:
                self._told(False, "")


class NeverOpen(Circuit):
    """For those of whom nobody asks whether they answer again: each call finds out by itself."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        super().__init__(clock, now, lambda _opened, _why: None)

    def unanswered(self, why: str, *, asks_for: str = "") -> None:
        """It is not held against them."""
