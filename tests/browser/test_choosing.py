"""The chooser of a whole broker in a real browser: what its field finds leads on to another site."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from broker.config import StoreConfig
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, Browser, running_broker

pytestmark = [pytest.mark.browser]


@pytest_asyncio.fixture
async def broker(store_config: StoreConfig, tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker with thirty ways to sign in, all of them at one upstream."""
    many = {f"c{n}": {"name": f"Company {n}", "domains": [f"c{n}.example"]} for n in range(30)}
    async with FakeProvider.running() as idp:
        idp.person("ada", name="Ada Example", email="ada@people.example")
        async with running_broker(idp, store_config, tmp_path, connectors=many) as running:
            yield running


@pytest.mark.parametrize("scripting", [True, False])
@pytest.mark.parametrize("typed", ["company 17", "ada@c17.example"])
async def test_what_the_field_finds_is_signed_in_at_on_another_site(browser, broker, scripting, typed):
    page = await browser.new_page(java_script_enabled=scripting)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    async with broker.browser() as apps:
        await page.goto(Browser.authorize_url(apps))
    await page.get_by_role("searchbox").fill(typed)
    await page.get_by_role("button", name="Find").click()
    # By way of the upstream, which is another origin, and back: to the consent page.
    await page.get_by_role("button", name="Allow").wait_for()
    assert broker.events("login")[-1]["connector"] == "c17"
    assert not complaints


async def test_what_a_browser_remembers_is_first_and_forgotten_with_one_press(browser, broker):
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    async with broker.browser() as apps:
        url = Browser.authorize_url(apps, prompt="select_account")
        await page.goto(Browser.authorize_url(apps, connector="c29"))
        await page.goto(url)
    first = page.get_by_role("listitem").first
    assert await first.inner_text() == "Company 29\nLast used"
    await page.get_by_role("button", name="Forget what I used last").click()
    await page.get_by_text("Last used").wait_for(state="detached")
    assert "Staff login" in await first.inner_text()
    assert "last" not in {cookie["name"] for cookie in await context.cookies()}
