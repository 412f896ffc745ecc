"""The login page of ours in Chromium: what a person types arrives, and a whole login ends at the app."""

from __future__ import annotations

from dataclasses import replace

import pyotp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fakes.provider import FakeProvider
from tests.flow.broker import running_broker
from tests.flow.own_logins import PASSWORD, POOL, TOTP, only, person
from tests.pages.samples import CODE, HANDLE, LOGIN, ORDINARY

pytestmark = [pytest.mark.browser]
HIDDEN = [("csrf", HANDLE), ("state", HANDLE)]


@pytest.mark.parametrize("scripting", [True, False])
async def test_a_password_by_the_keyboard_alone(browser, show, scripting):
    gallery, site = await show({"login": LOGIN})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/login")
    await page.locator("#username:focus").wait_for()
    await page.keyboard.type("ada")
    await page.keyboard.press("Tab")
    await page.keyboard.type("a password")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site}/login/staff")
    assert gallery.posted == [("/login/staff", [*HIDDEN, ("username", "ada"), ("password", "a password")])]


async def test_with_a_username_that_is_known_the_focus_is_on_the_password(browser, show):
    _, site = await show({"login": replace(LOGIN, username="ada")})
    page = await browser.new_page()
    await page.goto(f"{site}/page/login")
    await page.locator("#password:focus").wait_for()


@pytest.mark.parametrize("scripting", [True, False])
async def test_enter_in_the_code_signs_in_and_the_other_button_begins_again(browser, show, scripting):
    gallery, site = await show({"code": CODE})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/code")
    await page.locator("#code:focus").wait_for()
    await page.keyboard.type("123 456")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{site}/login/staff")
    await page.goto(f"{site}/page/code")
    await page.get_by_role("button", name="Use another account").click()
    await page.wait_for_url(f"{site}/login/staff")
    assert gallery.posted == [
        ("/login/staff", [*HIDDEN, ("code", "123 456")]),
        ("/login/staff", [*HIDDEN, ("code", ""), ("again", "yes")]),
    ]


@pytest.mark.parametrize("name", ["login-wrong", "login-incomplete", "login-too-many", "code-wrong"])
async def test_a_problem_has_the_focus_leads_to_the_field_and_describes_it(browser, show, name):
    _, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/{name}")
    assert "problem" in await page.locator(":focus").get_attribute("class")
    field = page.locator("main input:not([type=hidden])").first
    assert await field.get_attribute("aria-describedby") == "problem"
    await page.locator(".problem a").click()
    assert await page.locator(":focus").get_attribute("id") == await field.get_attribute("id")
    assert (await page.title()).startswith("Not signed in yet")


async def _the_app(_request: web.Request) -> web.Response:
    return web.Response(text="<!doctype html><h1>the app</h1>", content_type="text/html")


@pytest.mark.parametrize("scripting", [True, False])
@pytest.mark.proves("pool", "a whole login in Chromium, with and without scripting: password, code, app")
async def test_a_whole_login_with_a_second_factor(browser, store_config, tmp_path, scripting):
    app = web.Application()
    app.router.add_get("/cb", _the_app)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    callback = f"http://127.0.0.1:{server.port}/cb"
    client = {"redirect_uris": [callback], "application_type": "native", "trusted": True}
    async with (
        FakeProvider.running() as idp,
        running_broker(idp, store_config, tmp_path, **only(POOL, client=client)) as broker,
        broker.browser() as asking,
    ):
        await person(broker, totp_secret=TOTP)
        context = await browser.new_context(
            java_script_enabled=scripting, viewport={"width": 360, "height": 740}
        )
        page = await context.new_page()
        await page.goto(asking.authorize_url(redirect_uri=callback, login_hint="ada"))
        await page.get_by_label("Username").fill("ada")
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("is not right").wait_for()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        broker.clock.stand()
        await page.get_by_label("Code").fill(pyotp.TOTP(TOTP).at(int(broker.clock())))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{callback}?*")
        assert await page.get_by_role("heading").inner_text() == "the app"
        assert "code=" in page.url
        cookies = {cookie["name"]: cookie for cookie in await context.cookies()}
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies.values())
        assert {"session", "known"} <= set(cookies)
        await context.close()
    await server.close()


@pytest.mark.row("WB-05")
@pytest.mark.parametrize("scripting", [True, False])
@pytest.mark.proves(
    "pool", "after a login the way back shows no form, sends no password and leaks no address"
)
async def test_the_way_back_after_a_login_sends_nothing_again(browser, store_config, tmp_path, scripting):
    seen: list[str] = []

    async def app_page(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Referer", ""))
        return await _the_app(request)

    app = web.Application()
    app.router.add_get("/cb", app_page)
    async with TestServer(app, host="127.0.0.1") as server:
        callback = f"http://127.0.0.1:{server.port}/cb"
        client = {"redirect_uris": [callback], "application_type": "native", "trusted": True}
        async with (
            FakeProvider.running() as idp,
            running_broker(idp, store_config, tmp_path, **only(POOL, client=client)) as broker,
            broker.browser() as asking,
        ):
            await person(broker)
            context = await browser.new_context(java_script_enabled=scripting)
            page = await context.new_page()
            complaints: list[str] = []
            # Of the app's page too, but that it has no icon.
            page.on("console", lambda m: "404" not in m.text and complaints.append(m.text))
            posted: list[str] = []
            page.on("request", lambda sent: posted.append(sent.url) if sent.method == "POST" else None)
            await page.goto(asking.authorize_url(redirect_uri=callback))
            await page.get_by_label("Username").fill("ada")
            await page.get_by_label("Password").fill(PASSWORD)
            button = page.get_by_role("button", name="Sign in")
            # What keeps a button from being pressed twice is a script; without one that is a second answer.
            await (button.dblclick() if scripting else button.click())
            await page.wait_for_url(f"{callback}?*")
            assert not complaints
            assert set(seen) == {""}
            before = len(posted)
            await page.go_back()
            assert await page.get_by_label("Password").count() == 0
            assert len(posted) == before
            assert all("?" not in url for url in posted)
            await context.close()


@pytest.mark.row("WB-01")
async def test_a_login_page_is_in_nobodys_frame(browser, show):
    _, site = await show({"login": LOGIN})
    page = await browser.new_page()
    async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        await page.set_content(f'<iframe src="{site}/page/login"></iframe>')
    assert await page.frames[-1].locator("input").count() == 0
