"""Chromium for the tests, and a gallery of the pages for it to visit."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Playwright, async_playwright, expect

from broker.pages import Pages, View
from tests.browser.gallery import Gallery, themed
from tests.patience import PATIENCE

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
HAS_CHROMIUM = Path(CHROMIUM).exists()
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
]
expect.set_options(timeout=PATIENCE * 1000)
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser that looks at every page takes as long for it as the machine lets it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(10 * PATIENCE))


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium of the test's own."""
    if not HAS_CHROMIUM:
        pytest.skip(f"no Chromium at {CHROMIUM}: install Debian's package chromium")
    async with async_playwright() as playwright, chromium(playwright) as running:
        yield running


@asynccontextmanager
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """A Chromium that is waited for as long as the machine may take."""
    async with await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as running:
        running.on("context", lambda context: context.set_default_timeout(PATIENCE * 1000))
        yield running


@pytest.fixture
def axe() -> str:
    """The source of axe-core, which judges whether a page can be used by everybody."""
    if not AXE.exists():
        pytest.skip("no axe-core: run npm ci in tests/browser")
    return AXE.read_text("utf-8")


Show = Callable[..., Awaitable[tuple[Gallery, str]]]


@pytest_asyncio.fixture
async def show() -> AsyncIterator[Show]:
    """Serves views by name; what it gives is the gallery and its address."""
    servers: list[TestServer] = []

    async def serve(
        views: Mapping[str, View], *, pages: Pages | None = None, languages: tuple[str, ...] = ()
    ) -> tuple[Gallery, str]:
        gallery = Gallery(pages or themed(), views, languages)
        server = TestServer(gallery.app(), host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return gallery, f"http://127.0.0.1:{server.port}"

    yield serve
    for server in servers:
        await server.close()
