"""On which lists a session is: a person's, those of the upstream that it came from, and of what is due.

Owns the families ``sessions-of``, ``sessions-from`` and ``due``, sorted sets of ``sid``s. An upstream ends a
session by its own ``sid`` or ``sub`` (Back-Channel Logout 1.0 §2.4, Front-Channel Logout 1.0 §2), and brings
no cookie of ours. A TTL leaves nothing to send: where somebody is to be told when a session runs out, its
``sid`` is on the list ``due``, from which it goes only when they were. What an upstream chose is in no name
but as a hash. Lists only find: what a session is, and whether it is still there, its own record says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Self
from zlib import crc32

from broker.protocol.flow import Session
from broker.record import Record
from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Run, Script

# ARGV: when the session is over at last, its sid, now, for how long. A list lives as long as its last entry.
_ENTER = Script("""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {KEYS[1]}
""")
# ARGV: now, how many; -1 is all. Not unpacked: Lua can do that with some thousands only.
_RANGE = Script("""
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
return {KEYS[1], found}
""")
_STRIKE = Script("return {KEYS[1], redis.call('ZREM', KEYS[1], ARGV[1])}")
# ARGV: when it is due, its sid, for how long this is known at least, LT to have it sooner or NX not to.
_DUE = Script("""
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {KEYS[1]}
""")
# ARGV: now, until when they are ours, how many. Whoever dies with them in hand leaves them due again.
_TAKE = Script("""
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, sid in ipairs(found) do redis.call('ZADD', KEYS[1], ARGV[2], sid) end
return {KEYS[1], unpack(found)}
""")
SHARDS = 16
"""In how many parts the list of what is due lies, so that a cluster can share it out."""
_KEPT = 7 * 86_400.0
"""Seconds beyond its time in which somebody may still be told, should no broker have run."""


class Origin(Record, frozen=True, kw_only=True):
    """Where a session came from: the browser in its own words, and the upstream's names for it."""

    device: str = ""
    issuer: str = ""
    sid: str | None = None
    """The session's at the upstream."""
    subject: str | None = None
    """The upstream's ``sub``, where our own subject is not made of it."""


class Listed(Record, frozen=True, kw_only=True):
    """What is known of a session without its cookie: enough to show it and to end it."""

    subject: str
    connector: str
    started_at: float
    ends_at: float
    origin: Origin

    @classmethod
    def of(cls, session: Session, origin: Origin) -> Self:
        """What is listed of this session."""
        return cls(
            subject=session.context.subject,
            connector=session.context.connector,
            started_at=session.started_at,
            ends_at=session.ends_at,
            origin=origin,
        )


class Listing(Room):
    """Sids by person, by upstream and by time."""

    async def sids_of(self, subject: str, *, now: float, most: int | None = None) -> list[str]:
        """The sids of a person's sessions, those that end last first; some may be over already.

        ``most`` is how many at most; None is all.
        """
        return await self._sids(self._of(subject), now, most)

    async def sids_from(
        self, connector: str, issuer: str, *, sid: str | None = None, subject: str | None = None, now: float
    ) -> list[str]:
        """The sids of what came of a session at an upstream, or of a subject there."""
        names = []
        if sid is not None:
            names.append(self._from(connector, issuer, "sid", sid))
        if subject is not None:
            names.append(self._from(connector, issuer, "sub", subject))
        return [found for name in names for found in await self._sids(name, now, None)]

    async def unlist(self, subject: str, sids: Sequence[str]) -> None:
        """Take sids off a person's list, behind which nothing is left."""
        await asyncio.gather(*(self._run(_STRIKE, self._of(subject), sid) for sid in sids))

    # ── What must happen at a time ────────────────────────────────────────────────────────────

    async def note_due(self, sid: str, due: float, *, now: float, sooner: bool = False) -> None:
        """Have somebody look after a session at ``due``; a time that was noted before stays.

        ``sooner`` puts it forward: what was begun is finished by somebody, should who began it die.
        """
        known_for = milliseconds(max(0.0, due - now) + _KEPT)
        await self._run(
            _DUE, self._due(_shard(sid)), repr(due), sid, str(known_for), "LT" if sooner else "NX"
        )

    async def put_off(self, sid: str, due: float, *, now: float) -> None:
        """Look after it later: it is still alive."""
        known_for = milliseconds(max(0.0, due - now) + _KEPT)
        await self._run(_DUE, self._due(_shard(sid)), repr(due), sid, str(known_for), "XX")

    async def take_due(self, *shards: int, now: float, turn: float, most: int = 100) -> list[str]:
        """Those in these parts whose time has come; for ``turn`` seconds nobody else takes them."""
        arguments = (repr(now), repr(now + turn), str(most))
        found = await self._run_together(*((_TAKE, [self._due(shard)], arguments) for shard in shards))
        return [sid.decode() for sids in found for sid in sids]

    async def not_due(self, sid: str) -> None:
        """There is nothing left to do for it."""
        await self._run(_STRIKE, self._due(_shard(sid)), sid)

    # ── Entering and leaving ──────────────────────────────────────────────────────────────────

    def _entering(self, sid: str, listed: Listed, lives: float) -> list[Run]:
        arguments = (repr(listed.ends_at), sid, repr(listed.started_at), str(milliseconds(lives)))
        return [(_ENTER, [name], arguments) for name in self._lists(listed)]

    def _strike(self, sid: str, listed: Listed) -> list[Coroutine[Any, Any, Any]]:
        return [*(self._run(_STRIKE, name, sid) for name in self._lists(listed)), self.not_due(sid)]

    def _lists(self, listed: Listed) -> list[str]:
        origin, names = listed.origin, [self._of(listed.subject)]
        if origin.sid is not None:
            names.append(self._from(listed.connector, origin.issuer, "sid", origin.sid))
        if origin.subject is not None:
            names.append(self._from(listed.connector, origin.issuer, "sub", origin.subject))
        return names

    async def _sids(self, name: str, now: float, most: int | None) -> list[str]:
        (found,) = await self._run(_RANGE, name, repr(now), "-1" if most is None else str(most))
        return [sid.decode() for sid in found]

    def _of(self, subject: str) -> str:
        return self._name("sessions-of", subject)

    def _from(self, connector: str, issuer: str, kind: str, value: str) -> str:
        return self._name("sessions-from", fingerprint("sessions-from", connector, issuer, kind, value))

    def _due(self, shard: int) -> str:
        return self._name("due", f"{{{shard}}}")


def _shard(sid: str) -> int:
    return crc32(sid.encode()) % SHARDS
