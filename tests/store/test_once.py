"""What was used once is used, for everybody, and an emptied store makes nobody forget it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from broker.store import Store, open_store

NOW = 1_800_000_000.0
LIFE = {"ttl": 60, "longest": 3600.0}


@pytest.fixture
async def open_another(store_config, tmp_path) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    """Another host with the same store."""
    opened: list[Store] = []

    async def one() -> Store:
        opened.append(await open_store(store_config, tmp_path))
        return opened[-1]

    yield one
    for store in opened:
        await store.close()


@pytest.mark.row("CA-10")
@pytest.mark.row("DP-06")
async def test_of_many_on_several_hosts_one_is_first(open_another) -> None:
    hosts = [await open_another() for _ in range(3)]
    found = await asyncio.gather(*(host.once("proof", "j", 60) for host in hosts * 10))
    assert sum(found) == 1
    made = {"made_at": NOW, "now": NOW}
    found = await asyncio.gather(*(host.once_since("assertion", "j", **made, **LIFE) for host in hosts * 10))
    assert sum(found) == 1
    assert await hosts[0].once("another kind", "j", 60)


@pytest.mark.row("CA-10")
async def test_who_knew_the_store_full_believes_nothing_older_than_its_loss(open_another) -> None:
    host, other = await open_another(), await open_another()
    for store in (host, other):
        assert await store.once_since("assertion", f"before {id(store)}", made_at=NOW, now=NOW, **LIFE)
    for name in await host._wire.call("KEYS", f"{host._prefix}*"):
        await host._wire.call("DEL", name)
    lost = NOW + 30
    for store in (host, other):
        for made_at in (NOW, lost, None):
            name = f"again {id(store)} {made_at}"
            assert not await store.once_since("assertion", name, made_at=made_at, now=lost, **LIFE)
        assert await store.once_since("assertion", f"x{id(store)}", made_at=lost + 1, now=lost + 1, **LIFE)
    assert await host.once_since("assertion", "silent", made_at=None, now=lost + 3600, **LIFE)


async def test_a_store_that_is_new_has_forgotten_nothing(open_another) -> None:
    host = await open_another()
    for made_at in (NOW - 100, None):
        assert await host.once_since("assertion", str(made_at), made_at=made_at, now=NOW, **LIFE)
