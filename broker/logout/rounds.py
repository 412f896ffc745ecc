"""What a worker does beside answering: tell client apps of ends, and find sessions that ran out.

Owns the two tasks and their end. A worker that stops leaves what it has in hand to the others, who come to
it when it is clear that nobody else will.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from broker.events import Events
from broker.logout.courier import Courier
from broker.logout.endings import Endings
from broker.logout.sweeping import keep_looking
from broker.store import Store, StoreError

_LAST = 1.0
"""Seconds for what is on its way when the worker stops."""


@asynccontextmanager
async def rounds(
    courier: Courier, endings: Endings, store: Store, events: Events, now: Callable[[], float]
) -> AsyncIterator[None]:
    """Both tasks, for as long as the application runs."""
    loop = asyncio.get_running_loop()
    delivering = loop.create_task(courier.run())
    tasks = [delivering, loop.create_task(keep_looking(store, endings, events, now))]
    try:
        yield
    finally:
        courier.stop()
        await asyncio.wait([delivering], timeout=_LAST)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(StoreError):  # who is not struck off now is so after a day
            await courier.leave()
