"""What client apps are still to be told: a stream that any worker delivers from, until all is told.

Owns the families ``outbox``, ``outbox-notices``, ``outbox-later`` and ``outbox-dead``, which lie on one
slot, so that each step of a notice is one script. The stream says whose turn it is: a worker that takes a
notice has it until it says what became of it, and what a worker that died had in hand is claimed by another
(XAUTOCLAIM). So a notice is delivered at least once, and is lost by nobody's death. It keeps its id, and is
here once, however often it is posted.

    outbox            stream   ids of notices, to be delivered now; the group ``workers`` takes them
    outbox-notices    hash     id → the sealed notice, from its posting until it is delivered or dropped
    outbox-later      zset     ids that were tried and failed, by when they are tried again
    outbox-dead       zset     ids that were given up, by when that was; a week for somebody to look at them
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from broker.store.errors import StoreCorrupt
from broker.store.outbox_scripts import COUNT, DELIVERED, DROP, FAILED, LIST, POST, RETRY, TAKE, TIDY
from broker.store.records import Room, milliseconds

State = Literal["waiting", "later", "dead"]
_KEPT = 30 * 86_400.0
"""Seconds after the last change in which any notice has long come to its end."""
_GONE = 86_400.0
_DEAD_FOR, _MOST_DEAD = 7 * 86_400.0, 10_000
_A_PIECE = 500
"""Notices that are listed at a time."""
UNREADABLE = "unreadable"
"""Why of a notice that nobody can read any more: its key is gone, or somebody was at work in the store."""
_LATER, _DEAD = "3", "4"
"""Which of the keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That a client app is to be told of an end: of one session, or of all that a person had there."""

    id: str
    """The ``jti`` of what it is told by, however often that is tried."""
    client_id: str
    subject: str
    sid: str | None
    """The session; None where it is about all of that person's."""
    why: str
    """A stable word for the log."""
    posted_at: float
    attempts: int = 0
    problem: str = ""
    """What became of the last attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """A notice that this worker is to deliver now."""

    entry: str
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a worker found in the outbox."""

    taken: list[InHand]
    is_empty: bool
    """Whether there was nothing at all to be done, now or later, by whomever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A notice as an operator sees it."""

    notice: Notice
    state: State
    at: float | None
    """When it is tried again, or was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many notices there are."""

    waiting: int
    later: int
    dead: int


class Outbox(Room):
    """Notices, from their posting to their end."""

    async def post_notice(self, notice: Notice) -> bool:
        """Have a client app told; False where this was posted before, and is not done yet."""
        (new,) = await self._run(POST, self._names(), notice.id, self._notice(notice), self._life())
        return bool(new)

    async def take_notices(self, worker: str, *, now: float, lost_after: float, most: int) -> Look:
        """What ``worker`` is to deliver: what is due, and what another has had for too long to be alive.

        What cannot be read is given up at once, as it stands: it keeps nothing else waiting.
        """
        patience, life = str(milliseconds(lost_after)), self._life()
        undone, *found = await self._run(TAKE, self._names(), worker, repr(now), patience, str(most), life)
        taken = list[InHand]()
        for entry, notice_id, sealed in zip(found[::3], found[1::3], found[2::3], strict=True):
            try:
                notice = self._opened(notice_id.decode(), sealed)
            except StoreCorrupt:  # told as an alarm already
                await self._give_up(entry, notice_id, sealed, now=now)
            else:
                taken.append(InHand(entry=entry.decode(), notice=notice))
        return Look(taken=taken, is_empty=not undone)

    async def tidy_workers(self, leaving: str = "") -> None:
        """Forget the workers that are gone, and the one that is ``leaving`` with nothing in hand."""
        await self._run(TIDY, self._names(), str(milliseconds(_GONE)), leaving)

    async def notice_delivered(self, done: InHand) -> bool:
        """It is told; whether it was still this worker's to tell."""
        (mine,) = await self._run(DELIVERED, self._names(), done.entry, done.notice.id)
        return bool(mine)

    async def notice_failed(self, tried: InHand, problem: str, *, again_at: float | None, now: float) -> bool:
        """It could not be told: to be tried again, or given up; whether it was still this worker's."""
        notice = replace(tried.notice, attempts=tried.notice.attempts + 1, problem=problem)
        if again_at is None:
            return await self._give_up(tried.entry, notice.id, self._notice(notice), now=now)
        entry = (tried.entry, notice.id, self._notice(notice), _LATER, repr(again_at))
        (mine,) = await self._run(FAILED, self._names(), *entry, *self._bounds(now))
        return bool(mine)

    async def put_notice_off(self, untried: InHand, *, until: float, now: float) -> bool:
        """It has not been tried, and is to be later; whether it was still this worker's."""
        entry = (untried.entry, untried.notice.id, self._notice(untried.notice), _LATER, repr(until))
        (mine,) = await self._run(FAILED, self._names(), *entry, *self._bounds(now))
        return bool(mine)

    # ── What an operator does ─────────────────────────────────────────────────────────────────

    async def list_notices(self) -> list[Posted]:
        """Every notice that is not delivered, the oldest first."""
        found, cursor = dict[bytes, Posted](), b"0"
        while True:
            cursor, told, later, dead = await self._run(LIST, self._names(), cursor, _A_PIECE)
            each = zip(told[::2], told[1::2], later, dead, strict=True)
            found |= {one[0]: self._posted(*one) for one in each}  # a scan may tell an entry twice
            if cursor == b"0":
                return sorted(found.values(), key=lambda one: (one.notice.posted_at, one.notice.id))

    async def retry_notice(self, notice: Notice) -> bool:
        """Try one again now that was to be tried later, or was given up; whether it was."""
        fresh = b"" if notice.why == UNREADABLE else self._notice(replace(notice, attempts=0))
        (moved,) = await self._run(RETRY, self._names(), notice.id, fresh, self._life())
        return bool(moved)

    async def drop_notice(self, notice_id: str) -> bool:
        """Tell nobody; whether it was there."""
        (dropped,) = await self._run(DROP, self._names(), notice_id)
        return bool(dropped)

    async def count_notices(self) -> Counts:
        """How many there are."""
        notices, later, dead = await self._run(COUNT, self._names())
        return Counts(waiting=notices - later - dead, later=later, dead=dead)

    # ── Names and seals ───────────────────────────────────────────────────────────────────────

    def _posted(self, name: bytes, sealed: bytes, later: bytes | None, dead: bytes | None) -> Posted:
        notice_id = name.decode()
        try:
            notice = self._opened(notice_id, sealed)
        except StoreCorrupt as error:  # told as an alarm already; an operator sees the others all the same
            notice = replace(_NOBODY, id=notice_id, problem=error.reason)
        state: State = "dead" if dead is not None else "later" if later is not None else "waiting"
        at = later if dead is None else dead
        return Posted(notice=notice, state=state, at=None if at is None else float(at))

    async def _give_up(
        self, entry: str | bytes, notice_id: str | bytes, sealed: bytes, *, now: float
    ) -> bool:
        gone = (entry, notice_id, sealed, _DEAD, repr(now))
        (mine,) = await self._run(FAILED, self._names(), *gone, *self._bounds(now))
        return bool(mine)

    def _bounds(self, now: float) -> tuple[str, str, str]:
        return self._life(), repr(now - _DEAD_FOR), str(_MOST_DEAD)

    def _opened(self, notice_id: str, sealed: bytes) -> Notice:
        notice = self._open(self._field(notice_id), Notice, sealed)
        if notice is None:
            raise LookupError(notice_id)
        return notice

    def _notice(self, notice: Notice) -> bytes:
        return self._seal(self._field(notice.id), notice)

    def _field(self, notice_id: str) -> str:
        return f"{self._names()[1]}\0{notice_id}"

    def _life(self) -> str:
        return str(milliseconds(_KEPT))

    def _names(self) -> list[str]:
        families = ("outbox", "outbox-notices", "outbox-later", "outbox-dead")
        return [self._name(family, "{outbox}") for family in families]


_NOBODY = Notice(id="", client_id="?", subject="", sid=None, why=UNREADABLE, posted_at=0.0)
