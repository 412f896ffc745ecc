"""Which client apps hold tokens of a person, and want to be told when all of that ends.

Owns the family ``holders``: a sorted set per person of client apps and the sessions that their tokens came
of, by until when those may live. It is written where an app gives an address to be told at, and read when
all that a person had ends at once: when they are disabled, or take back what they allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.store.records import Room, milliseconds
from broker.store.wire import Script

# ARGV: until when, the app and the sid, now, how long until then
_HOLD = Script("""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {KEYS[1]}
""")
# ARGV: the present moment
_LIST = Script("return {KEYS[1], redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf')}")
_LET_GO = Script("return {KEYS[1], redis.call('ZREM', KEYS[1], unpack(ARGV))}")
_AT_ONCE = 1000
"""As many as one script lets go: Lua can name some thousands at a time."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A client app with tokens that came of a session."""

    client_id: str
    sid: str

    def __str__(self) -> str:
        return f"{self.sid} {self.client_id}"


class Holders(Room):
    """Holders by person."""

    async def hold_tokens(self, subject: str, holder: Holder, *, until: float, now: float) -> None:
        """Note that tokens were given, which may live until then."""
        ttl = str(milliseconds(until - now))
        await self._run(_HOLD, self._holders(subject), repr(until), str(holder), repr(now), ttl)

    async def list_holders(self, subject: str, *, now: float) -> list[Holder]:
        """All who may hold tokens of this person still."""
        (found,) = await self._run(_LIST, self._holders(subject), repr(now))
        pairs = (member.decode().partition(" ") for member in found)
        return [Holder(client_id=client_id, sid=sid) for sid, _, client_id in pairs]

    async def let_go(self, subject: str, holders: Sequence[Holder]) -> None:
        """These hold nothing any more."""
        for start in range(0, len(holders), _AT_ONCE):
            some = map(str, holders[start : start + _AT_ONCE])
            await self._run(_LET_GO, self._holders(subject), *some)

    def _holders(self, subject: str) -> str:
        return self._name("holders", subject)
