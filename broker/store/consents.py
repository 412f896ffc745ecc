"""What people allowed client apps, until they take it back.

Owns the family ``consents``: one hash per person, a field per client app, so that a person's whole list is
one read, and each entry is bound to its person and its app. A grant stands on the id of its consent:
withdrawing deletes that, and a later consent has another id (RFC 6749 §10.2; RFC 7009 §2.1 in spirit).
"""

from __future__ import annotations

from broker.protocol.flow import Consent
from broker.store.records import Room, milliseconds
from broker.store.wire import Script

# The hash lives as long as its longest entry: a TTL is only ever extended.
_WRITE = Script("""
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {KEYS[1]}
""")
_WITHDRAW = Script("return {KEYS[1], redis.call('HDEL', KEYS[1], ARGV[1])}")


class Consents(Room):
    """Remembered consent, by person and client app."""

    async def read_consent(self, subject: str, client_id: str) -> Consent | None:
        """What this person allowed this app. Its ``expires_at`` is the caller's to check."""
        name = self._consents(subject)
        return self._open(_field(name, client_id), Consent, await self._wire.call("HGET", name, client_id))

    async def write_consent(self, subject: str, consent: Consent, ttl: float) -> None:
        """Remember it, in place of what was remembered for this app."""
        name = self._consents(subject)
        sealed = self._seal(_field(name, consent.client_id), consent)
        await self._run(_WRITE, name, consent.client_id, sealed, milliseconds(ttl))

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
