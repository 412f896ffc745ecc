"""What people allowed client apps, until they take it back.

Owns the family ``consents``: one hash per person, a field per client app, so that a person's whole list is
one read, and each entry is bound to its person and its app. A grant stands on the id of its consent:
withdrawing deletes that, and a later consent has another id (RFC 6749 §10.2; RFC 7009 §2.1 in spirit).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from broker.protocol.flow import Consent
from broker.store.errors import StoreUnavailable
from broker.store.records import TRIES, Room, milliseconds
from broker.store.wire import Script

# Written only over what was read: of two answers the later adds to the earlier, and none undoes a
# withdrawal. The hash lives as long as its longest entry: a TTL is only ever extended.
_WRITE = Script("""
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[4] then return {KEYS[1], 0} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {KEYS[1], 1}
""")
T = TypeVar("T", Consent, Consent | None)
_WITHDRAW = Script("return {KEYS[1], redis.call('HDEL', KEYS[1], ARGV[1])}")


class Consents(Room):
    """Remembered consent, by person and client app."""

    async def read_consent(self, subject: str, client_id: str) -> Consent | None:
        """What this person allowed this app. Its ``expires_at`` is the caller's to check."""
        name = self._consents(subject)
        return self._open(_field(name, client_id), Consent, await self._wire.call("HGET", name, client_id))

    async def change_consent(
        self, subject: str, client_id: str, change: Callable[[Consent | None], T], ttl: float
    ) -> T:
        """Remember what ``change`` makes of what is remembered for this app, in one step; None leaves it.

        ``change`` is asked again where somebody else was faster, so it must do nothing but answer.
        """
        name = self._consents(subject)
        for _ in range(TRIES):
            before: bytes | None = await self._wire.call("HGET", name, client_id)
            consent = change(self._open(_field(name, client_id), Consent, before))
            if consent is None:
                return consent
            sealed = self._seal(_field(name, client_id), consent)
            (written,) = await self._run(_WRITE, name, client_id, sealed, milliseconds(ttl), before or b"")
            if written:
                return consent
        raise StoreUnavailable("contended", "too many answers about one consent at once")

    async def list_consents(self, subject: str) -> tuple[Consent, ...]:
        """All that this person allows, ordered by app."""
        name = self._consents(subject)
        answer: list[bytes] = await self._wire.call("HGETALL", name)
        entries = sorted(zip(answer[::2], answer[1::2], strict=True))
        opened = (self._open(_field(name, app.decode()), Consent, sealed) for app, sealed in entries)
        return tuple(consent for consent in opened if consent is not None)

    async def withdraw_consent(self, subject: str, client_id: str) -> bool:
        """Forget it, and with it every grant that stands on it; whether there was one."""
        (removed,) = await self._run(_WITHDRAW, self._consents(subject), client_id)
        return bool(removed)

    def _consents(self, subject: str) -> str:
        return self._name("consents", subject)


def _field(name: str, client_id: str) -> str:
    return f"{name}\0{client_id}"
