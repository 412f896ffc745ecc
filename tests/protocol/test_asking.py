"""When an upstream is asked again, as arithmetic."""

from __future__ import annotations

import pytest

from broker.protocol.asking import UpstreamRefresh, as_it_is, is_due, may_go_on
from broker.protocol.flow import AuthenticationContext, Held


def context(**what: object) -> AuthenticationContext:
    return AuthenticationContext(**{"subject": "s", "connector": "c", "auth_time": 100, **what})


def held(**what: object) -> Held:
    return Held(keep={}, context=context(**what), checked_at=1000.0)


@pytest.mark.parametrize(
    ("older_than", "now", "due"),
    [(None, 10**9, False), (0, 1000.0, True), (60, 1059.9, False), (60, 1060.0, True)],
)
def test_it_is_asked_when_its_last_answer_is_as_old_as_the_rule_says(older_than, now, due) -> None:
    assert is_due(held(), UpstreamRefresh(older_than=older_than), now=now) is due


@pytest.mark.parametrize(
    ("allow_until", "now", "may"), [(0, 1000.0, False), (60, 1059.9, True), (60, 1060, False)]
)
def test_its_last_answer_stands_in_only_for_as_long_as_the_rule_says(allow_until, now, may) -> None:
    assert may_go_on(held(), UpstreamRefresh(allow_until=allow_until), now=now) is may


def test_what_it_says_now_replaces_what_it_said_but_not_when_and_how_they_signed_in() -> None:
    before = context(claims={"groups": ["a", "b"]}, acr="2", amr=("pwd",), held="h")
    latest = as_it_is(before, held(claims={"groups": ["b"]}, acr="0", auth_time=999))
    assert latest.claims == {"groups": ["b"]}
    assert (latest.auth_time, latest.acr, latest.amr, latest.held) == (100, "2", ("pwd",), "h")
