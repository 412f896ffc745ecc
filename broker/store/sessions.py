"""Single sign-on: the browser's session, what is known of it without its cookie, and the mark that it ended.

Owns the families ``session``, ``listed`` and ``ended``. A session is found by its cookie, which is the
session's ``sid``, a dot and a secret; grants know it by the ``sid`` alone, which opens nothing. By the
``sid`` it can be listed and ended (`broker.store.listing` finds the ``sid``), and it is remembered which
client apps were given tokens in it, so that its end can be told to them. The ``ended`` mark outlives the
session, so that the access tokens which came of it are refused (Back-Channel Logout 1.0 §2.7; RFC 7662
§2.2). Who signs in again in the same browser keeps the ``sid`` and gets a new secret; who does so in two
tabs at once gets two, of which the browser keeps one, and both end with the session. All names of one session
share a hash tag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.protocol.flow import Session
from broker.store.errors import StoreCorrupt
from broker.store.listing import Listed, Listing, Origin
from broker.store.records import fingerprint, milliseconds
from broker.store.wire import Script

# KEYS: session, listed, ended, maybe the session that it takes the place of. ARGV: the sealed session and for
# how long it may be idle, the sealed listing, the cookie's field, how long it lives at most, the field of the
# cookie that it takes the place of.
# A sid that was ended meanwhile is never brought back: the tokens of before would be good again.
_PUT = Script("""
if redis.call('EXISTS', KEYS[3]) == 1 then return {KEYS[1], 0} end
if KEYS[4] then
  redis.call('DEL', KEYS[4])
  redis.call('HDEL', KEYS[2], ARGV[6])
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[2], 'listed', ARGV[3], ARGV[4], '1')
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return {KEYS[1], 1}
""")
# KEYS: ended, listed, the sessions that were seen to be it. ARGV: how long the mark stays, the moment (the
# first one stays), the fields of those sessions' cookies.
# The mark, the removal and the reading are one step: no moment at which neither says that the session is
# over, and no client app that joins between its end and the list of those who are told.
_END = Script("""
local seen, removed = {}, 0
for place = 3, #ARGV do seen[ARGV[place]] = true end
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.sub(name, 1, 7) == 'cookie:' and not seen[name] then return {KEYS[1], 'changed'} end
end
redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
for place = 3, #KEYS do removed = removed + redis.call('DEL', KEYS[place]) end
return {KEYS[1], removed, redis.call('HGETALL', KEYS[2])}
""")
# KEYS: ended, listed. ARGV: the client app's field, the moment, how long it must be known at least.
_JOIN = Script("""
if redis.call('EXISTS', KEYS[1]) == 1 then return {KEYS[1], 0} end
if redis.call('EXISTS', KEYS[2]) == 0 then return {KEYS[1], 1} end
redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return {KEYS[1], 1}
""")
_LEFT = Script("""
local left = 0
for _, name in ipairs(KEYS) do left = math.max(left, redis.call('PTTL', name)) end
return {KEYS[1], left}
""")
_ENDED = Script("return {KEYS[1], redis.call('GET', KEYS[1])}")
_FORGET = Script("return {KEYS[1], redis.call('DEL', KEYS[1])}")
_LEAVE = Script("return {KEYS[1], redis.call('HDEL', KEYS[1], ARGV[1])}")
_CLIENT, _COOKIE = "client:", "cookie:"
"""What the fields of a listed session begin with: who was given tokens in it, and what opens it."""
_NOWHERE = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSession:
    """A session as it is known by its ``sid``; it may be over already."""

    sid: str
    listed: Listed
    clients: Mapping[str, float] = field(default_factory=dict)
    """The client apps that were given tokens in it, and when each was for the first time."""
    idle_left: float = 0.0
    """Seconds until it ends by itself; 0.0 once it is over."""
    was_live: bool = False
    """Of one that is being ended: whether that made the difference."""

    def last_used(self, now: float, idle: float) -> float:
        """When it was used last: each use starts ``idle``, of which so much is left, anew."""
        return max(self.listed.started_at, now - max(0.0, idle - self.idle_left))


class Sessions(Listing):
    """Sessions by cookie and by sid; their ends by sid."""

    async def put_session(
        self,
        cookie: str,
        session: Session,
        idle_ttl: float,
        *,
        origin: Origin = _NOWHERE,
        replaces: str | None = None,
    ) -> bool:
        """Keep a session that begins now, for as long as it may be idle; False where its sid was ended.

        ``replaces`` is the cookie that was this session's until now: from here on it opens nothing.
        """
        name, listed_name = self._session(cookie), self._listed(session.sid)
        lives = session.ends_at - session.started_at
        listed = Listed.of(session, origin)
        keys, was = [name, listed_name, self._ended(session.sid)], ""
        if replaces is not None and replaces != cookie:
            was = _COOKIE + _print(replaces)
            keys.append(self._session(replaces))
        arguments = (
            self._seal(name, session),
            milliseconds(idle_ttl),
            self._seal(f"{listed_name}\0listed", listed),
            _COOKIE + _print(cookie),
            str(milliseconds(lives)),
            was,
        )
        # A session costs one trip to the store, however many lists it is on.
        entering = self._entering(session.sid, listed, lives)
        (put,), *_ = await self._run_together((_PUT, keys, arguments), *entering)
        return bool(put)

    async def read_session(self, cookie: str, idle_ttl: float) -> Session | None:
        """The session, whose idle time starts anew. Its absolute end is the caller's to check."""
        name = self._session(cookie)
        return self._open(name, Session, await self._wire.call("GETEX", name, "PX", milliseconds(idle_ttl)))

    async def known_session(self, sid: str) -> KnownSession | None:
        """What is known of a session, live or not; None where nothing is."""
        name = self._listed(sid)
        fields: Any = await self._wire.call("HGETALL", name)
        if not fields:
            return None
        names = [self._by_print(sid, by_print) for by_print in _prints(fields[::2])]
        (left,) = await self._run(_LEFT, names) if names else (0,)
        return self._as_known(sid, fields, idle_left=left / 1000)

    async def listed_session(self, sid: str) -> Listed | None:
        """What is listed of a session, live or not."""
        name = self._listed(sid)
        return self._open(f"{name}\0listed", Listed, await self._wire.call("HGET", name, "listed"))

    async def list_sessions(self, subject: str, *, now: float, most: int | None = 200) -> list[KnownSession]:
        """The live sessions of a person, the latest to begin first; all of them where ``most`` is None."""
        sids = await self.sids_of(subject, now=now, most=most)
        found = await asyncio.gather(*(self.known_session(sid) for sid in sids))
        live = [one for one in found if one is not None and one.idle_left > 0 and now < one.listed.ends_at]
        mine = [one for one in live if one.listed.subject == subject]
        return sorted(mine, key=lambda one: -one.listed.started_at)

    async def join_session(self, sid: str, client_id: str, *, now: float, known_for: float = 0.0) -> bool:
        """Note that a client app is given tokens in a session; False where that has been ended.

        ``known_for`` is how many seconds from now it must still be known who is to be told of its end.
        """
        names = [self._ended(sid), self._listed(sid)]
        at_least = str(milliseconds(known_for)) if known_for else "0"
        (joined,) = await self._run(_JOIN, names, f"{_CLIENT}{client_id}", repr(now), at_least)
        return bool(joined)

    async def leave_session(self, sid: str, client_id: str) -> None:
        """A client app has been told already: the session's end is no news for it."""
        await self._run(_LEAVE, self._listed(sid), f"{_CLIENT}{client_id}")

    async def end_session(
        self, sid: str, remember_for: float, *, cookie: str | None = None, at: float = 0.0
    ) -> KnownSession | None:
        """End a session, and say what is known of it; None where nothing is.

        ``remember_for`` is how long a token that came of it may live. Whoever ends it tells those whom it
        concerns, and then calls `forget_session`: until that, what is known of it stays known. ``cookie``
        ends one too that a release before this one began, and listed nowhere. ``at`` is the moment.
        """
        while True:
            seen = _prints(await self._wire.call("HKEYS", self._listed(sid)))
            if cookie is not None:
                seen |= {_print(cookie)}
            keys = [self._ended(sid), self._listed(sid), *(self._by_print(sid, one) for one in seen)]
            cookies = (_COOKIE + one for one in seen)
            answer = await self._run(_END, keys, str(milliseconds(remember_for)), repr(at), *cookies)
            if answer == [b"changed"]:  # somebody signed in again meanwhile; that ends too
                continue
            removed, fields = answer
            return self._as_known(sid, fields, was_live=bool(removed)) if fields else None

    async def remember_end(self, sid: str, remember_for: float) -> None:
        """Remember for longer that a session was ended."""
        await self._prolong(self._ended(sid), remember_for)

    async def forget_session(self, known: KnownSession) -> None:
        """A session is over, and whoever it concerns was told: take it off every list."""
        forgetting = self._run(_FORGET, self._listed(known.sid))
        await asyncio.gather(forgetting, *self._strike(known.sid, known.listed))

    async def session_ended(self, sid: str) -> bool:
        """Whether the session was ended by somebody; one that ran out was not."""
        return await self.session_ended_at(sid) is not None

    async def session_ended_at(self, sid: str) -> float | None:
        """When somebody ended the session; None where nobody has."""
        (found,) = await self._run(_ENDED, self._ended(sid))
        return None if found is None else float(found)

    def _as_known(
        self, sid: str, fields: list[bytes], *, idle_left: float = 0.0, was_live: bool = False
    ) -> KnownSession | None:
        try:
            listed = self._open(f"{self._listed(sid)}\0listed", Listed, _field(fields, b"listed"))
        except StoreCorrupt:  # told as an alarm already; it hides none of the others, and ends like them
            listed = None
        if listed is None:
            return None
        pairs = zip(fields[::2], fields[1::2], strict=True)
        prefix = _CLIENT.encode()
        clients = {n.removeprefix(prefix).decode(): float(at) for n, at in pairs if n.startswith(prefix)}
        return KnownSession(sid=sid, listed=listed, clients=clients, idle_left=idle_left, was_live=was_live)

    def _session(self, cookie: str) -> str:
        return self._by_print(cookie.partition(".")[0], _print(cookie))

    def _by_print(self, sid: str, by_print: str) -> str:
        return self._name("session", f"{{{sid}}}:{by_print}")

    def _listed(self, sid: str) -> str:
        return self._name("listed", f"{{{sid}}}")

    def _ended(self, sid: str) -> str:
        return self._name("ended", f"{{{sid}}}")


def _print(cookie: str) -> str:
    return fingerprint("session", cookie)


def _prints(names: list[bytes]) -> frozenset[str]:
    """The fingerprints of the cookies that open a session, by the names of its listing's fields."""
    texts = (name.decode() for name in names)
    return frozenset(text.removeprefix(_COOKIE) for text in texts if text.startswith(_COOKIE))


def _field(fields: list[bytes], name: bytes) -> bytes:
    """One field of a whole hash; what is not there is empty, and opens nothing."""
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return next((value for key, value in pairs if key == name), b"")
