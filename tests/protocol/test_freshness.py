"""Whether a login is as fresh as it was asked to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.freshness import Stale, resolve_auth_time
from broker.protocol.instants import LEEWAY

BEGAN, NOW = 1_800_000_000.7, 1_800_000_030.2
START = int(BEGAN)


def resolved(stated, *, login=False, max_age=None, freshness="proven"):
    return resolve_auth_time(
        stated, login_prompted=login, max_age=max_age, started_at=BEGAN, now=NOW, freshness=freshness
    )


@pytest.mark.parametrize("freshness", ["proven", "trusted"])
@pytest.mark.parametrize(
    ("stated", "kept"), [(None, None), (0, None), (1, 1), (START - 10**6, START - 10**6)]
)
def test_where_nothing_was_asked_the_time_is_what_was_stated_and_never_now(stated, kept, freshness):
    assert resolved(stated, freshness=freshness) == kept


@pytest.mark.row("AZ-23")
@pytest.mark.parametrize("freshness", ["proven", "trusted"])
@pytest.mark.parametrize(
    ("stated", "login", "max_age", "fresh"),
    [
        (START, True, None, True),
        (START - LEEWAY, True, None, True),
        (START - LEEWAY - 1, True, None, False),
        (START + 20, True, None, True),
        (START, False, 0, True),
        (START - LEEWAY, False, 0, True),
        (START - LEEWAY - 1, False, 0, False),
        (START - 3500, False, 3600, True),
        (START - 3579, False, 3600, True),
        (START - 3590, False, 3600, False),
        (START - 3600, False, 3600, False),
        (START - 10**6, False, 3600, False),
        (START - 3500, True, 3600, False),
        (START, True, 3600, True),
    ],
)
def test_what_was_stated_is_held_against_what_was_asked_whoever_is_trusted(
    stated, login, max_age, fresh, freshness
):
    if fresh:
        assert resolved(stated, login=login, max_age=max_age, freshness=freshness) == stated
    else:
        with pytest.raises(Stale) as caught:
            resolved(stated, login=login, max_age=max_age, freshness=freshness)
        assert caught.value.reason == "auth_time_too_old"


@pytest.mark.row("CB-30")
@pytest.mark.parametrize("stated", [None, 0])
@pytest.mark.parametrize(("login", "max_age"), [(True, None), (False, 0), (False, 3600), (True, 3600)])
def test_an_upstream_that_states_no_time_proves_nothing_unless_the_operator_trusts_it(stated, login, max_age):
    with pytest.raises(Stale) as caught:
        resolved(stated, login=login, max_age=max_age)
    assert caught.value.reason == "auth_time_missing"
    assert resolved(stated, login=login, max_age=max_age, freshness="trusted") == int(NOW)


@given(st.integers(1, int(NOW)), st.booleans(), st.none() | st.integers(0, 10**6))
def test_no_login_older_than_was_asked_for_passes(stated, login, max_age):
    try:
        found = resolved(stated, login=login, max_age=max_age)
    except Stale:
        assert login or max_age is not None
        return
    assert found == stated
    if login:
        assert stated >= START - LEEWAY
    if max_age is not None:
        assert stated >= min(START, NOW - max_age) - LEEWAY
