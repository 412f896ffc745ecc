"""How long a test waits for what must come: as long as a machine needs that is slow, busy or held up.

Nothing is proven by it. Where something must happen in time, the test says in which order, or turns a clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 60.0
"""Seconds after which what was waited for comes no more; the test then ends by name, and not with the run."""


def skip(seconds: float) -> None:
    """Every timer of this event loop that is due within so many seconds is due now, until the test ends."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


@contextmanager
def no_timer_fires() -> Iterator[None]:
    """Meanwhile nothing that waits for time to go by goes on: what is answered is so without that."""
    loop = asyncio.get_running_loop()
    before, stands = loop.time, time.monotonic()
    loop.time = lambda: stands  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.time = before  # type: ignore[method-assign]
