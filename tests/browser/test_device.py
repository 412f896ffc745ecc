"""A device is signed in, in Chromium: the code, a password, the question, and what the device hears."""

from __future__ import annotations

import aiohttp
import pytest

from tests.fakes.provider import FakeProvider
from tests.flow.broker import running_broker
from tests.flow.devices import TV, Device
from tests.flow.own_logins import PASSWORD, POOL, only, person

pytestmark = [pytest.mark.browser]


@pytest.mark.row("DV-06")
@pytest.mark.standard("RFC 8628", "§3.3 the person's side, in a browser")
@pytest.mark.parametrize("scripting", [True, False])
async def test_a_person_types_the_code_signs_in_and_allows_it(
    browser, axe, store_config, tmp_path, scripting
):
    async with (
        FakeProvider.running() as idp,
        running_broker(idp, store_config, tmp_path, **only(POOL, clients={"tv": TV})) as broker,
        aiohttp.ClientSession() as session,
    ):
        await person(broker)
        tv = Device(broker, session, "tv")
        await tv.ask("openid profile email")
        context = await browser.new_context(
            java_script_enabled=scripting, viewport={"width": 360, "height": 740}
        )
        page = await context.new_page()
        await page.goto(tv.asked["verification_uri"])
        await page.locator("#user_code:focus").wait_for()
        await page.keyboard.type("bbbb bbbb")
        await page.keyboard.press("Enter")
        await page.get_by_text("This code is not right").wait_for()
        await page.get_by_label("Code").fill(tv.user_code.lower())
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("Username").fill("ada")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="A device asks to use Television as you").wait_for()
        assert tv.user_code in await page.locator("main").inner_text()
        assert (await tv.poll())[1]["error"] == "authorization_pending"
        if scripting:
            # Allow is dimmed while it waits, and looked at when it does not.
            await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
            await page.evaluate(axe)
            found = await page.evaluate("axe.run()")
            assert [one["id"] for one in found["violations"]] == []
        await page.get_by_role("button", name="Allow").click()
        await page.get_by_role("heading", name="Device connected").wait_for()
        status, tokens = await tv.later()
        assert (status, tokens["token_type"]) == (200, "Bearer")
        await context.close()


@pytest.mark.row("DV-06")
async def test_a_link_only_fills_the_code_in_and_warns(browser, store_config, tmp_path):
    async with (
        FakeProvider.running() as idp,
        running_broker(idp, store_config, tmp_path, clients={"tv": TV}) as broker,
        aiohttp.ClientSession() as session,
    ):
        tv = Device(broker, session, "tv")
        await tv.ask()
        page = await browser.new_page()
        await page.goto(tv.asked["verification_uri_complete"])
        assert await page.get_by_label("Code").input_value() == tv.user_code
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_text("You came by a link").wait_for()
        await page.get_by_role("button", name="Cancel").click()
        await page.get_by_role("heading", name="Device not connected").wait_for()
        assert (await tv.later())[1]["error"] == "access_denied"
