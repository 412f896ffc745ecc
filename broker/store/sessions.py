"""Single sign-on: the browser's session, and the mark that it has ended.

Owns the families ``session`` and ``ended``. A session is found by its cookie, which is the session's
``sid``, a dot and a secret; grants know it by the ``sid`` alone, which opens nothing. The ``ended`` mark
outlives the session, so that the access tokens which came of it are refused (Back-Channel Logout 1.0
§2.7; RFC 7662 §2.2). Who signs in again in the same browser keeps the ``sid`` and gets a new secret.
"""

from __future__ import annotations

from broker.protocol.flow import Session
from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

# The mark and the removal are one step: no moment at which neither says that the session is over.
# Both names have the sid as hash tag.
_END = Script("""
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return {KEYS[1], redis.call('DEL', KEYS[2])}
""")
_ENDED = Script("return {KEYS[1], redis.call('EXISTS', KEYS[1])}")
_DROP = Script("return {KEYS[1], redis.call('DEL', KEYS[1])}")


class Sessions(Room):
    """Sessions by cookie; their ends by sid."""

    async def put_session(self, cookie: str, session: Session, idle_ttl: float) -> None:
        """Keep a session for as long as it may be idle."""
        await self._put(self._session(cookie), session, idle_ttl)

    async def read_session(self, cookie: str, idle_ttl: float) -> Session | None:
        """The session, whose idle time starts anew. Its absolute end is the caller's to check."""
        name = self._session(cookie)
        return self._open(name, Session, await self._wire.call("GETEX", name, "PX", milliseconds(idle_ttl)))

    async def drop_session(self, cookie: str) -> bool:
        """Let another cookie take this one's place; whether there was a session.

        What came of the session stays good: it goes on under its ``sid``.
        """
        (removed,) = await self._run(_DROP, self._session(cookie))
        return bool(removed)

    async def end_session(self, cookie: str, remember_for: float) -> bool:
        """End the session of ``cookie``; whether there was one.

        ``remember_for`` is how long a token that came of it may live.
        """
        names = [self._ended(cookie.partition(".")[0]), self._session(cookie)]
        (removed,) = await self._run(_END, names, milliseconds(remember_for))
        return bool(removed)

    async def session_ended(self, sid: str) -> bool:
        """Whether the session was ended by somebody; one that ran out was not."""
        (found,) = await self._run(_ENDED, self._ended(sid))
        return bool(found)

    def _session(self, cookie: str) -> str:
        return self._name("session", f"{{{cookie.partition('.')[0]}}}:{fingerprint('session', cookie)}")

    def _ended(self, sid: str) -> str:
        return self._name("ended", f"{{{sid}}}")
