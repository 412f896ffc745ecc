"""A circuit breaker: when an upstream that does not answer is left alone, and when it is asked again. Pure.

    closed      everything goes through; FAILURES calls in a row without an answer open it
    open        nothing goes through for a pause that grows with each opening in a row, within bounds
    half open   the pause is over: one caller asks, everybody else still waits
                it answers: closed, on trial: one failure before a success opens it again, for longer
                it does not: open

An answer is anything that the upstream says, wrong or not; none is a connection that fails, a timeout, 5xx or
429 (RFC 9110 §15.6, RFC 6585 §4). ``Retry-After`` (RFC 9110 §10.2.3) can lengthen a pause and never shorten
it. Instants come from a clock that only ever goes forward.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

FAILURES = 5
"""In a row, until it opens."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds; doubled with each opening in a row."""
LONGEST_ASKED = 300.0
"""Seconds that ``Retry-After`` can ask for."""
STEADY = 60.0
"""Seconds of answers after which the next pause is the first again."""

_SECONDS = re.compile(r"[0-9]{1,18}")


class State(Enum):
    """Whether an upstream is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    """The breaker of one upstream. Every method is told the time."""

    __slots__ = ("_asked", "_closed_at", "_failures", "_openings", "_until", "state")

    def __init__(self) -> None:
        self.state = State.CLOSED
        self._failures = 0
        self._openings = 0
        self._asked = 0.0
        self._until = 0.0
        self._closed_at = 0.0

    def remaining(self, now: float) -> float:
        """Seconds of the pause that are left."""
        return max(0.0, self._until - now) if self.state is State.OPEN else 0.0

    def succeeded(self, now: float) -> None:
        """A call was answered."""
        if self.state is State.CLOSED:
            self._failures, self._asked = 0, 0.0
            if self._openings and now - self._closed_at >= STEADY:
                self._openings = 0

    def failed(self, now: float, *, retry_after: float = 0.0) -> bool:
        """A call was not answered. True when that opened it.

        Calls that were under way when it opened say nothing new, but for how long they are asked to wait.
        """
        self._asked = max(self._asked, min(retry_after, LONGEST_ASKED))
        if self.state is not State.CLOSED:
            if self.state is State.OPEN:
                self._until = max(self._until, now + self._asked)
            return False
        self._failures += 1
        if self._failures < FAILURES:
            return False
        self._open(now)
        return True

    def takes_probe(self, now: float) -> bool:
        """True for the one caller who shall ask whether it answers again, and then call `probed`."""
        if self.state is not State.OPEN or now < self._until:
            return False
        self.state, self._asked = State.HALF_OPEN, 0.0
        return True

    def probed(self, now: float, *, answered: bool) -> None:
        """What the one caller found out."""
        if self.state is not State.HALF_OPEN:
            return
        if not answered:
            self._open(now)
            return
        self.state, self._closed_at = State.CLOSED, now
        self._failures = FAILURES - 1  # on trial

    def _open(self, now: float) -> None:
        pause = min(FIRST_PAUSE * 2.0 ** min(self._openings, 16), LONGEST_PAUSE)
        self._openings += 1
        self.state, self._until, self._failures = State.OPEN, now + max(pause, self._asked), 0
        self._asked = 0.0


def retry_after(value: str, *, now: float) -> float:
    """The seconds that ``Retry-After`` asks for, at most `LONGEST_ASKED`; 0.0 where it makes no sense.

    ``now`` is the time of day, in seconds since the epoch: the header may name an instant.
    """
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_ASKED)
    if len(text) > 40:  # noqa: PLR2004  (no date is as long)
        return 0.0
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    moment = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return min(max(0.0, moment.timestamp() - now), LONGEST_ASKED)
