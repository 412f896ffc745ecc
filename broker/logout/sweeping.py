"""Sessions that ran out by themselves: found by time, and told of like any other end.

A TTL leaves nothing to send, so a session in which somebody wants to be told of its end stands on a list by
the time at which it may be over. Reading a session moves its idle end and not the list: who comes at the
time looks whether it is still alive, and comes again later. Of all workers one looks at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from broker.events import Events
from broker.logout.endings import Endings, in_pieces
from broker.logout.mishaps import Mishaps
from broker.store import SHARDS, Store

EVERY = 5.0
"""Seconds between two looks, of all workers together."""
_TURN = 60.0
"""Seconds after which another takes what one of us, who died, had taken."""


async def look_after(store: Store, endings: Endings, *, now: float) -> int:
    """Look after all whose time has come; how many that were. One that goes wrong keeps no other waiting."""
    sids, wrong = await store.take_due(*range(SHARDS), now=now, turn=_TURN), list[BaseException]()
    for some in in_pieces(sids):
        done = await asyncio.gather(*map(endings.look_after, some), return_exceptions=True)
        wrong += [one for one in done if one is not None]
    if wrong:
        raise wrong[0]
    return len(sids)


async def keep_looking(store: Store, endings: Endings, events: Events, now: Callable[[], float]) -> None:
    """Look now and then, until cancelled."""
    mishaps = Mishaps(events, "session_sweep")
    while True:
        await asyncio.sleep(EVERY)
        moment = now()
        async with mishaps.told():
            # One name for each turn, and one worker that is the first to say it.
            if await store.once("look after sessions", str(int(moment / EVERY)), 4 * EVERY):
                await look_after(store, endings, now=moment)
