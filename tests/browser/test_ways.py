"""What a person does on the pages arrives, once, where it should, with and without scripting."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from playwright.async_api import Frame, Route, expect

from broker.pages import BounceView, FormPostView, LeavingView
from tests.pages.samples import CONSENT, ERROR, FIELDS, GRANTS, HANDLE, ORDINARY, SIGNED_OUT_OF

pytestmark = [pytest.mark.browser]
READY = "[data-guarded]:not([data-waiting])"
HIDDEN = [("csrf", HANDLE), ("flow", HANDLE)]
ENDLESS = "window.setTimeout = () => 0"
"""The seconds after which a page stops waiting, or no longer says what was done, are never over."""


async def test_consent_with_the_keyboard_alone(browser, show):
    gallery, site = await show({"consent": CONSENT})
    page = await browser.new_page()
    await page.goto(f"{site}/page/consent")
    await page.wait_for_selector(READY)
    visited = []
    for _ in range(7):
        await page.keyboard.press("Tab")
        visited.append(
            await page.evaluate("document.activeElement.value || document.activeElement.textContent.trim()")
        )
        if visited[-1] in {"email", "invoices.pay"}:
            await page.keyboard.press("Space")
    assert visited == [
        "Not you?",
        "email",
        "invoices.read",
        "invoices.pay",
        "Already allowed (2)",
        "deny",
        "allow",
    ]
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    answer = [("scope", "invoices.read"), ("scope", "invoices.pay"), ("answer", "allow")]
    assert gallery.posted == [("/consent", HIDDEN + answer)]


@pytest.mark.parametrize("scripting", [True, False])
@pytest.mark.parametrize(("button", "answer"), [("Allow", "allow"), ("Cancel", "deny")])
async def test_consent_by_pointer_with_and_without_scripting(browser, show, scripting, button, answer):
    gallery, site = await show({"consent": CONSENT})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/consent")
    await page.get_by_label("Read your invoices").uncheck()
    await page.get_by_role("button", name=button).click()
    await page.wait_for_url(f"{site}/consent")
    assert gallery.posted == [("/consent", [*HIDDEN, ("scope", "email"), ("answer", answer)])]


async def test_allow_and_cancel_are_of_the_same_size_on_one_line(browser, show):
    _, site = await show({"consent": CONSENT})
    for width in (320, 1280):
        page = await browser.new_page(viewport={"width": width, "height": 700})
        await page.goto(f"{site}/page/consent")
        allow = await page.get_by_role("button", name="Allow").bounding_box()
        cancel = await page.get_by_role("button", name="Cancel").bounding_box()
        assert allow is not None
        assert cancel is not None
        assert (allow["y"], allow["width"], allow["height"]) == pytest.approx(
            (cancel["y"], cancel["width"], cancel["height"])
        )


async def test_a_button_that_is_pressed_twice_posts_once(browser, show):
    gallery, site = await show({"consent": CONSENT})
    page = await browser.new_page()
    await page.goto(f"{site}/page/consent")
    await page.wait_for_selector(READY)
    async with page.expect_navigation():
        busy = await page.evaluate(
            "() => { const b = document.querySelector('[data-guarded]'); b.click(); b.click();"
            " document.querySelector('[value=deny]').click(); return b.getAttribute('aria-busy'); }"
        )
    assert busy == "true"
    assert len(gallery.posted) == 1


@pytest.mark.row("CS-19")
async def test_a_click_just_after_the_window_came_to_the_front_allows_nothing(browser, show):
    gallery, site = await show({"consent": CONSENT})
    page = await browser.new_page()
    await page.goto(f"{site}/page/consent")
    await page.wait_for_selector(READY)
    for event in (
        "window.dispatchEvent(new Event('focus'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
    ):
        await page.evaluate(f"() => {{ {event}; document.querySelector('[data-guarded]').click(); }}")
        assert await page.evaluate("location.pathname") == "/page/consent"
        await page.wait_for_selector(READY)
    assert gallery.posted == []
    await page.get_by_role("button", name="Allow").click()
    await page.wait_for_url(f"{site}/consent")
    assert len(gallery.posted) == 1


async def test_a_way_to_sign_in_is_a_plain_link(browser, show):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/chooser")
    await page.get_by_role("link", name="University").click()
    await page.wait_for_url("**/choose?*")
    assert gallery.visited == ["/choose?flow=x&to=school"]


async def test_many_ways_to_sign_in_can_be_searched(browser, show):
    _, site = await show(ORDINARY)
    page = await browser.new_page()
    await page.goto(f"{site}/page/chooser-many")
    field = page.get_by_role("searchbox", name="Find yours by name or email address")
    await field.fill("PÁRTNER log")
    assert await page.locator(".choice:visible").all_inner_texts() == ["Partner login"]
    await field.fill("zzz")
    assert await page.get_by_role("status").inner_text() == "Nothing has that name."
    await field.fill("")
    assert await page.locator(".choice:visible").count() == 10
    await field.fill("ada@acme.example")
    assert await page.locator(".choice:visible").count() == 10, "an address is not a name"


@pytest.mark.parametrize("scripting", [True, False])
async def test_what_is_typed_is_sent_to_our_own_page_with_and_without_scripting(browser, show, scripting):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/chooser-more")
    await page.get_by_role("searchbox").fill("North & Söhne")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/continue?*")
    assert gallery.visited == [f"/continue?flow={HANDLE}&q=North+%26+S%C3%B6hne"]


async def test_where_not_all_are_shown_none_is_hidden_by_what_is_typed(browser, show):
    _, site = await show(ORDINARY)
    page = await browser.new_page()
    await page.goto(f"{site}/page/chooser-more")
    await page.get_by_role("searchbox").fill("zzz")
    assert await page.locator(".choice:visible").count() == 10


@pytest.mark.parametrize("scripting", [True, False])
async def test_what_was_used_last_is_forgotten_with_one_press(browser, show, scripting):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/chooser-more")
    await page.get_by_role("button", name="Forget what I used last").click()
    await page.wait_for_url(f"{site}/continue/forget")
    assert gallery.posted == [("/continue/forget", HIDDEN)]


async def test_one_that_does_not_answer_says_so_and_still_leads_there(browser, show):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page()
    await page.goto(f"{site}/page/chooser-away")
    link = page.get_by_role("link", name="Partner login Does not answer at the moment")
    await link.click()
    await page.wait_for_url("**/choose?*")
    assert gallery.visited == ["/choose?flow=x&to=partners"]


async def test_the_way_that_was_found_is_gone_to_by_itself(browser, show):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/onward")
    await page.wait_for_url("**/continue?*")
    assert gallery.visited == ["/continue?flow=x&connector=school"]


async def test_without_scripting_there_is_nothing_that_needs_it(browser, show):
    _, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/chooser-many")
    assert await page.get_by_role("searchbox").is_visible(), "it is a form"
    assert await page.locator(".choice:visible").count() == 10
    await page.goto(f"{site}/page/error")
    assert not await page.locator("[data-copy]").is_visible()


async def test_the_reference_of_an_error_is_copied_with_one_click(browser, show):
    _, site = await show({"error": ERROR})
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.add_init_script(ENDLESS)
    await page.goto(f"{site}/page/error")
    await page.get_by_role("button", name="Copy").click()
    await page.get_by_role("button", name="Copied").wait_for()
    assert await page.evaluate("navigator.clipboard.readText()") == ERROR.correlation_id
    assert await page.get_by_role("status").inner_text() == "Copied"


async def test_an_app_is_withdrawn_in_two_steps_without_scripting(browser, show):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/grants")
    await page.get_by_text("Withdraw access of Field maps").click()
    await page.get_by_role("button", name="Withdraw now").click()
    await page.wait_for_url(f"{site}/account/withdraw")
    assert gallery.posted == [("/account/withdraw", [("csrf", HANDLE), ("client_id", "maps")])]


@pytest.mark.parametrize("scripting", [True, False])
async def test_what_an_app_may_do_at_one_api_is_withdrawn_by_a_button_of_its_own(browser, show, scripting):
    gallery, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/grants-at-apis")
    await page.get_by_text("Withdraw access of Billing").click()
    await expect(page.get_by_role("button", name="Withdraw all access")).to_be_visible()
    only = page.get_by_role("button", name="Withdraw access to Ledger only")
    await expect(only).to_have_accessible_description("Billing")
    await only.click()
    await page.wait_for_url(f"{site}/account/withdraw")
    fields = [("csrf", HANDLE), ("client_id", "billing"), ("resource", "https://ledger.example")]
    assert gallery.posted == [("/account/withdraw", fields)]


@pytest.mark.row("CS-18")
@pytest.mark.parametrize("scripting", [True, False])
async def test_a_form_reaches_the_app_at_its_own_origin(browser, show, scripting):
    app, app_site = await show({})
    fields = (*FIELDS, ("submit", "a field may have this name"), ("action", "and this"))
    view = FormPostView(action=f"{app_site}/cb", fields=fields, client_name="Billing")
    _, site = await show({"post": view})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/post", wait_until="commit")
    if not scripting:
        await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{app_site}/cb")
    assert app.posted == [("/cb", list(fields))]


@pytest.mark.parametrize("scripting", [True, False])
async def test_the_same_fields_come_back_from_our_own_site(browser, show, scripting):
    view = BounceView(action="/callback/staff", fields=FIELDS)
    gallery, site = await show({"bounce": view})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/bounce", wait_until="commit")
    if not scripting:
        await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(f"{site}/callback/staff")
    assert gallery.posted == [("/callback/staff", list(FIELDS))]


@pytest.mark.row("CS-18")
@pytest.mark.parametrize("scripting", [True, False])
async def test_an_answer_leaves_for_the_app_although_forms_may_only_go_to_us(browser, show, scripting):
    app, app_site = await show({})
    gallery, site = await show({"consent": CONSENT})
    there = f"{app_site}/cb?code=a&state=b%20c&iss=x"
    gallery.answer = lambda request: gallery.response(LeavingView(url=there, client_name="Billing"))
    page = await browser.new_page(java_script_enabled=scripting)
    blocked = []
    page.on("console", lambda message: blocked.append(message.text))
    await page.goto(f"{site}/page/consent")
    await page.get_by_role("button", name="Allow").click()
    await page.wait_for_url(there)
    assert app.visited == ["/cb?code=a&state=b%20c&iss=x"]
    assert blocked == []


async def test_who_comes_back_to_a_page_that_left_by_itself_is_not_sent_away_again(browser, show):
    app, app_site = await show({})
    view = FormPostView(action=f"{app_site}/cb", fields=FIELDS, client_name="Billing")
    _, site = await show({"post": view, "error": ERROR})
    page = await browser.new_page()
    await page.goto(f"{site}/page/error")
    await page.goto(f"{site}/page/post", wait_until="commit")
    await page.wait_for_url(f"{app_site}/cb")
    await page.go_back()
    assert page.url == f"{site}/page/error"
    assert len(app.posted) == 1


async def test_an_app_may_answer_the_form_by_sending_the_person_to_a_host_it_named(browser, show):
    _home, home_site = await show({})
    app, app_site = await show({})
    app.answer = lambda request: web.Response(status=303, headers={"Location": f"{home_site}/home"})
    view = FormPostView(
        action=f"{app_site}/cb", fields=FIELDS, client_name="Billing", onward=(f"{home_site}/elsewhere",)
    )
    _, site = await show({"post": view})
    page = await browser.new_page()
    await page.goto(f"{site}/page/post", wait_until="commit")
    await page.wait_for_url(f"{home_site}/home")
    assert len(app.posted) == 1


async def test_a_sign_in_window_keeps_its_opener(browser, show):
    app, app_site = await show({})
    _, site = await show({"consent": replace(CONSENT, action="/done")})
    page = await browser.new_page()
    await page.goto(app_site)
    async with page.expect_popup() as opened:
        await page.evaluate("address => { window.popup = open(address, 'signin'); }", f"{site}/page/consent")
    popup = await opened.value
    await popup.wait_for_load_state()
    arrived = asyncio.create_task(popup.wait_for_url(f"{app_site}/back"))
    await popup.evaluate("address => { location = address; }", f"{app_site}/back")
    await arrived
    assert await popup.evaluate("window.opener !== null")
    assert await page.evaluate("window.popup.closed") is False
    assert app.visited


@pytest.mark.parametrize("scripting", [True, False])
async def test_another_language_is_two_presses_away_with_and_without_scripting(browser, show, scripting):
    gallery, site = await show({"consent": CONSENT})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/consent")
    await page.get_by_text("English").first.click()
    await page.get_by_role("link", name="Deutsch").click()
    await page.wait_for_url(f"{site}/language?*")
    assert gallery.visited == ["/language?to=de&back=%2Fpage%2Fconsent%3Fflow%3Dx"]


async def test_apps_sign_out_in_frames_and_then_the_page_leads_back(browser, show):
    apps, elsewhere = await show({})
    view = replace(
        SIGNED_OUT_OF,
        frames=(f"{elsewhere}/one?sid=x", f"{elsewhere}/two"),
        onward_url=f"{elsewhere}/back?state=y",
    )
    _, site = await show({"out": view})
    page = await browser.new_page()
    await page.add_init_script(ENDLESS)
    await page.goto(f"{site}/page/out")
    await page.wait_for_url(f"{elsewhere}/back?state=y")
    assert sorted(apps.visited[:2]) == ["/one?sid=x", "/two"]
    assert apps.visited[2] == "/back?state=y"


async def test_frames_that_were_quicker_than_the_script_are_not_waited_for(browser, show):
    _, elsewhere = await show({})
    view = replace(
        SIGNED_OUT_OF, frames=(f"{elsewhere}/one", f"{elsewhere}/two"), onward_url=f"{elsewhere}/back"
    )
    _, site = await show({"out": view})
    page = await browser.new_page()
    quick: asyncio.Queue[Frame] = asyncio.Queue()
    page.on("framenavigated", lambda frame: frame.parent_frame and quick.put_nowait(frame))

    async def late(route: Route) -> None:
        for _ in view.frames:
            await (await quick.get()).wait_for_load_state()
        await route.continue_()

    await page.route("**/page*.js", late)
    await page.add_init_script(ENDLESS)
    await page.goto(f"{site}/page/out", wait_until="commit")
    await page.wait_for_url(f"{elsewhere}/back")


async def test_without_scripting_the_frames_load_too_and_a_link_leads_back(browser, show):
    apps, elsewhere = await show({})
    view = replace(SIGNED_OUT_OF, frames=(f"{elsewhere}/one",), onward_url=f"{elsewhere}/back")
    _, site = await show({"out": view})
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/out")
    await page.get_by_role("link", name="Back to Billing").click()
    await page.wait_for_url(f"{elsewhere}/back")
    assert apps.visited == ["/one", "/back"]


async def test_a_frame_does_not_lead_the_page_away(browser, show):
    apps, elsewhere = await show({})
    script = "<!doctype html><title>x</title><script>try { top.location = '/gone' } catch { }</script>"
    apps.answer_get = lambda _request: web.Response(text=script, content_type="text/html")
    _, site = await show({"out": replace(SIGNED_OUT_OF, frames=(f"{elsewhere}/one",), onward_url=None)})
    page = await browser.new_page()
    await page.goto(f"{site}/page/out")
    assert apps.visited == ["/one"]
    assert page.url == f"{site}/page/out"
    assert await page.get_by_role("heading", name="You are signed out").count() == 1


@pytest.mark.parametrize("scripting", [True, False])
async def test_signing_out_everywhere_takes_two_presses(browser, show, scripting):
    gallery, site = await show({"account": GRANTS})
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/account")
    await page.get_by_text("Sign out everywhere", exact=True).click()
    await page.get_by_role("button", name="Sign out everywhere now").click()
    await page.wait_for_url(f"{site}/account/sign-out-everywhere")
    assert gallery.posted == [("/account/sign-out-everywhere", [("csrf", HANDLE)])]


async def test_each_device_has_a_button_of_its_own(browser, show):
    gallery, site = await show({"account": GRANTS})
    page = await browser.new_page()
    await page.goto(f"{site}/page/account")
    await page.get_by_role("listitem").filter(has_text="Safari on iPhone").get_by_role("button").click()
    await page.wait_for_url(f"{site}/account/end")
    assert gallery.posted == [("/account/end", [("csrf", HANDLE), ("sid", "b")])]
