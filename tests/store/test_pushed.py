"""Requests that wait for a browser: found by client and reference together, bounded, and gone in time."""

from __future__ import annotations

import asyncio

import pytest

from broker.protocol.params import Params
from broker.store import PushedRequest, Store, pushed

SECRET = "canary-of-a-person"
ASKED = PushedRequest(
    params=Params.of(
        [("client_id", "app"), ("login_hint", SECRET), ("resource", "a:a"), ("resource", "b:b")]
    ),
    signed=True,
)


async def keys(store: Store) -> list[bytes]:
    found: list[bytes] = await store._wire.call("KEYS", f"{store._prefix}pushed*")
    return found


async def test_it_comes_back_whole_as_often_as_it_is_read(store: Store) -> None:
    assert await store.put_pushed("app", "ref", ASKED, 60) == 0
    for _ in range(2):
        found = await store.read_pushed("app", "ref")
        assert found == ASKED
        assert found is not None
        assert found.params.all("resource") == ("a:a", "b:b")
    await store.drop_pushed("app", "ref")
    assert await store.read_pushed("app", "ref") is None


@pytest.mark.row("PR-06")
@pytest.mark.parametrize(
    ("client", "reference"), [("other", "ref"), ("app", "re"), ("app", ""), ("appr", "ef")]
)
async def test_it_is_found_by_its_client_and_reference_alone(store: Store, client, reference) -> None:
    await store.put_pushed("app", "ref", ASKED, 60)
    assert await store.read_pushed(client, reference) is None


@pytest.mark.row("PR-17")
async def test_neither_names_nor_values_say_what_was_asked(store: Store) -> None:
    await store.put_pushed("app", "the-reference", ASKED, 60)
    for name in await keys(store):
        lies = await store._wire.call("GET", name)
        assert not {b"app", b"the-reference", SECRET.encode()} & {name, lies}
        assert SECRET.encode() not in lies
        assert b"the-reference" not in name


@pytest.mark.row("PR-10")
async def test_what_would_be_too_much_is_not_kept_and_room_comes_back_with_time(
    store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(pushed, "MOST_BYTES", 2000)
    waits = [await store.put_pushed("app", f"ref-{n}", ASKED, 60) for n in range(30)]
    assert waits[0] == 0
    assert 0 < waits[-1] <= 60
    kept = [n for n in range(30) if await store.read_pushed("app", f"ref-{n}") is not None]
    assert kept == [n for n, wait in enumerate(waits) if wait == 0]
    ends = [await store._wire.call("PTTL", name) for name in await keys(store)]
    assert all(0 < end <= 60_000 for end in ends)
    assert await store.put_pushed("other", "ref", ASKED, 60) == 0


@pytest.mark.row("PR-10")
async def test_of_many_at_once_no_more_are_kept_than_there_is_room_for(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(pushed, "MOST_BYTES", 3000)
    waits = await asyncio.gather(*(store.put_pushed("app", f"ref-{n}", ASKED, 60) for n in range(200)))
    kept = [wait for wait in waits if wait == 0]
    size = len(await store._wire.call("GET", next(n for n in await keys(store) if b"pushed:" in n)))
    assert 0 < len(kept) <= 3000 // size
