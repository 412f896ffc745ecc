"""One `broker demo` for each file of this folder, since a demo remembers what a person allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.demo.helpers import Browser
from tests.demo.running import Demo


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    """The demo, started from nothing."""
    running = await Demo.start(tmp_path_factory.mktemp("demo") / "state")
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A person's browser that has been nowhere yet."""
    async with Browser() as fresh:
        yield fresh
