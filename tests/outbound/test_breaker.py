"""An upstream that does not answer is left alone for a while, and then asked by one."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker.outbound.breaker import (
    FAILURES,
    FIRST_PAUSE,
    LONGEST_ASKED,
    LONGEST_PAUSE,
    STEADY,
    Breaker,
    State,
    retry_after,
)


def opened(at: float = 0.0, *, asked: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.failed(at, retry_after=asked)
    assert breaker.state is State.OPEN
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_says_so_once():
    breaker = Breaker()
    told = [breaker.failed(1.0) for _ in range(FAILURES + 3)]
    assert told.count(True) == 1
    assert told[FAILURES - 1]
    assert breaker.remaining(1.0) == FIRST_PAUSE


def test_an_answer_in_between_begins_the_count_anew():
    breaker = Breaker()
    for _ in range(10):
        for _ in range(FAILURES - 1):
            assert not breaker.failed(0.0)
        breaker.succeeded(0.0)
    assert breaker.state is State.CLOSED


def test_when_the_pause_is_over_one_caller_asks_and_no_other():
    breaker = opened()
    assert not breaker.takes_probe(FIRST_PAUSE - 0.01)
    assert breaker.takes_probe(FIRST_PAUSE)
    assert not breaker.takes_probe(FIRST_PAUSE + 100)
    breaker.probed(FIRST_PAUSE, answered=True)
    assert breaker.state is State.CLOSED


@pytest.mark.row("UP-09")
def test_the_pause_grows_with_each_failed_probe_up_to_a_bound():
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(12):
        pauses.append(breaker.remaining(now))
        now += pauses[-1]
        assert breaker.takes_probe(now)
        breaker.probed(now, answered=False)
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE == max(pauses)


@pytest.mark.row("UP-09")
def test_one_that_flaps_is_left_alone_for_longer_each_time_with_one_failure_on_trial():
    breaker, now = opened(), 0.0
    for times in range(1, 5):
        now += breaker.remaining(now)
        assert breaker.takes_probe(now)
        breaker.probed(now, answered=True)
        assert breaker.failed(now)
        assert breaker.remaining(now) == min(FIRST_PAUSE * 2**times, LONGEST_PAUSE)


def test_one_that_keeps_answering_is_forgiven():
    breaker = opened()
    assert breaker.takes_probe(FIRST_PAUSE)
    breaker.probed(FIRST_PAUSE, answered=True)
    breaker.succeeded(FIRST_PAUSE + STEADY)
    for _ in range(FAILURES):
        breaker.failed(1000.0)
    assert breaker.remaining(1000.0) == FIRST_PAUSE


@pytest.mark.row("UP-09")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 30\t", 30.0),
        ("-5", 0.0),
        ("+5", 0.0),
        ("1e9", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("٣٠", 0.0),
        ("9" * 18, LONGEST_ASKED),
        ("9" * 5000, 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_ASKED),
        ("Fri, 99 Foo 2026 99:99:99 GMT", 0.0),
        ("x" * 100_000, 0.0),
    ],
)
def test_retry_after_is_believed_within_bounds(header, seconds):
    assert retry_after(header, now=1_760_000_000.0) == seconds


@pytest.mark.row("UP-09")
def test_retry_after_may_name_an_instant():
    now = 1_760_000_000.0
    later = format_datetime(datetime.fromtimestamp(now + 45, UTC), usegmt=True)
    assert retry_after(later, now=now) == 45.0


@given(st.text(max_size=60))
def test_whatever_retry_after_says_it_is_a_number_within_bounds(header):
    assert 0.0 <= retry_after(header, now=time.time()) <= LONGEST_ASKED


@pytest.mark.row("UP-09")
def test_retry_after_lengthens_a_pause_and_never_shortens_it():
    assert opened(asked=30.0).remaining(0.0) == 30.0
    assert opened(asked=0.5).remaining(0.0) == FIRST_PAUSE
    assert opened(asked=1e12).remaining(0.0) == LONGEST_ASKED
    late = opened()
    late.failed(1.0, retry_after=20.0)  # it was under way when it opened
    assert late.remaining(1.0) == 20.0


class Machine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the pause is bounded and it can always be asked again."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now, self.probing = Breaker(), 0.0, False

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(asked=st.floats(0, 1e6))
    def a_call_fails(self, asked: float) -> None:
        self.breaker.failed(self.now, retry_after=asked)

    @rule()
    def a_call_is_answered(self) -> None:
        self.breaker.succeeded(self.now)

    @rule()
    def somebody_comes(self) -> None:
        took = self.breaker.takes_probe(self.now)
        assert not (took and self.probing)
        self.probing = self.probing or took

    @rule(answered=st.booleans())
    def the_probe_ends(self, answered: bool) -> None:
        if self.probing:
            self.breaker.probed(self.now, answered=answered)
            self.probing = False
            assert (self.breaker.state is State.CLOSED) == answered

    @invariant()
    def it_never_stays_away_for_long(self) -> None:
        assert self.breaker.remaining(self.now) <= LONGEST_ASKED + 1e-6  # of a sum of instants
        assert (self.breaker.state is State.HALF_OPEN) == self.probing


TestMachine = Machine.TestCase
