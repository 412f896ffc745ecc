"""The Keycloak that the tests of one run share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import keycloak, realm
from tests.interop.processes import STARTS

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a worker waits until what it shares with others has started."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(3 * STARTS))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def acme(tmp_path_factory) -> AsyncIterator[keycloak.Keycloak]:
    """A real Keycloak with the realm of `data/acme-realm.json`."""
    async with keycloak.serving(tmp_path_factory.mktemp("keycloak")) as serving:
        yield serving


@pytest_asyncio.fixture(loop_scope="session")
async def admin(acme) -> AsyncIterator[realm.Admin]:
    """Somebody who may change its realm."""
    async with realm.administered(acme) as somebody:
        yield somebody
