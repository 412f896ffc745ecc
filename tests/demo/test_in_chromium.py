"""The whole demo in a real browser: redirects after POST, cookies on one host, policies, phone width."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from tests.browser.conftest import ARGUMENTS, AXE, CHROMIUM
from tests.demo.running import Demo
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("demo"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no Chromium at {CHROMIUM}"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core: run npm ci in tests/browser"),
]


@pytest_asyncio.fixture(loop_scope="session", params=[1280, 360], ids=["desk", "phone"])
async def page(request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """A page in a fresh Chromium; anything that it complains about fails the test."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        # bypass_csp lets axe-core in; that the pages' own policy holds is seen over HTTP.
        context = await chromium.new_context(
            viewport={"width": request.param, "height": 800}, bypass_csp=True
        )
        context.set_default_timeout(PATIENCE * 1000)
        opened = await context.new_page()
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        await chromium.close()
    assert complaints == []


async def _fits(page: Page) -> None:
    """Nothing sticks out at the side."""
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, page.url


async def _is_for_everybody(page: Page) -> None:
    """axe-core finds nothing that keeps anybody out."""
    # Allow is pale until one had time to read.
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    await page.evaluate(AXE.read_text("utf-8"))
    found = await page.evaluate("axe.run()")
    said = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]
    assert said == [], page.url


async def _press(page: Page, words: str) -> None:
    target = page.get_by_role("button", name=re.compile(words)).or_(
        page.get_by_role("link", name=re.compile(words))
    )
    await target.first.wait_for()
    await page.wait_for_load_state()
    await _fits(page)
    await _is_for_everybody(page)
    await target.first.click()


async def _sees(page: Page, words: str, *, exact: bool = False) -> None:
    """A heading that says so, when its page is there."""
    await page.get_by_role("heading", name=words, exact=exact).wait_for()


async def _allows(page: Page, then: str) -> None:
    """Where the demo has not been allowed it by an earlier test, it asks."""
    asks = page.get_by_role("heading", name="asks for access")
    await asks.or_(page.get_by_role("heading", name=then)).wait_for()
    if await asks.count():
        await _press(page, "Allow")
    await _sees(page, then)


async def test_a_person_clicks_through_the_whole_demo(page: Page, demo: Demo) -> None:
    await page.goto(demo.url)
    await _press(page, "Sign in to Harbour Notes")
    await _sees(page, "Who are you?")
    await _press(page, "Ada Marlowe")
    await _allows(page, "Ada Marlowe")
    await page.get_by_text("Buy rope").wait_for()
    await _press(page, "Refresh tokens")
    await page.get_by_text("tokens refreshed 1×").wait_for()
    await _press(page, "Open Harbour Calendar too")
    await page.get_by_text("is signed in to Harbour Calendar").wait_for()
    await _press(page, "Your granted apps")
    await _sees(page, "Harbour Notes", exact=True)
    await page.goto(f"{demo.url}notes/")
    await _press(page, "Sign in again")
    await _press(page, "Grace Tanaka")
    await _allows(page, "grace.tanaka")
    await _press(page, "Sign out")
    await _sees(page, "Two apps, one sign-in")
    await page.goto(f"{demo.url}notes/")
    assert page.url == demo.url
