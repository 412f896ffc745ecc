"""What a person hears, types and reads in their own script: names of buttons, news of a page, directions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import expect

from broker.config import Theme
from broker.pages import Pages
from tests.pages.samples import CODE, GRANTS, LOGIN, ORDINARY

pytestmark = [pytest.mark.browser]


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({"withdrawn": "Billing"}, "Billing no longer has access. It will ask you again next time."),
        (
            {"withdrawn": "Billing", "withdrawn_at": "Ledger"},
            "Billing no longer has access to Ledger. Whatever else you allowed it stays.",
        ),
        ({"ended": True}, "That device is signed out."),
        ({"forgotten": True}, "This browser no longer remembers how you signed in."),
    ],
)
async def test_what_has_just_been_done_has_the_focus_and_so_is_read_first(browser, show, change, news):
    _, site = await show({"account": replace(GRANTS, **change)})
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/account")
    assert await page.locator(":focus").inner_text() == news


async def test_each_button_of_the_account_page_says_what_it_is_about(browser, show):
    _, site = await show({"account": GRANTS})
    page = await browser.new_page()
    await page.goto(f"{site}/page/account")
    there = page.get_by_role("button", name="Sign out there")
    for place, device in enumerate(("Safari on iPhone", "A browser or app", "Windows")):
        await expect(there.nth(place)).to_have_accessible_description(device)
    await expect(page.get_by_role("button", name="Sign out", exact=True)).to_have_accessible_description(
        "Firefox on Linux"
    )
    for app in ("Billing", "Field maps"):
        await page.get_by_text(f"Withdraw access of {app}").click()
    for place, app in enumerate(("Billing", "Field maps")):
        withdraw = page.get_by_role("button", name="Withdraw now").nth(place)
        await expect(withdraw).to_have_accessible_description(app)


async def test_digits_and_names_are_typed_in_their_own_direction_from_right_to_left_too(browser, show):
    views = {"login": LOGIN, "code": CODE, "search": ORDINARY["chooser-many"]}
    _, site = await show(views, languages=("ar",))
    page = await browser.new_page()
    # Groups of digits change places where the line runs from right to left.
    await page.goto(f"{site}/page/code")
    await page.locator("#code:dir(ltr)").wait_for()
    for name, field in (("login", "#username"), ("search", "#search")):
        await page.goto(f"{site}/page/{name}")
        await page.locator(field).fill("ada+1@acme.example")
        await page.locator(f"{field}:dir(ltr)").wait_for()
        await page.locator(field).fill("آدا")
        await page.locator(f"{field}:dir(rtl)").wait_for()


async def test_on_a_phone_what_tells_a_device_has_the_width_of_its_box(browser, show):
    _, site = await show({"account": GRANTS})
    page = await browser.new_page(viewport={"width": 360, "height": 740})
    await page.goto(f"{site}/page/account")
    words, tag = page.locator(".grant .grow").first, page.get_by_text("This device")
    beside = (await tag.bounding_box())["y"] < (await words.bounding_box())["y"] + 8
    assert not beside
    assert (await words.bounding_box())["width"] > 260


async def test_a_list_has_its_bullets_in_colours_that_the_system_forces(browser, show):
    _, site = await show({"account": GRANTS})
    page = await browser.new_page(forced_colors="active")
    await page.goto(f"{site}/page/account")
    bullet, card = await page.evaluate(
        "[getComputedStyle(document.querySelector('.plain li'), '::before').backgroundColor,"
        " getComputedStyle(document.querySelector('.card')).backgroundColor]"
    )
    assert bullet != card


async def test_a_page_is_printed_dark_on_light_and_without_what_only_a_screen_can_do(browser, show):
    _, site = await show({"account": GRANTS})
    page = await browser.new_page(color_scheme="dark")
    await page.goto(f"{site}/page/account")
    await page.emulate_media(media="print", color_scheme="dark")
    ink, card = await page.evaluate(
        "[document.body, document.querySelector('.card')].map((e, n) => getComputedStyle(e)"
        "[n ? 'backgroundColor' : 'color'])"
    )
    assert (ink, card) == ("rgb(23, 26, 33)", "rgb(255, 255, 255)")
    for button in await page.locator("button, summary, a[download]").all():
        assert not await button.is_visible()
    await expect(page.get_by_text("Read your invoices")).to_be_visible()


async def test_no_japanese_headline_is_broken_within_a_word(browser, show):
    _, site = await show(ORDINARY, languages=("ja",))
    page = await browser.new_page()
    await page.goto(f"{site}/page/consent")
    for what, breaks in {"h1": "auto-phrase", ".lead": "normal"}.items():
        found = await page.locator(what).evaluate("(e) => getComputedStyle(e).wordBreak")
        assert found == breaks, what


async def test_of_many_devices_the_few_that_were_used_last_are_seen_first(browser, show):
    many = tuple(replace(GRANTS.sessions[1], sid=str(n)) for n in range(8))
    _, site = await show(
        {"account": replace(GRANTS, sessions=many), "few": replace(GRANTS, sessions=many[1:])}
    )
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"{site}/page/account")
    devices = page.get_by_role("heading", name="Safari on iPhone")
    await expect(devices).to_have_count(5)
    await page.get_by_text("Show 3 more").click()
    await expect(devices).to_have_count(8)
    await page.goto(f"{site}/page/few")
    await expect(devices).to_have_count(7)


DARK = "@media (prefers-color-scheme: dark) { rect { fill: #fff } }"


def drawn(style: str, fill: str) -> Pages:
    """Pages of a house whose picture is one rectangle."""
    pages = Pages(theme=Theme(name="Acme", logo="/static/images/acme.svg"))
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 36">'
        f'<style>{style}</style><rect width="120" height="36" fill="{fill}"/></svg>'
    )
    pages.keep_image("/static/images/acme.svg", picture.encode(), "image/svg+xml")
    return pages


@pytest.mark.parametrize(("scheme", "fill"), [("light", "#000"), ("dark", "#fff")])
async def test_a_drawn_logo_may_have_other_colours_on_a_dark_screen(browser, show, scheme, fill):
    seen = []
    for pages in (drawn(DARK, "#000"), drawn("", fill)):
        _, site = await show({"login": LOGIN}, pages=pages)
        page = await browser.new_page(color_scheme=scheme)
        await page.goto(f"{site}/page/login")
        seen.append(await page.locator(".crest").screenshot())
    assert seen[0] == seen[1]


@pytest.mark.parametrize("scripting", [True, False])
async def test_where_nothing_was_found_the_field_has_the_focus_and_says_so(browser, show, scripting):
    _, site = await show(ORDINARY)
    page = await browser.new_page(java_script_enabled=scripting)
    await page.goto(f"{site}/page/chooser-nothing")
    field = page.locator("#search:focus")
    await expect(field).to_have_accessible_description("Nothing was found. Check how you wrote it.")
    # Where something was, the person is there to choose, and no keyboard covers it.
    await page.goto(f"{site}/page/chooser-found")
    assert await page.locator(":focus").count() == 0
