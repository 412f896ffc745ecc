"""The pages serve everybody: any width, scheme, language, input device and setting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from broker.pages import Pages
from broker.protocol.languages import LANGUAGES
from tests.browser.gallery import APPS
from tests.pages.catalogues import write_catalogue
from tests.pages.samples import ALL, ORDINARY, STAYING
from tests.patience import PATIENCE

pytestmark = [pytest.mark.browser]
WIDTHS = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 800}}
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
TARGETS = """() => [...document.querySelectorAll("a, button, summary, label, input:not([type=hidden])")]
    .filter((e) => e.checkVisibility() && !e.matches("input[type=checkbox], .search label, .field label"))
    .map((e) => [e.textContent.trim() || e.id, e.getBoundingClientRect()])
    .filter(([, box]) => box.width < 44 || box.height < 44)
    .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
OUTSIDE = """() => [...document.querySelectorAll("main *")]
    .filter((e) => e.checkVisibility() && getComputedStyle(e).position !== "absolute")
    .filter((e) => { const b = e.getBoundingClientRect(); return b.left < -1 || b.right > innerWidth + 1; })
    .map((e) => e.outerHTML.slice(0, 80))"""


@pytest_asyncio.fixture
async def narrow(browser: Browser) -> AsyncIterator[Page]:
    """The narrowest window there is (WCAG 2.2 §1.4.10)."""
    yield await browser.new_page(viewport={"width": 320, "height": 568})


async def test_no_page_scrolls_sideways_at_320_pixels_even_on_the_worst_day(narrow, show):
    _, site = await show(STAYING)
    for name in STAYING:
        await narrow.goto(f"{site}/page/{name}")
        assert not await narrow.evaluate(SCROLLS), name
        assert not await narrow.evaluate(OUTSIDE), name


async def test_no_page_scrolls_sideways_with_text_twice_as_large(narrow, show):
    _, site = await show(STAYING)
    for name in STAYING:
        await narrow.goto(f"{site}/page/{name}")
        await narrow.evaluate("document.documentElement.style.fontSize = '200%'")
        assert not await narrow.evaluate(SCROLLS), name


async def test_longer_words_than_any_language_has_fit_too(narrow, show, tmp_path):
    write_catalogue(tmp_path, "de", lambda text: text + " Verordnungsänderungsverfahren" * 2)
    _, site = await show(STAYING, pages=Pages(locale=tmp_path), languages=("de",))
    for name in STAYING:
        await narrow.goto(f"{site}/page/{name}")
        assert await narrow.evaluate("document.documentElement.lang") == "de"
        assert not await narrow.evaluate(SCROLLS), name
        assert not await narrow.evaluate(OUTSIDE), name


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
async def test_every_page_fits_and_can_be_pressed_in_every_language(narrow, show, language):
    _, site = await show(STAYING, languages=(language,))
    for name in STAYING:
        await narrow.goto(f"{site}/page/{name}")
        assert await narrow.evaluate("document.documentElement.lang") == language
        assert not await narrow.evaluate(SCROLLS), name
        assert not await narrow.evaluate(OUTSIDE), name
        assert await narrow.evaluate(TARGETS) == [], name


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
async def test_axe_finds_nothing_wrong_in_any_language(browser, show, axe, language):
    _, site = await show(STAYING, languages=(language,))
    page = await browser.new_page(viewport=WIDTHS["phone"])
    for name in ORDINARY.keys() & STAYING.keys():
        await page.goto(f"{site}/page/{name}")
        await settled(page)
        assert await wrong(page, axe) == [], name


@pytest.mark.parametrize("client_id", APPS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_wrong_with_the_colours_of_an_app(browser, show, axe, scheme, client_id):
    views = {
        name: replace(ORDINARY[name], client_id=client_id)
        for name in ("chooser", "login", "consent", "sign-out")
    }
    _, site = await show(views)
    page = await browser.new_page(color_scheme=scheme)
    for name in views:
        await page.goto(f"{site}/page/{name}")
        await settled(page)
        assert await wrong(page, axe) == [], name


async def test_everything_to_press_is_44_pixels_wide_and_high(browser, show):
    _, site = await show(STAYING)
    for viewport in WIDTHS.values():
        page = await browser.new_page(viewport=viewport)
        for name in STAYING:
            await page.goto(f"{site}/page/{name}")
            assert await page.evaluate(TARGETS) == [], name


async def test_a_short_word_stands_in_the_middle_of_what_can_be_pressed(browser, show):
    _, site = await show({"error": ORDINARY["error"]})
    page = await browser.new_page()
    await page.goto(f"{site}/page/error")
    before, after = await page.get_by_role("link", name="Help").evaluate(
        "link => { const range = document.createRange(); range.selectNodeContents(link);"
        " const word = range.getBoundingClientRect(), box = link.getBoundingClientRect();"
        " return [word.left - box.left, box.right - word.right]; }"
    )
    assert before == pytest.approx(after, abs=0.5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_axe_finds_nothing_wrong(browser, show, axe, width, scheme):
    _, site = await show(STAYING)
    page = await browser.new_page(viewport=WIDTHS[width], color_scheme=scheme)
    for name in STAYING:
        await page.goto(f"{site}/page/{name}")
        await settled(page)
        assert await wrong(page, axe) == [], name


@pytest.mark.parametrize("setting", [{"contrast": "more"}, {"forced_colors": "active"}])
async def test_axe_finds_nothing_wrong_with_stronger_colours(browser, show, axe, setting):
    _, site = await show(STAYING)
    for scheme in ("light", "dark"):
        page = await browser.new_page(color_scheme=scheme, **setting)
        for name in STAYING:
            await page.goto(f"{site}/page/{name}")
            await settled(page)
            await page.evaluate(axe)
            found = await page.evaluate("axe.run(document, {runOnly: ['color-contrast']})")
            told = [
                (v["id"], [(n["html"], n["any"][0]["data"]) for n in v["nodes"]]) for v in found["violations"]
            ]
            assert told == [], (scheme, name)


async def test_the_focus_can_be_seen_wherever_it_is(browser, show):
    _, site = await show(STAYING)
    page = await browser.new_page()
    for name in STAYING:
        await page.goto(f"{site}/page/{name}")
        while True:
            await page.keyboard.press("Tab")
            outline = await page.evaluate(
                "document.activeElement === document.body || document.activeElement.dataset.seen ? null"
                " : (document.activeElement.dataset.seen = 'yes',"
                "    parseFloat(getComputedStyle(document.activeElement).outlineWidth))"
            )
            if outline is None:
                break
            assert outline >= 2, name


async def test_who_wants_less_motion_gets_none_that_goes_on(browser, show):
    _, site = await show(STAYING)
    page = await browser.new_page(reduced_motion="reduce")
    await page.goto(f"{site}/page/chooser")
    endless = await page.evaluate(
        "(document.querySelector('.choice').setAttribute('aria-busy', 'true'),"
        " document.getAnimations().filter((a) => a.effect.getTiming().iterations > 1).length)"
    )
    assert endless == 0


async def test_nothing_moves_after_it_was_painted_however_late_the_pictures_come(browser, show):
    _, site = await show(STAYING)
    page = await browser.new_page()
    asked, painted = asyncio.Event(), asyncio.Event()

    async def hold(picture: Route) -> None:
        asked.set()
        await painted.wait()
        await picture.continue_()

    await page.route("**/*.svg", hold)
    await page.add_init_script(
        "window.shifts = [];"
        "new PerformanceObserver((list) => shifts.push(...list.getEntries().map((e) => e.value)))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    for name in STAYING:
        asked.clear()
        painted.clear()
        await page.goto(f"{site}/page/{name}", wait_until="domcontentloaded")
        await asyncio.wait_for(asked.wait(), PATIENCE)
        await page.evaluate(PAINTED)
        painted.set()  # also for those that are asked for only now
        await page.wait_for_load_state()
        await page.evaluate(PAINTED)
        assert await page.evaluate("shifts") == [], name


async def test_no_page_asks_another_host_or_breaks_its_own_policy(browser, show):
    _, site = await show(ALL)
    page = await browser.new_page(java_script_enabled=False)
    scripted = await browser.new_page()
    asked, said = [], []
    for each in (page, scripted):
        each.on("request", lambda request: asked.append(request.url))
        each.on("console", lambda message: said.append(message.text))
        for name in ALL if each is page else STAYING:
            if "leaving" not in name and "onward" not in name:  # these go on by themselves
                await each.goto(f"{site}/page/{name}")
    assert [url for url in asked if not url.startswith(f"{site}/")] == []
    # Chromium reports a page's own status as a failure to load.
    assert [text for text in said if not text.startswith("Failed to load resource: the server resp")] == []


async def settled(page: Page) -> None:
    """When what moves has come to rest."""
    await page.evaluate("Promise.all(document.getAnimations().map((a) => a.finished))")


async def wrong(page: Page, axe: str) -> list[tuple[str, list[str]]]:
    """What axe says against the page."""
    await page.evaluate(axe)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
