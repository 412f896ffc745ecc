"""A store that throws keys away is no store: what was used or ended would be good again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from broker.config.settings import StoreConfig
from broker.connector import Secret
from broker.store import Embedded, Store, StoreMisconfigured, StoreUnavailable, open_store, start_embedded

KEYS = (Secret("x" * 43),)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    """One of this test's own, whose settings it may change."""
    running = start_embedded(tmp_path / "server")
    yield running
    running.stop()


async def kept_by(url: str, tmp_path: Path) -> Store:
    return await open_store(StoreConfig(url=url, encryption_keys=KEYS), tmp_path)


@pytest.mark.row("RD-10")
@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-lru", "allkeys-random"])
async def test_a_server_that_evicts_is_not_used(server: Embedded, tmp_path: Path, policy: str) -> None:
    store = await kept_by(server.url, tmp_path)
    await store.check_it_keeps()
    with redis.Redis.from_url(server.url) as operator:
        operator.config_set("maxmemory-policy", policy)
    with pytest.raises(StoreMisconfigured, match=f"its maxmemory-policy is {policy}, must be noeviction"):
        await store.check_it_keeps()
    await store.close()


@pytest.mark.row("RD-10")
async def test_a_server_that_lets_nobody_look_is_trusted_aloud(
    server: Embedded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(server.url) as operator:
        operator.execute_command("ACL", "SETUSER", "default", "-info")
    store = await kept_by(server.url, tmp_path)
    await store.check_it_keeps()
    assert caplog.messages == ["store: cannot see whether it evicts (INFO: noperm): it must not"]
    await store.close()


async def test_a_server_that_is_away_is_not_taken_for_one_that_keeps(
    server: Embedded, tmp_path: Path
) -> None:
    store = await kept_by(server.url, tmp_path)
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.check_it_keeps()
    await store.close()
