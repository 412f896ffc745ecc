"""A real Valkey for everybody: one server for the whole run, and a store of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from broker.config.settings import StoreConfig
from broker.connector import Secret
from broker.store import Embedded, Store, open_store, start_embedded
from tests.plugins.alarms import pytest_timeout_set_timer
from tests.plugins.groups import pytest_collection_modifyitems

__all__ = ["pytest_collection_modifyitems", "pytest_timeout_set_timer"]

# How long it takes to think of an example or to try it says how busy the machine is; what hangs is ended by
# the run's own timeout.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The server of this test process."""
    server = start_embedded(tmp_path_factory.mktemp("valkey"))
    # Nobody waits for the disk here, which may be busy with others; what is promised of it is asked of
    # servers of their own (`tests.store.test_embedded`).
    with redis.Redis.from_url(server.url) as operator:
        operator.config_set("appendfsync", "no")
    yield server
    server.stop()


@pytest.fixture
def store_config(valkey: Embedded) -> StoreConfig:
    """Settings under which nobody else stores anything."""
    return StoreConfig(
        url=valkey.url,
        prefix=f"test-{secrets.token_hex(6)}:",
        encryption_keys=(Secret(secrets.token_urlsafe(32)),),
    )


@pytest.fixture
async def store(store_config: StoreConfig, tmp_path: Path) -> AsyncIterator[Store]:
    """A store that is empty and this test's own."""
    opened = await open_store(store_config, tmp_path)
    yield opened
    await opened.close()
