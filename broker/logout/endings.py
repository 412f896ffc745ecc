"""How sessions end: whoever ends them, the same steps in the same order.

Owns `Endings`. A session's end is noted first, so that somebody finishes it should we die; then it is over,
in one step that also says which client apps were given tokens in it; then those that listen are told, by
way of the outbox; then it goes off every list. Doing any of it twice does no harm: a notice about one
session to one app has one id, for ever. Back-Channel Logout 1.0 §2.3 and §2.7; Front-Channel Logout 1.0 §2.

Signing out ends sessions, and the access tokens that came of them. What stands for a person who is away
(``offline_access``) stays, unless the app's entry says ``revoke_on_logout``. A disabled person and a
consent that is taken back end everything; then apps are told by the person's ``sub`` alone, which is about
all.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from broker.clients import Clients
from broker.config.settings import Lifetimes
from broker.events import Events
from broker.protocol import consent, logout
from broker.protocol.client import Client
from broker.protocol.flow import Consent, Grant, Session
from broker.store import Holder, KnownSession, Notice, Store

T = TypeVar("T")
_SOON = 60.0
"""Seconds after which somebody else finishes what was begun."""
_KNOWN_FOR = 7 * 86_400.0
"""Seconds beyond its session in which an app may still be told of the end, should no broker have run."""
_AT_ONCE = 100
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A session that was ended, and what became of the client apps that were given tokens in it."""

    known: KnownSession
    told: tuple[Client, ...] = ()
    """Those that are being told."""
    framed: tuple[Client, ...] = ()
    """Those that sign out in a frame of the browser, where there is one."""
    open: tuple[Client, ...] = ()
    """Those that cannot be told."""

    def frames(self, issuer: str, heard: Callable[[str, Client], str]) -> tuple[str, ...]:
        """The addresses of the frames (Front-Channel §2); ``heard`` is the sid as each app knows it."""
        uris = ((client.frontchannel_logout_uri, heard(self.known.sid, client)) for client in self.framed)
        return tuple(logout.frame(uri, issuer=issuer, sid=sid) for uri, sid in uris if uri is not None)


class Endings:
    """Ends things, for one issuer."""

    def __init__(
        self,
        store: Store,
        clients: Clients,
        lifetimes: Lifetimes,
        *,
        now: Callable[[], float],
        events: Events | None = None,
    ) -> None:
        """``events`` is None where nothing is logged."""
        self._store, self._clients, self._lifetimes = store, clients, lifetimes
        self._now, self._events = now, events
        self.news = asyncio.Event()
        """Set when something was posted here: the worker's own courier need not wait to find it."""

    # ── Beginnings ────────────────────────────────────────────────────────────────────────────

    async def joins(self, grant: Grant, client: Client) -> bool:
        """Note that a client app is given tokens in a session; False where that has been ended.

        What is noted for later comes first: who dies in between has forgotten nobody.
        """
        now, lives = self._now(), self._lifetimes
        if client.backchannel_logout_uri is None:
            return await self._store.join_session(grant.sid, client.client_id, now=now)
        holder = Holder(client_id=client.client_id, sid=grant.sid)
        longest = max(lives.session.absolute, lives.refresh_token.absolute)
        _, _, listed = await asyncio.gather(
            self._store.note_due(grant.sid, now + self._grace(lives.session.idle), now=now),
            self._store.hold_tokens(grant.context.subject, holder, until=now + longest, now=now),
            self._store.listed_session(grant.sid),
        )
        if listed is not None and listed.ends_at - now < lives.session.idle:
            # It comes to its bound before it could have been idle for so long.
            due = now + self._grace(listed.ends_at - now)
            await self._store.note_due(grant.sid, due, now=now, sooner=True)
        known_for = lives.session.absolute + _KNOWN_FOR
        return await self._store.join_session(grant.sid, client.client_id, now=now, known_for=known_for)

    async def comes_sooner(self, session: Session) -> None:
        """Note that a session in which apps may listen is over before it could have been idle for so long."""
        now = self._now()
        due = now + self._grace(session.ends_at - now)
        await self._store.note_due(session.sid, due, now=now, sooner=True)

    # ── Endings ───────────────────────────────────────────────────────────────────────────────

    async def end(self, sid: str, why: str, *, cookie: str | None = None, tell: bool = True) -> Ended | None:
        """End one session; None where there was none.

        ``tell=False`` is for who has told the client apps already.
        """
        now = self._now()
        await self._store.note_due(sid, now + _SOON, now=now, sooner=True)
        # A code may still become a token, also a device's that comes for it late, and that live; and
        # an ID Token may be exchanged for one as long as it lives itself.
        lives = self._lifetimes
        remember_for = max(lives.code, lives.device) + max(lives.access_token, lives.id_token)
        known = await self._store.end_session(sid, remember_for, cookie=cookie, at=now)
        if known is None:
            await self._store.not_due(sid)
            return None
        return await self._settled(known, why, tell=tell)

    async def end_all(
        self, subject: str, why: str, *, tell: bool = True, but: str | None = None
    ) -> list[Ended]:
        """End every session of a person; all ``but`` one, where the caller ends that itself."""
        ended: list[Ended] = []
        while sids := await self._all_but(but, subject):
            found = await asyncio.gather(*(self.end(sid, why, tell=tell) for sid in sids))
            await self._store.unlist(subject, sids)  # a list only finds: behind it some had run out
            ended += [one for one in found if one is not None]
        return ended

    async def _all_but(self, but: str | None, subject: str) -> list[str]:
        found = await self._store.sids_of(subject, now=self._now(), most=_AT_ONCE)
        return [sid for sid in found if sid != but]

    async def end_named(
        self, connector: str, issuer: str, *, sid: str | None, subject: str | None, ours: str | None, why: str
    ) -> list[Ended]:
        """End what came of an upstream's session, or of all that it calls ``subject``.

        With both, only that session of that person (Back-Channel §2.7), and those of theirs of which the
        upstream never told a sid: any may be that one. ``ours`` is what we would call them if our own ``sub``
        is made of theirs. Each session's own record has the last word.
        """
        now, ended = self._now(), list[Ended]()
        found = await self._store.sids_from(connector, issuer, sid=sid, subject=subject, now=now)
        found += await self._store.sids_of(ours, now=now) if ours is not None else []
        for some in in_pieces(list(dict.fromkeys(found))):
            known = await asyncio.gather(*map(self._store.known_session, some))
            named = [
                one.sid
                for one in known
                if one is not None and _is_named(one, connector, issuer, sid, subject, ours)
            ]
            over = await asyncio.gather(*(self.end(one, why) for one in named))
            ended += [one for one in over if one is not None]
        return ended

    async def withdraw(self, subject: str, client_id: str) -> bool:
        """Take back what a person allowed an app, and tell the app; whether there was something."""
        if await self._store.read_consent(subject, client_id) is None:
            return False
        await self._tell_of_everything(subject, "consent_withdrawn", only=client_id)
        return await self._store.withdraw_consent(subject, client_id)

    async def withdraw_at(self, subject: str, client_id: str, uri: str) -> bool:
        """Take back what a person allowed an app at one API; whether there was something.

        Nobody is told: the app stays signed in, and learns at its next refresh what is no longer its.
        """

        def without(before: Consent | None) -> Consent | None:
            return None if before is None else consent.withdrawn_at(before, uri, now=self._now())

        left = await self._store.change_consent(subject, client_id, without, self._lifetimes.consent)
        return left is not None

    async def end_everything(self, subject: str, why: str) -> list[Ended]:
        """End all that a person has: sessions, codes, tokens; their consents stay remembered."""
        now, lives = self._now(), self._lifetimes
        longest = max(lives.session.absolute + lives.access_token, lives.refresh_token.absolute)
        await self._store.end_everything(subject, now, longest)
        await self._tell_of_everything(subject, why)
        return await self.end_all(subject, why, tell=False)

    async def look_after(self, sid: str) -> None:
        """A session whose time may have come, or whose end was not finished."""
        now, known = self._now(), await self._store.known_session(sid)
        if known is None:
            await self._store.not_due(sid)
            return
        left = min(known.idle_left, known.listed.ends_at - now)
        if left > 0:
            await self._store.put_off(sid, now + self._grace(left), now=now)
            return
        why = "signed_out" if await self._store.session_ended(sid) else "session_expired"
        await self._settled(known, why)

    # ── Whoever is to be told ─────────────────────────────────────────────────────────────────

    async def _found(self, client_id: str) -> Client | None:
        """The app; None also where that takes long: nobody waits for it, and who delivers asks again."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._clients.find(client_id)
        except TimeoutError:
            return None

    def _grace(self, left: float) -> float:
        """A code that is on its way still brings an app into a session that has just run out."""
        return left + self._lifetimes.code + 1.0

    async def _settled(self, known: KnownSession, why: str, *, tell: bool = True) -> Ended:
        found = await asyncio.gather(*(self._found(client_id) for client_id in known.clients))
        # A command of the operator's knows only their own apps; of others, who delivers knows.
        strangers = [name for name, client in zip(known.clients, found, strict=True) if client is None]
        clients = [client for client in found if client is not None and client.enabled]
        told = tuple(client for client in clients if client.backchannel_logout_uri is not None)
        framed = tuple(client for client in clients if client.frontchannel_logout_uri is not None)
        if tell:
            names = [*(client.client_id for client in told), *strangers]
            await self._post([self._notice(known, client_id, why) for client_id in names])
        if why != "session_expired" and any(client.revoke_on_logout for client in clients):
            await self._store.remember_end(known.sid, self._lifetimes.refresh_token.absolute)
        await self._store.forget_session(known)
        self._tell_log(known, why)
        reached = {client.client_id for client in (*told, *framed)}
        still_open = tuple(client for client in clients if client.client_id not in reached)
        return Ended(known=known, told=told, framed=framed, open=still_open)

    async def _tell_of_everything(self, subject: str, why: str, *, only: str | None = None) -> None:
        """By the sub alone; to an app that wants a sid, by each that it knows (Back-Channel §2.4)."""
        held = await self._store.list_holders(subject, now=self._now())
        wanted = [holder for holder in held if only in (None, holder.client_id)]
        found = {name: await self._found(name) for name in {one.client_id for one in wanted}}
        heard = dict[tuple[str, str | None], None]()
        for holder in wanted:
            client = found[holder.client_id]
            if client is not None and client.backchannel_logout_uri is None:
                continue
            by_sid = client is None or client.backchannel_logout_session_required
            heard[holder.client_id, holder.sid if by_sid else None] = None
        await self._post([self._about(client_id, subject, sid, why) for client_id, sid in heard])
        await self._store.let_go(subject, wanted)
        for some in in_pieces(wanted):
            await asyncio.gather(*(self._store.leave_session(one.sid, one.client_id) for one in some))

    def _notice(self, known: KnownSession, client_id: str, why: str) -> Notice:
        named = sha256(f"{known.sid}\0{client_id}".encode()).hexdigest()[:40]
        return self._about(client_id, known.listed.subject, known.sid, why, named=named)

    def _about(self, client_id: str, subject: str, sid: str | None, why: str, *, named: str = "") -> Notice:
        return Notice(
            id=named or secrets.token_hex(20),
            client_id=client_id,
            subject=subject,
            sid=sid,
            why=why,
            posted_at=self._now(),
        )

    async def _post(self, notices: list[Notice]) -> None:
        for some in in_pieces(notices):
            await asyncio.gather(*map(self._store.post_notice, some))
            self.news.set()

    def _tell_log(self, known: KnownSession, why: str) -> None:
        if self._events is not None:
            self._events.emit(
                "session_end",
                "ok",
                reason=why,
                subject=known.listed.subject,
                sid=known.sid,
                connector=known.listed.connector,
            )


def in_pieces(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    """A few at a time: of what may be thousands, whose steps would keep everybody else waiting."""
    return (all_of_them[start : start + _AT_ONCE] for start in range(0, len(all_of_them), _AT_ONCE))


def _is_named(
    known: KnownSession, connector: str, issuer: str, sid: str | None, subject: str | None, ours: str | None
) -> bool:
    """Whether a session is one that an upstream means (LO-07 of the attack catalogue)."""
    listed, origin = known.listed, known.listed.origin
    if (listed.connector, origin.issuer) != (connector, issuer):
        return False
    if sid is not None and origin.sid != sid and (origin.sid is not None or subject is None):
        return False
    return subject is None or origin.subject == subject or (origin.subject is None and listed.subject == ours)
