"""A whole broker on a free port, with a real store, a fake upstream and a clock that a test turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from broker.config import StoreConfig
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, running_broker

Start = Callable[..., AbstractAsyncContextManager[Broker]]


@pytest.fixture
async def idp() -> AsyncIterator[FakeProvider]:
    """An upstream with one person."""
    async with FakeProvider.running() as provider:
        provider.person(
            "ada",
            name="Ada Example",
            email="ada@people.example",
            email_verified=True,
            groups=["staff", "admins"],
        )
        yield provider


@pytest.fixture
async def broker(idp: FakeProvider, store_config: StoreConfig, tmp_path) -> AsyncIterator[Broker]:
    """The broker, in front of ``idp``, with the client apps of `tests.flow.broker`."""
    async with running_broker(idp, store_config, tmp_path) as running:
        yield running


@pytest.fixture
async def start(idp: FakeProvider, store_config: StoreConfig, tmp_path) -> AsyncIterator[Start]:
    """Start brokers with a configuration of the test's own; they stop with the test."""
    async with AsyncExitStack() as stack:

        async def start_one(**changes: object) -> Broker:
            return await stack.enter_async_context(running_broker(idp, store_config, tmp_path, **changes))

        yield start_one
