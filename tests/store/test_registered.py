"""Registrations in the store: never too many, changed in one step, gone by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from broker.store import KeptDocument, Registered, Store

NOW = 1_800_000_000.0


def app(number: int = 1) -> Registered:
    return Registered(
        client_id=f"broker.app.{number}",
        metadata={"client_name": "App", "redirect_uris": ["https://app.example/"], "default_max_age": 60},
        token_digest="digest",
        secret_digest=b"\x00\xff",
        secret="in plain",
        issued_at=NOW,
        used_at=NOW + 1,
        grants_since=NOW + 2,
        attested={"software_id": "4711"},
        lookalike="Billing",
    )


async def test_nothing_is_lost_on_the_way(store: Store) -> None:
    assert await store.enter_client(app(), now=NOW, ttl=3600, most=10)
    assert await store.read_client("broker.app.1") == app()
    assert await store.read_client("broker.app.2") is None


@pytest.mark.row("RG-10")
async def test_there_are_never_more_than_there_may_be(store: Store) -> None:
    entered = await asyncio.gather(
        *(store.enter_client(app(number), now=NOW, ttl=3600, most=3) for number in range(20))
    )
    assert sum(entered) == 3
    assert len(await store.list_clients()) == 3
    # What has ended leaves its place; what was dropped does at once.
    assert await store.enter_client(app(77), now=NOW + 3601, ttl=3600, most=1)
    assert not await store.enter_client(app(78), now=NOW + 3601, ttl=3600, most=1)
    assert await store.drop_client("broker.app.77")
    assert not await store.drop_client("broker.app.77")
    assert await store.enter_client(app(78), now=NOW + 3601, ttl=3600, most=1)


async def test_a_change_is_made_of_what_is_there(store: Store) -> None:
    await store.enter_client(app(), now=NOW, ttl=3600, most=10)

    def counted(before: Registered) -> Registered:
        return replace(before, grants_since=before.grants_since + 1)

    await asyncio.gather(*(store.change_client("broker.app.1", counted, now=NOW, ttl=7200) for _ in range(8)))
    found = await store.read_client("broker.app.1")
    assert found is not None
    assert found.grants_since == NOW + 10
    assert 3600_000 < await store._wire.call("PTTL", store._client("broker.app.1")) <= 7200_000
    assert await store.change_client("broker.app.2", counted, now=NOW, ttl=7200) is None
    assert [one.client_id for one in await store.list_clients()] == ["broker.app.1"]


async def test_all_of_them_are_listed_however_many(store: Store) -> None:
    for number in range(501):
        await store.enter_client(app(number), now=NOW, ttl=3600 + number, most=1000)
    found = await store.list_clients()
    assert [one.client_id for one in found] == [f"broker.app.{number}" for number in range(501)]


async def test_the_list_ends_with_the_last_of_them(store: Store) -> None:
    await store.enter_client(app(1), now=NOW, ttl=3600, most=10)
    await store.enter_client(app(2), now=NOW, ttl=60, most=10)
    assert 3000_000 < await store._wire.call("PTTL", store._clients) <= 3600_000


async def test_documents_and_origins_are_kept_for_their_time(store: Store) -> None:
    document = KeptDocument(
        metadata={"client_name": "App"}, fetched_at=NOW, fresh_until=NOW + 300, used_at=NOW
    )
    await store.put_client_document("https://app.example/app.json", document, 3600)
    assert await store.read_client_document("https://app.example/app.json") == document
    assert await store.read_client_document("https://app.example/other.json") is None
    await store.drop_client_document("https://app.example/app.json")
    assert await store.read_client_document("https://app.example/app.json") is None
    await store.remember_origin("https://app.example", 3600)
    await store.remember_origin("https://app.example", 60)
    assert await store.knows_origin("https://app.example")
    assert not await store.knows_origin("https://other.example")
    assert await store._wire.call("PTTL", store._origin("https://app.example")) > 3500_000


@pytest.mark.row("RG-10")
async def test_what_is_dropped_while_it_is_changed_takes_no_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.enter_client(app(), now=NOW, ttl=3600, most=1)
    entered = store._entered

    async def dropped_meanwhile(client_id: str, **said: Any) -> bool:
        await store.drop_client(client_id)
        return await entered(client_id, **said)

    with monkeypatch.context() as patched:
        patched.setattr(store, "_entered", dropped_meanwhile)
        await store.change_client("broker.app.1", lambda before: before, now=NOW, ttl=7200)
    assert await store.read_client("broker.app.1") is None
    assert await store.enter_client(app(2), now=NOW, ttl=3600, most=1)
