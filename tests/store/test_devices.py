"""Devices in the store: found by what is typed, answered once, and asked for at a pace."""

from __future__ import annotations

import asyncio

import pytest

from broker.protocol.device import DeviceAnswer, DeviceRequest
from broker.store import Store

NOW = 1_800_000_000.0
DEVICE = DeviceRequest(
    client_id="tv",
    scopes=("openid", "profile"),
    user_code="BCDFGHJK",
    asked_at=NOW,
    expires_at=NOW + 600,
    address="192.0.2.7",
    resources=("https://api.example/",),
    authorization_details=({"type": "payment"},),
    correlation_id="c",
)


async def put(store: Store, code: str = "device-code") -> str:
    device_id = store.device_id(code)
    assert await store.put_device(device_id, DEVICE, now=NOW)
    return device_id


async def test_a_device_is_found_by_its_user_code_and_nothing_is_lost_on_the_way(store: Store) -> None:
    device_id = await put(store)
    assert await store.find_device("BCDFGHJK") == device_id
    assert await store.find_device("KJHGFDCB") is None
    found = await store.read_device(device_id)
    assert (found.turn, found.device, found.answer) == ("pending", DEVICE, None)


@pytest.mark.row("DV-09")
async def test_neither_code_is_in_a_name_or_a_value_of_the_store(store: Store) -> None:
    await put(store)
    for key in await store._wire.call("KEYS", "*"):
        kept = key if await store._wire.call("TYPE", key) == b"string" else b""
        value = await store._wire.call("GET", kept) if kept else b""
        assert b"device-code" not in key + (value or b"")
        assert b"BCDFGHJK" not in key + (value or b"")


async def test_a_user_code_that_waits_is_not_given_again(store: Store) -> None:
    first = await put(store)
    assert not await store.put_device(store.device_id("another"), DEVICE, now=NOW)
    assert await store.find_device("BCDFGHJK") == first


@pytest.mark.row("DV-07")
async def test_of_many_answers_one_counts_and_the_user_code_is_gone(store: Store) -> None:
    device_id = await put(store)
    answers = [DeviceAnswer(code=f"code-{number}") for number in range(10)]
    won = await asyncio.gather(*(store.answer_device(device_id, "BCDFGHJK", one) for one in answers))
    assert sum(won) == 1
    found = await store.read_device(device_id)
    assert (found.turn, found.answer) == ("answered", answers[won.index(True)])
    assert await store.find_device("BCDFGHJK") is None


async def test_nobody_answers_for_a_device_that_is_gone(store: Store) -> None:
    assert not await store.answer_device(store.device_id("nobody"), "BCDFGHJK", DeviceAnswer())
    assert (await store.read_device(store.device_id("nobody"))).turn == "gone"
    assert (await store.poll_device(store.device_id("nobody"), now=NOW)).turn == "gone"


@pytest.mark.standard(
    "RFC 8628", "§3.5 the interval grows by five seconds for each question that came too soon"
)
async def test_the_pace(store: Store) -> None:
    device_id = await put(store)

    async def turn(after: float) -> str:
        return (await store.poll_device(device_id, now=NOW + after)).turn

    assert await turn(0) == "pending"
    assert await turn(4.5) == "pending"  # a network is no clock
    assert await turn(5) == "slow_down"  # from now on ten seconds
    assert await turn(14.5) == "pending"
    assert await turn(15) == "slow_down"  # fifteen
    assert await turn(29.5) == "pending"
    await store.answer_device(device_id, "BCDFGHJK", DeviceAnswer(code="c"))
    found = await store.poll_device(device_id, now=NOW + 30)
    assert (found.turn, found.answer) == ("answered", DeviceAnswer(code="c"))
    assert found.device == DEVICE


@pytest.mark.row("DS-02")
async def test_a_device_takes_little_room(store: Store) -> None:
    device_id = await put(store)
    names = (store._device(device_id), store._user_code("BCDFGHJK"))
    assert sum([await store._wire.call("MEMORY", "USAGE", name) for name in names]) <= 2048


async def test_both_records_end_by_themselves(store: Store) -> None:
    device_id = await put(store)
    assert 0 < await store._wire.call("PTTL", store._user_code("BCDFGHJK")) <= 600_000
    assert 600_000 < await store._wire.call("PTTL", store._device(device_id)) <= 900_000
