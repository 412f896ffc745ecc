"""Logins under way are found only by the browser that began them, and taken once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.store import Store
from broker.store.records import fingerprint
from tests.store.samples import pending_consent, pending_login, pending_request


async def test_a_login_comes_back_as_it_was_put(store: Store) -> None:
    await store.put_login("state", "browser", pending_login(), 60)
    assert await store.take_login("state", "browser", "staff") == pending_login()


@pytest.mark.row("CB-03")
async def test_of_a_hundred_who_take_a_login_one_has_it(store: Store) -> None:
    await store.put_login("state", "browser", pending_login(), 60)
    taken = await asyncio.gather(*(store.take_login("state", "browser", "staff") for _ in range(100)))
    assert [found for found in taken if found is not None] == [pending_login()]


@pytest.mark.parametrize(
    ("state", "browser", "connector"),
    [("state", "another", "staff"), ("another", "browser", "staff"), ("state", "browser", "partners")],
)
async def test_another_state_browser_or_connector_finds_and_consumes_nothing(
    store: Store, state: str, browser: str, connector: str
) -> None:
    await store.put_login("state", "browser", pending_login(), 60)
    assert await store.take_login(state, browser, connector) is None
    assert await store.take_login("state", "browser", "staff") == pending_login()


async def test_a_request_may_be_read_again(store: Store) -> None:
    await store.put_request("id", "browser", pending_request(), 60)
    assert await store.read_request("id", "browser") == pending_request()
    assert await store.read_request("id", "browser") == pending_request()
    assert await store.read_request("id", "another") is None


async def test_a_consent_page_may_be_read_again_and_is_answered_once(store: Store) -> None:
    await store.put_consent_page("id", "browser", pending_consent(), 60)
    assert await store.read_consent_page("id", "browser") == pending_consent()
    assert await store.take_consent_page("id", "another") is None
    assert await store.take_consent_page("id", "browser") == pending_consent()
    assert await store.take_consent_page("id", "browser") is None


texts = st.text(max_size=6)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_different_parts_give_different_names(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    same = fingerprint("login", *one) == fingerprint("login", *other)
    assert same == (one == other)


def test_parts_do_not_run_into_each_other() -> None:
    names = {
        fingerprint("login", "ab", "c", "d"),
        fingerprint("login", "a", "bc", "d"),
        fingerprint("login", "a", "b", "cd"),
        fingerprint("login", "abc", "", "d"),
        fingerprint("logina", "b", "c", "d"),
        fingerprint("login", "ab", "cd"),
    }
    assert len(names) == 6
