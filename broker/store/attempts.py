"""How often a password was tried, and from where somebody is known to sign in.

Owns the families ``attempts`` and ``known``. Counters are named by hashes, so no username or address is in a
key. An attempt is counted in all of its counters before it is made, in one step, so that many at once are not
one; success gives it back. A counter ends by itself: nothing here locks anybody out for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

# KEYS: counters. ARGV: for each its limit and its life in ms. Answers the ms to wait, or 0, and which.
_SPEND = Script("""
local wait, which = 0, 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then
    local left = redis.call('PTTL', key)
    if left > wait then wait, which = left, i end
  end
end
if wait > 0 then return {KEYS[1], wait, which} end
for i, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[2 * i]) end
end
return {KEYS[1], 0, 0}
""")
# KEYS: counters. ARGV: for each 'forget' or 'one'.
_GIVE_BACK = Script("""
for i, key in ipairs(KEYS) do
  if ARGV[i] == 'forget' then redis.call('DEL', key)
  elseif tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
return {KEYS[1]}
""")


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts within so many seconds of the first, by whatever ``of`` names."""

    name: str
    of: tuple[str, ...]
    most: int
    seconds: int
    forgiven: bool = False
    """Whether success begins it anew; else it only gives back its own attempt."""


class Attempts(Room):
    """Counters by connector."""

    async def spend_attempt(self, connector: str, limits: Sequence[Limit]) -> tuple[float, str]:
        """Count an attempt; or, where a limit is reached, the seconds to wait and the name of that limit."""
        arguments = [number for limit in limits for number in (limit.most, milliseconds(limit.seconds))]
        names = [self._counter(connector, limit) for limit in limits]
        wait, which = await self._run(_SPEND, names, *arguments)
        return wait / 1000, limits[which - 1].name if wait else ""

    async def give_back_attempt(self, connector: str, limits: Sequence[Limit]) -> None:
        """The attempt was right."""
        names = [self._counter(connector, limit) for limit in limits]
        await self._run(_GIVE_BACK, names, *("forget" if limit.forgiven else "one" for limit in limits))

    async def remember_known(self, connector: str, who: str, places: Sequence[str], ttl: float) -> None:
        """Somebody has signed in from these places."""
        for place in places:
            await self._wire.call("SET", self._known(connector, who, place), b"1", "PX", milliseconds(ttl))

    async def is_known(self, connector: str, who: str, place: str) -> bool:
        """Whether they have signed in from there lately."""
        return bool(await self._wire.call("EXISTS", self._known(connector, who, place)))

    async def stays_known(self, connector: str, who: str, place: str, ttl: float) -> bool:
        """The same; if so they stay known for at least half of ``ttl``, and not every look is a write."""
        name, longest = self._known(connector, who, place), milliseconds(ttl)
        left: Any = await self._wire.call("PTTL", name)
        if 0 <= left < longest // 2:
            await self._wire.call("PEXPIRE", name, longest)
        return bool(left >= 0)

    def _counter(self, connector: str, limit: Limit) -> str:
        hashed = fingerprint("attempts", limit.name, *limit.of)
        return self._name("attempts", f"{{{connector}}}:{hashed}")

    def _known(self, connector: str, who: str, place: str) -> str:
        return self._name("known", f"{{{connector}}}:{fingerprint('known', who, place)}")
