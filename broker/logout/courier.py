"""Telling client apps that a session is over, from the outbox, as often as it takes.

Owns `Courier`: one for each issuer in each worker. Back-Channel Logout 1.0 §2.5 and §2.7: a logout token is
signed anew for each attempt, since it lives two minutes, and keeps its ``jti``, so that an app knows it for
the same. What an app answers is nothing but whether it has understood; a redirect is never followed. An app
that does not answer, or takes its time, keeps nobody else waiting: of its notices only a few are on their
way at once, the others are put off, and what is on its way to it is waited for by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from broker.clients import Clients
from broker.clients.keys import Keyholder, PublicKeys
from broker.connector import UpstreamError, UpstreamUnavailable
from broker.events import Events
from broker.jose import JoseError
from broker.keys import KeyRing
from broker.logout.mishaps import Mishaps
from broker.outbound import Away, Outbound
from broker.protocol import logout
from broker.protocol.client import Client
from broker.protocol.errors import TemporarilyUnavailable
from broker.protocol.subject import for_client, session_for_client
from broker.store import InHand, Notice, Store, StoreError

PAUSES = (5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""Seconds until the next attempt, after each that failed; after the last it is given up."""
REST = 5.0
"""Seconds for which an app that did not answer is not asked."""
PACE = 0.01
"""Seconds between two notices of one app that are put off: however many wait for one that takes its time, a
worker has its hands on so many a second and not on all of them all the time."""
AT_ONCE, OF_ONE = 64, 4
"""Notices that one worker has in hand, and of those to one app on their way."""
_TURN = 2.0
"""Seconds that a notice stays in hand until it is its turn at its app; then it is put off."""
LOST_AFTER = 120.0
"""Seconds after which a worker that has not said what became of a notice is taken for dead."""
_LOOKS, _SELDOM = 1.0, 5.0
"""Seconds between two looks into the outbox, and into one that was empty; what this worker posts is seen at
once."""
_UNDERSTOOD = frozenset({200, 204})
_NOT_NOW = frozenset({429, 502, 503, 504})
"""What is answered where it would be answered to any notice (RFC 6585 §4, RFC 9110 §15.6)."""


class _Busy(Exception):
    """An app has enough to answer."""


@dataclass(slots=True)
class _App:
    """What this worker knows of one app's manners."""

    rests_until: float = 0.0
    busy_until: float = 0.0
    put_off_to: float = 0.0
    """When the last of what was put off is looked at again."""
    in_hand: int = 0
    at_a_time: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OF_ONE))


@dataclass(kw_only=True)
class Courier:
    """Delivers what is in the outbox."""

    issuer: str
    store: Store
    clients: Clients
    keys: KeyRing
    public_keys: PublicKeys
    outbound: Outbound
    events: Events
    name: str
    """This worker's alone."""
    now: Callable[[], float]
    news: asyncio.Event
    """Set when this worker has posted something."""
    lost_after: float = LOST_AFTER
    """Seconds after which what another worker has in hand is taken from it."""
    _apps: dict[str, _App] = field(default_factory=dict)
    _in_hand: set[asyncio.Task[None]] = field(default_factory=set)
    _looks: float = _LOOKS
    _leaving: bool = False

    async def run(self) -> None:
        """Deliver until told to leave; what is in hand when it is cancelled goes to another worker."""
        mishaps = Mishaps(self.events, "outbox")
        try:
            while not self._leaving:
                free, taken = AT_ONCE - len(self._in_hand), 0
                async with mishaps.told():
                    taken = await self._begin(free)
                await self._pause(full=taken == free)
                async with mishaps.told():
                    await self._finish()
            if self._in_hand:
                await asyncio.wait(self._in_hand)
        finally:
            for task in self._in_hand:
                task.cancel()
            await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def _begin(self, most: int) -> int:
        """Take what is due now, and begin to deliver it; how many notices that are."""
        now, patience = self.now(), self.lost_after
        look = await self.store.take_notices(self.name, now=now, lost_after=patience, most=most)
        self._in_hand |= {asyncio.create_task(self._deal_with(one)) for one in look.taken}
        self._looks = _SELDOM if look.is_empty else _LOOKS
        return len(look.taken)

    async def _pause(self, *, full: bool) -> None:
        """Until there is a hand free, or something new."""
        if len(self._in_hand) >= AT_ONCE:
            await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        elif not full:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._looks):
                    await self.news.wait()
            self.news.clear()

    async def _finish(self) -> None:
        """Let go of what has been dealt with.

        Whatever went wrong with one, the others are told; what was not settled is so by another, later.
        """
        done = {task for task in self._in_hand if task.done()}
        self._in_hand -= done
        if not done:
            return
        await self._count()
        for name, app in list(self._apps.items()):
            if not app.in_hand and max(app.rests_until, app.busy_until, app.put_off_to) <= self.now():
                del self._apps[name]
        for task in done:
            task.result()

    def stop(self) -> None:
        """Take nothing any more; what is in hand may still be delivered."""
        self._leaving = True
        self.news.set()

    async def leave(self) -> None:
        """This worker ends."""
        await self.store.tidy_workers(self.name)

    async def _count(self) -> None:
        counts = await self.store.count_notices()
        self.events.noted(waiting=counts.waiting, later=counts.later, dead=counts.dead)

    async def _deal_with(self, one: InHand) -> None:
        """Deliver one; an error of our own is a failure like any other, so that it ends some day."""
        try:
            await self._settle(one)
        except StoreError:  # nothing may be concluded: it stays in hand
            raise
        except Exception as error:
            await self._failed(one, f"an error of our own: {type(error).__name__}")
            raise

    async def _settle(self, one: InHand) -> None:
        """Deliver one, and say in the outbox what became of it."""
        notice = one.notice
        client = await self.clients.find(notice.client_id)
        if client is None and "://" in notice.client_id:  # its own document cannot be had just now
            await self._failed(one, "what the app says of itself cannot be had")
            return
        if client is None or not client.enabled or client.backchannel_logout_uri is None:
            await self.store.notice_delivered(one)  # it listens no more
            self._log(notice, "refused", "client_gone")
            return
        app = self._apps.setdefault(notice.client_id, _App())
        app.in_hand += 1
        try:
            problem = await self._in_turn(app, client, notice)
        except _Busy:
            app.busy_until = self.now() + REST
            app.put_off_to = max(app.busy_until, app.put_off_to + PACE)
            await self.store.put_notice_off(one, until=app.put_off_to, now=self.now())
            return
        finally:
            app.in_hand -= 1
        if problem:
            await self._failed(one, problem)
            return
        await self.store.notice_delivered(one)
        self._log(notice, "ok", notice.why)

    async def _in_turn(self, app: _App, client: Client, notice: Notice) -> str:
        """Tell the app when it is this notice's turn; what went wrong, or nothing.

        Raises:
            _Busy: the app has others to answer still.
        """
        try:
            async with asyncio.timeout(0 if app.busy_until > self.now() else _TURN):
                await app.at_a_time.acquire()
        except TimeoutError:
            raise _Busy from None
        try:
            if app.rests_until > self.now():
                return "it does not answer"
            return await self._told(client, notice)
        except UpstreamError as error:
            if _is_of_them_all(error):
                app.rests_until = self.now() + REST
            return error.detail
        finally:
            app.at_a_time.release()

    async def _failed(self, one: InHand, problem: str) -> None:
        now, attempts = self.now(), one.notice.attempts
        again_at = now + PAUSES[attempts] if attempts < len(PAUSES) else None
        await self.store.notice_failed(one, problem, again_at=again_at, now=now)
        self._log(one.notice, "failed", "later" if again_at is not None else "given_up", problem)

    async def _told(self, client: Client, notice: Notice) -> str:
        """Tell the app; what went wrong, or nothing (Back-Channel §2.8).

        Raises:
            UpstreamError: no answer, or one that cannot be read.
        """
        try:
            token = await self._token(client, notice)
        except (JoseError, TemporarilyUnavailable) as error:
            return f"it cannot be encrypted to: {error.reason}"
        http = self.outbound.called(f"client {client.client_id}", stranger=client.registered_itself)
        answer = await http.post(client.backchannel_logout_uri or "", {"logout_token": token})
        return "" if answer.status in _UNDERSTOOD else f"it answered {answer.status}"

    async def _token(self, client: Client, notice: Notice) -> str:
        """Signed, and encrypted, as its ID Tokens are (§2.4)."""
        claims = logout.logout_token(
            issuer=self.issuer,
            client_id=client.client_id,
            subject=for_client(notice.subject, client, self.keys.subject_key),
            sid=session_for_client(notice.sid or "", client, self.keys.subject_key) or None,
            jti=notice.id,
            now=int(self.now()),
        )
        signed = self.keys.sign(client.id_token_signed_response_alg, claims, typ=logout.LOGOUT_TOKEN_TYPE)
        alg, enc = client.id_token_encrypted_response_alg, client.id_token_encrypted_response_enc
        return await self.public_keys.sealed(Keyholder.of(client), signed, alg, enc)

    def _log(self, notice: Notice, outcome: str, reason: str, detail: str = "") -> None:
        self.events.emit(
            "logout_notice",
            outcome,
            reason=reason,
            detail=detail,
            client_id=notice.client_id,
            subject=notice.subject,
            sid=notice.sid or "",
        )


def _is_of_them_all(error: UpstreamError) -> bool:
    """Whether the app would fail with its other notices too; an odd answer is about the one it was told."""
    if isinstance(error, Away) and error.status:
        return error.status in _NOT_NOW
    return isinstance(error, UpstreamUnavailable)
