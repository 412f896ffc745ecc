"""What is kept of a login so that its upstream can be asked again, shared by every grant of that login.

Owns the families ``held`` and ``asking``. One record per login, not per grant: an upstream that rotates its
refresh tokens gives one, and two client apps of one session stand on it. A record that was dropped is never
brought back by somebody who was asking meanwhile: a refusal wins.
"""

from __future__ import annotations

from broker.protocol.flow import Held
from broker.store.records import Room, milliseconds
from broker.store.wire import Script

_DROP = Script("return {KEYS[1], redis.call('DEL', KEYS[1])}")
# ARGV: whose turn it is. Only they give it back; who took too long has lost it to another.
_DONE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {KEYS[1]}
""")
# ARGV: the sealed record
_RENEW = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 0} end
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
return {KEYS[1], 1}
""")


class Helds(Room):
    """Records by their id."""

    async def put_held(self, held_id: str, held: Held, ttl: float) -> None:
        """Keep it for as long as anything that came of the login may live."""
        await self._put(self._held(held_id), held, ttl)

    async def prolong_held(self, held_id: str, ttl: float) -> None:
        """Keep it for so long from now on, if that is longer; what is gone stays gone."""
        await self._prolong(self._held(held_id), ttl)

    async def read_held(self, held_id: str) -> Held | None:
        """As it is now; None once the upstream has refused."""
        return await self._read(self._held(held_id), Held)

    async def renew_held(self, held_id: str, held: Held) -> bool:
        """What the upstream says now; False where it was dropped meanwhile, and stays so."""
        name = self._held(held_id)
        (renewed,) = await self._run(_RENEW, name, self._seal(name, held))
        return bool(renewed)

    async def drop_held(self, held_id: str) -> bool:
        """End all that stands on it; whether it was there."""
        (dropped,) = await self._run(_DROP, self._held(held_id))
        return bool(dropped)

    async def begin_asking(self, held_id: str, turn: str, ttl: float) -> bool:
        """Whether it is this one's turn to ask; a turn that nobody gives back ends by itself."""
        name = self._asking(held_id)
        first = await self._wire.call("SET", name, turn.encode(), "NX", "PX", milliseconds(ttl))
        return bool(first == b"OK")

    async def done_asking(self, held_id: str, turn: str) -> None:
        """Give the turn back."""
        await self._run(_DONE, self._asking(held_id), turn)

    def _held(self, held_id: str) -> str:
        return self._name("held", f"{{{held_id}}}")

    def _asking(self, held_id: str) -> str:
        return self._name("asking", f"{{{held_id}}}")
