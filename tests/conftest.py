"""A real Valkey for everybody: one server for the whole run, and a store of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from broker.connector import Secret
from broker.store import Embedded, Store, open_store, start_embedded


@dataclass(frozen=True, kw_only=True)
class StoreAt:
    """The settings of a store: where it is, and a prefix and key of its own."""

    url: str
    prefix: str = field(default_factory=lambda: f"test-{secrets.token_hex(6)}:")
    encryption_keys: tuple[Secret, ...] = field(default_factory=lambda: (Secret(secrets.token_urlsafe(32)),))


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The server of this test process."""
    server = start_embedded(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def store_at(valkey: Embedded) -> StoreAt:
    """Settings under which nobody else stores anything."""
    return StoreAt(url=valkey.url)


@pytest.fixture
async def store(store_at: StoreAt, tmp_path) -> AsyncIterator[Store]:
    """A store that is empty and this test's own."""
    opened = await open_store(store_at, tmp_path)
    yield opened
    await opened.close()
