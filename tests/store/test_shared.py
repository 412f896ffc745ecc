"""Parts of one store share its connections; what each keeps stays its own, and the last one closes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.config.settings import StoreConfig
from broker.store import Embedded, Store, StoreUnavailable, open_store
from broker.store.wire import Wire
from tests.store.samples import NOW
from tests.store.test_outbox import notice


async def test_shared_connections_are_closed_by_the_last_who_uses_them(valkey: Embedded) -> None:
    closed: list[str] = []
    one = Wire(valkey.url, at_close=lambda: closed.append("closed"))
    other = one.shared()
    await one.close()
    assert await other.call("PING") == b"PONG"
    assert not closed
    await other.close()
    assert closed == ["closed"]
    with pytest.raises(StoreUnavailable):
        await other.call("PING")


async def test_what_one_part_of_a_store_keeps_is_not_there_for_another(
    store: Store, store_config: StoreConfig, tmp_path: Path
) -> None:
    config = replace(store_config, prefix=f"{store_config.prefix}t:acme:", workspace="acme")
    acme = await open_store(config, tmp_path, beside=store)
    assert acme.wire is store.wire
    assert acme.handle_keys != store.handle_keys
    await acme.post_notice(notice())
    assert await store.list_notices() == []
    assert (await store.take_notices("one", now=NOW, lost_after=60, most=1)).is_empty
    await acme.close()
    await store.ping()
