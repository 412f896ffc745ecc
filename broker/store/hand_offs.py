"""Logins that another program of the operator's decides, from the departure until the browser is back.

Owns the family ``hand-off``. It is decided once and taken once, each only over what was read, and ends
when the login does. What was taken stays, empty, for its time: a second decision hears that there was one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from broker.store.errors import StoreUnavailable
from broker.store.records import TRIES, Room, fingerprint
from broker.store.wire import Script

# ARGV: what was read, what shall be.
_CHANGE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {KEYS[1], 0} end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return {KEYS[1], 1}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOff:
    """A login that waits for somebody else's decision."""

    login_state: str = field(repr=False)
    asked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the deciding program may read."""
    back: str = field(default="", repr=False)
    """Where the browser goes once it is decided."""
    decided: Mapping[str, Any] | None = field(default=None, repr=False)
    taken: bool = False


class HandOffRoom(Room):
    """Hand-offs by their connector and ``login_id``."""

    async def put_hand_off(self, connector: str, login_id: str, hand_off: HandOff, ttl: float) -> None:
        """Keep it until the login would end."""
        await self._put(self._hand_off(connector, login_id), hand_off, ttl)

    async def read_hand_off(self, connector: str, login_id: str) -> HandOff | None:
        """As it is now."""
        return await self._read(self._hand_off(connector, login_id), HandOff)

    async def decide_hand_off(self, connector: str, login_id: str, decision: Mapping[str, Any]) -> bool:
        """Decide it; False where it is gone, or was decided before."""
        for _ in range(TRIES):
            before, hand_off = await self._seen(connector, login_id)
            if hand_off is None or hand_off.decided is not None or hand_off.taken:
                return False
            if await self._changed(connector, login_id, before, replace(hand_off, decided=decision)):
                return True
        raise StoreUnavailable("contended", "too many decisions about one login at once")

    async def take_hand_off(self, connector: str, login_id: str) -> Mapping[str, Any] | None:
        """What was decided, once; None where nothing was, or it was taken before."""
        for _ in range(TRIES):
            before, hand_off = await self._seen(connector, login_id)
            if hand_off is None or hand_off.decided is None:
                return None
            spent = HandOff(login_state=hand_off.login_state, taken=True)
            if await self._changed(connector, login_id, before, spent):
                return hand_off.decided
        raise StoreUnavailable("contended", "too many answers about one login at once")

    async def _seen(self, connector: str, login_id: str) -> tuple[bytes, HandOff | None]:
        name = self._hand_off(connector, login_id)
        before: bytes | None = await self._wire.call("GET", name)
        return before or b"", self._open(name, HandOff, before)

    async def _changed(self, connector: str, login_id: str, before: bytes, after: HandOff) -> bool:
        name = self._hand_off(connector, login_id)
        (written,) = await self._run(_CHANGE, name, before, self._seal(name, after))
        return bool(written)

    def _hand_off(self, connector: str, login_id: str) -> str:
        return self._name("hand-off", fingerprint("hand-off", connector, login_id))
