"""Sessions without their cookies: listed by person and by upstream, ended by sid, due at a time."""

from __future__ import annotations

import asyncio

import pytest

from broker.protocol.flow import Session
from broker.record import replace
from broker.store import SHARDS, Origin, Store
from tests.store.samples import NOW, context, session

ORIGIN = Origin(device="Firefox on Linux", issuer="https://idp.example", sid="their-sid", subject="their-sub")


def one(sid: str, **changes: object) -> Session:
    return replace(session(), sid=sid, **changes)


async def put(store: Store, sid: str, origin: Origin = ORIGIN, **changes: object) -> None:
    assert await store.put_session(f"{sid}.secret", one(sid, **changes), 60, origin=origin)


async def test_a_person_s_sessions_are_listed_with_all_that_is_shown_of_them(store: Store) -> None:
    await put(store, "first")
    await put(store, "second", started_at=NOW + 5)
    await put(store, "bob", context=replace(context(), subject="bob"))
    await store.join_session("first", "billing", now=NOW + 1)
    await store.join_session("first", "wiki", now=NOW + 2)
    await store.join_session("first", "billing", now=NOW + 3)
    second, first = await store.list_sessions("subject-of-ada", now=NOW)
    assert (first.sid, second.sid) == ("first", "second")
    assert first.clients == {"billing": NOW + 1, "wiki": NOW + 2}
    assert (first.listed.origin, first.listed.connector) == (ORIGIN, "staff")
    assert (first.listed.started_at, first.listed.ends_at) == (NOW, NOW + 43_200)
    assert 0 < first.idle_left <= 60


async def test_what_ran_out_or_was_ended_is_listed_no_more(store: Store) -> None:
    await put(store, "first")
    await put(store, "second")
    await store.put_session("third.secret", one("third"), 0.001)
    await store.end_session("first", 300)
    while len(listed := await store.list_sessions("subject-of-ada", now=NOW)) > 1:
        pass  # a millisecond has not gone by yet
    assert [known.sid for known in listed] == ["second"]
    assert await store.list_sessions("subject-of-ada", now=NOW + 43_200) == []


async def test_an_upstream_s_session_finds_what_came_of_it_and_nothing_else(store: Store) -> None:
    await put(store, "first")
    await put(store, "another", replace(ORIGIN, sid="another"))
    await put(store, "elsewhere", replace(ORIGIN, issuer="https://idp.example/"))
    await put(store, "partner", context=replace(context(), connector="partners"))
    at = ("staff", "https://idp.example")
    assert await store.sids_from(*at, sid="their-sid", now=NOW) == ["first"]
    assert sorted(await store.sids_from(*at, subject="their-sub", now=NOW)) == ["another", "first"]
    assert await store.sids_from(*at, sid="their-sub", now=NOW) == []
    assert await store.sids_from("staff", "https://idp.example", now=NOW) == []
    known = await store.end_session("first", 300)
    assert known is not None
    await store.forget_session(known)
    assert await store.sids_from(*at, sid="their-sid", now=NOW) == []


@pytest.mark.row("LO-14")
async def test_of_many_who_end_a_session_one_made_the_difference(store: Store) -> None:
    await put(store, "first")
    await store.join_session("first", "billing", now=NOW)
    ended = await asyncio.gather(*(store.end_session("first", 300) for _ in range(50)))
    assert [known.was_live for known in ended if known].count(True) == 1
    assert all(known is not None and known.clients == {"billing": NOW} for known in ended)


@pytest.mark.row("LO-14")
async def test_a_client_app_joins_before_the_end_and_is_told_or_does_not_join(store: Store) -> None:
    await put(store, "first")
    joining = [store.join_session("first", f"app-{number}", now=NOW) for number in range(50)]
    *before, ended = await asyncio.gather(*joining[:25], store.end_session("first", 300))
    after = await asyncio.gather(*joining[25:])
    assert ended is not None
    assert [f"app-{n}" for n, joined in enumerate(before) if joined] == sorted(
        ended.clients, key=lambda name: int(name[4:])
    )
    assert not any(after)


@pytest.mark.row("SE-06")
async def test_a_sid_that_was_ended_never_comes_back(store: Store) -> None:
    await put(store, "first")
    await store.end_session("first", 300)
    assert not await store.put_session("first.new", one("first"), 60, replaces="first.secret")
    assert await store.read_session("first.new", 60) is None


@pytest.mark.row("LO-14")
async def test_a_session_that_is_signed_in_to_again_while_it_ends_is_over_or_goes_on_whole(
    store: Store,
) -> None:
    for number in range(20):
        sid = f"sid-{number}"
        await put(store, sid)
        again = store.put_session(f"{sid}.new", one(sid), 60, replaces=f"{sid}.secret")
        put_again, _ = await asyncio.gather(again, store.end_session(sid, 300))
        assert put_again in (True, False)
        assert await store.read_session(f"{sid}.new", 60) is None
        assert await store.read_session(f"{sid}.secret", 60) is None
        assert await store.session_ended(sid)


@pytest.mark.row("SE-02")
async def test_who_signed_in_again_in_two_tabs_at_once_has_two_cookies_and_both_end(store: Store) -> None:
    await put(store, "first")
    for cookie in ("first.one", "first.two"):
        assert await store.put_session(cookie, one("first"), 60, replaces="first.secret")
    assert await store.read_session("first.one", 3600) is not None  # the browser may have kept either
    assert await store.read_session("first.secret", 60) is None
    known = await store.known_session("first")
    assert known is not None
    assert known.idle_left > 3000
    ended = await store.end_session("first", 300)
    assert ended is not None
    assert ended.was_live
    for cookie in ("first.one", "first.two"):
        assert await store.read_session(cookie, 60) is None


async def test_a_session_of_which_nothing_can_be_read_ends_and_hides_no_other(store: Store) -> None:
    await put(store, "first")
    await put(store, "second")
    await store._wire.call("HSET", store._listed("first"), "listed", b"its key is gone")
    assert [known.sid for known in await store.list_sessions("subject-of-ada", now=NOW)] == ["second"]
    assert await store.end_session("first", 300) is None
    assert await store.read_session("first.secret", 60) is None
    assert await store.session_ended("first")


async def test_what_is_due_is_one_s_own_for_a_while_and_then_anybody_s_again(store: Store) -> None:
    await store.note_due("first", NOW + 10, now=NOW)
    await store.note_due("first", NOW + 99, now=NOW)  # a time that was noted before stays
    shard = await _shard_of(store, NOW + 5, [])
    assert shard is None
    shard = await _shard_of(store, NOW + 10, ["first"])
    assert shard is not None
    assert await store.take_due(shard, now=NOW + 11, turn=30) == []
    assert await store.take_due(shard, now=NOW + 40, turn=30) == ["first"]
    await store.put_off("first", NOW + 500, now=NOW)
    assert await store.take_due(shard, now=NOW + 200, turn=30) == []
    await store.note_due("first", NOW + 100, now=NOW, sooner=True)
    assert await store.take_due(shard, now=NOW + 200, turn=30) == ["first"]
    await store.not_due("first")
    await store.put_off("first", NOW, now=NOW)  # what is done stays done
    assert await store.take_due(shard, now=NOW + 1000, turn=30) == []


async def _shard_of(store: Store, now: float, expected: list[str]) -> int | None:
    for shard in range(SHARDS):
        if found := await store.take_due(shard, now=now, turn=30):
            assert found == expected
            return shard
    return None


async def test_of_many_workers_one_takes_what_is_due(store: Store) -> None:
    for number in range(40):
        await store.note_due(f"sid-{number}", NOW, now=NOW)
    taken = await asyncio.gather(
        *(store.take_due(shard, now=NOW, turn=30) for shard in range(SHARDS) for _ in range(5))
    )
    sids = [sid for found in taken for sid in found]
    assert len(sids) == len(set(sids)) == 40


async def test_every_list_ends_by_itself(store: Store) -> None:
    await put(store, "first")
    await store.join_session("first", "billing", now=NOW, known_for=86_400)
    await store.note_due("first", NOW + 60, now=NOW)
    names = await store._wire.call("KEYS", f"{store._prefix}*")
    assert len(names) == 6
    for name in names:
        assert await store._wire.call("PTTL", name) > 0
    assert not [name for name in names if b"their-" in name or b"idp.example" in name]
