"""A provider, and the generic connector on it."""

from collections.abc import AsyncIterator

import pytest

from tests.connectors.stage import Stage, on_stage
from tests.fakes.provider import FakeProvider


@pytest.fixture
async def idp() -> AsyncIterator[FakeProvider]:
    async with FakeProvider.running() as provider:
        yield provider


@pytest.fixture
async def stage(idp: FakeProvider) -> AsyncIterator[Stage]:
    async with on_stage(idp) as found:
        yield found
