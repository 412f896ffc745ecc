"""A single-page app made of oidc-client-ts, served from an origin of its own to a real Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.conftest import chromium as launched
from tests.interop import node
from tests.interop.between import Person

FOLDER = node.HERE / "apps" / "spa"
LIBRARY = node.HERE / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"


def missing() -> str | None:
    """Why it cannot run here, or None."""
    if not Path(CHROMIUM).exists():
        return f"no Chromium at {CHROMIUM}"
    return None if LIBRARY.exists() else "the packages of tests/interop are not installed"


@contextlib.asynccontextmanager
async def serving(port: int, settings: Mapping[str, Any]) -> AsyncIterator[str]:
    """Its origin while the block lasts. The settings are those of oidc-client-ts."""

    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(FOLDER / "index.html")

    async def script(request: web.Request) -> web.FileResponse:
        return web.FileResponse(FOLDER / "app.js")

    async def library(request: web.Request) -> web.FileResponse:
        return web.FileResponse(LIBRARY)

    async def told(request: web.Request) -> web.Response:
        return web.json_response(settings)

    app = web.Application()
    for path in ("/", "/callback", "/silent"):
        app.router.add_get(path, page)
    app.router.add_get("/app.js", script)
    app.router.add_get("/oidc-client-ts.min.js", library)
    app.router.add_get("/settings.json", told)
    async with TestServer(app, host="127.0.0.1", port=port):
        yield f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A real Chromium while the block lasts."""
    async with async_playwright() as playwright, launched(playwright) as running:
        yield running


async def ready(page: Page) -> None:
    """The app's own script has done what the address asked of it."""
    await expect(page.locator("html[data-ready=yes]")).to_be_attached()


async def sign_in(page: Page, origin: str, person: Person, *, asked: bool = True) -> None:
    """The person presses the app's button, signs in at her upstream, allows what is asked, and is back."""
    await page.goto(f"{origin}/")
    await ready(page)
    await page.evaluate("void app.signIn()")
    await page.locator(f"a[href*='connector={person.connector}']").click()
    for name, value in person.fields.items():
        await page.locator(f"input[name={name}]").fill(value)
    await page.locator("[type=submit]").first.click()
    if person.connector == "engines":  # oidc-provider asks on its own behalf
        await page.locator("form:has(input[value=consent]) [type=submit]").click()
    if asked:
        await page.get_by_role("button", name="Allow").click()
    await page.wait_for_url(f"{origin}/")
    await ready(page)
