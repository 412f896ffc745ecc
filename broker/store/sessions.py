"""Single sign-on: the browser's session, and the mark that it has ended.

Owns the families ``session`` and ``ended``. A session is found by its cookie; grants and client apps know it
by its ``sid``, which opens nothing. The ``ended`` mark outlives the session, so that the access tokens which
came of it are refused (Back-Channel Logout 1.0 §2.7; RFC 7662 §2.2).
"""

from __future__ import annotations

import asyncio

from broker.protocol.flow import Session
from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

_ENDED = Script("return {KEYS[1], redis.call('EXISTS', KEYS[1])}")


class Sessions(Room):
    """Sessions by cookie; their ends by ``sid``."""

    async def put_session(self, cookie: str, session: Session, idle_ttl: float) -> None:
        """Keep a session for as long as it may be idle."""
        await self._put(self._session(cookie), session, idle_ttl)

    async def read_session(self, cookie: str, idle_ttl: float) -> Session | None:
        """The session, whose idle time starts anew. Its absolute end is the caller's to check."""
        name = self._session(cookie)
        return self._open(name, Session, await self._wire.call("GETEX", name, "PX", milliseconds(idle_ttl)))

    async def end_session(self, cookie: str, remember_for: float) -> Session | None:
        """End the session of ``cookie``, and say which it was.

        ``remember_for`` is how long a token that came of it may live.
        """
        session = await self._read(self._session(cookie), Session)
        if session is None:
            return None
        # The mark goes first and alone ends the tokens: at no moment does neither say that it is over,
        # and whoever slipped in between with a code finds the mark at its tokens.
        await asyncio.gather(
            self.mark_ended(session.sid, remember_for), self._wire.call("DEL", self._session(cookie))
        )
        return session

    async def mark_ended(self, sid: str, remember_for: float) -> None:
        """Let the tokens of a session die, wherever its cookie is."""
        await self._wire.call("SET", self._ended(sid), "1", "PX", milliseconds(remember_for))

    async def session_ended(self, sid: str) -> bool:
        """Whether the session was ended by somebody; one that ran out was not."""
        (found,) = await self._run(_ENDED, self._ended(sid))
        return bool(found)

    def _session(self, cookie: str) -> str:
        return self._name("session", fingerprint("session", cookie))

    def _ended(self, sid: str) -> str:
        return self._name("ended", sid)
