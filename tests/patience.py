"""How long a test waits for what must come: as long as a machine needs that is slow, busy or held up.

Nothing is proven by it. Where something must happen in time, the test says in which order, or turns a clock.
"""

from __future__ import annotations

import asyncio

PATIENCE = 60.0
"""Seconds after which what was waited for comes no more; the test then ends by name, and not with the run."""


def skip(seconds: float) -> None:
    """Every timer of this event loop that is due within so many seconds is due now, until the test ends.

    For where others are asked beside, such as the store: their answers have the time that they need. Where
    nothing but timers is about, and how long it takes, there is `broker.kit.loop_clock`.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
