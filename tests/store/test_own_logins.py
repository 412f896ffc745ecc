"""What the store keeps for logins of our own: people, hand-offs, attempts, ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from broker.store import HandOff, Limit, PoolPerson

ADA = PoolPerson(id="id-1", username="Ada", password_hash="h", since=1.0, password_since=1.0)


async def test_of_many_who_take_a_username_one_has_it(store):
    people = [replace(ADA, id=f"id-{n}") for n in range(20)]
    added = await asyncio.gather(*(store.add_person("p", "ada", person) for person in people))
    assert added.count(True) == 1
    assert [person async for person in store.list_people("p")] == [people[added.index(True)]]


async def test_of_changes_at_once_none_undoes_another(store):
    await store.add_person("p", "ada", ADA)

    def one_more(person):
        return replace(person, claims={"n": person.claims.get("n", 0) + 1})

    await asyncio.gather(*(store.change_person("p", "id-1", one_more) for _ in range(8)))
    assert (await store.read_person("p", "id-1")).claims == {"n": 8}


async def test_a_pool_has_its_own_people_and_a_removed_one_is_not_found(store):
    await store.add_person("p", "ada", ADA)
    assert await store.find_person("q", "ada") is None
    assert await store.read_person("q", "id-1") is None
    assert await store.remove_person("p", "ada", "id-1")
    assert not await store.remove_person("p", "ada", "id-1")
    assert await store.find_person("p", "ada") is None
    assert await store.change_person("p", "id-1", lambda person: person) is None
    assert await store.add_person("p", "ada", replace(ADA, id="id-2"))


async def test_everybody_is_listed_once_however_many(store):
    await asyncio.gather(*(store.add_person("p", f"n{n}", replace(ADA, id=f"id-{n}")) for n in range(700)))
    listed = [person.id async for person in store.list_people("p")]
    assert sorted(listed) == sorted(f"id-{n}" for n in range(700))


@pytest.mark.row("CB-45")
async def test_a_hand_off_is_decided_once_and_taken_once(store):
    await store.put_hand_off("c", "l", HandOff(login_state="s", back="b"), 60)
    assert await store.take_hand_off("c", "l") is None
    assert not await store.decide_hand_off("other", "l", {"subject": "x"})
    decided = await asyncio.gather(*(store.decide_hand_off("c", "l", {"subject": n}) for n in range(20)))
    assert decided.count(True) == 1
    taken = await asyncio.gather(*(store.take_hand_off("c", "l") for _ in range(20)))
    assert [one for one in taken if one is not None] == [{"subject": decided.index(True)}]
    assert not await store.decide_hand_off("c", "l", {"subject": "late"})
    assert (await store.read_hand_off("c", "l")).taken


async def test_attempts_at_once_are_counted_each_and_one_given_back_may_be_made_again(store):
    limits = (Limit("here", ("a", "b"), 5, 60, forgiven=True), Limit("person", ("a",), 7, 60))
    said = await asyncio.gather(*(store.spend_attempt("c", limits) for _ in range(20)))
    assert [limit for _, limit in said].count("") == 5
    wait, limit = await store.spend_attempt("c", limits)
    assert (0 < wait <= 60, limit) == (True, "here")
    await store.give_back_attempt("c", limits)  # "here" begins anew, "person" has 4
    assert [(await store.spend_attempt("c", limits))[1] for _ in range(4)] == ["", "", "", "person"]
    assert (await store.spend_attempt("elsewhere", limits))[1] == ""


async def test_a_place_is_known_for_one_person_at_one_connector(store):
    await store.remember_known("c", "ada", ("browser x", "192.0.2.1"), 60)
    assert await store.is_known("c", "ada", "browser x")
    assert await store.is_known("c", "ada", "192.0.2.1")
    assert not await store.is_known("c", "bob", "192.0.2.1")
    assert not await store.is_known("d", "ada", "192.0.2.1")


async def test_what_began_before_an_end_is_known_by_its_moment(store):
    assert await store.ended_before("sub") is None
    await store.end_everything("sub", 17.5, 60)
    assert await store.ended_before("sub") == 17.5
    assert await store.ended_before("another") is None
