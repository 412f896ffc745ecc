"""Where a line ends on a page: what belongs together stays together, whatever the language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pages.samples import CONSENT

pytestmark = [pytest.mark.browser]

LINES = """([selector, first, last]) => {
  const element = document.querySelector(selector);
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let at = 0, range = document.createRange();
  while (texts.nextNode()) {
    const node = texts.currentNode, end = at + node.length;
    if (at <= first && first < end) range.setStart(node, first - at);
    if (at < last && last <= end) range.setEnd(node, last - at);
    at = end;
  }
  return new Set([...range.getClientRects()].filter(r => r.width).map(r => Math.round(r.bottom / 8))).size;
}"""


async def lines(page, selector: str, words: str) -> int:
    """On how many lines these words stand."""
    whole = await page.locator(selector).evaluate("e => e.textContent")
    return await page.evaluate(LINES, [selector, whole.index(words), whole.index(words) + len(words)])


@pytest.mark.parametrize("width", [360, 1280])
async def test_an_address_that_fits_beside_the_picture_is_not_broken_for_a_link(browser, show, width):
    _, site = await show({"consent": replace(CONSENT, person="ada.marlowe@harbour.example")})
    page = await browser.new_page(viewport={"width": width, "height": 700})
    await page.goto(f"{site}/page/consent")
    assert await lines(page, ".person bdi", "ada.marlowe@harbour.example") == 1
    picture, name = page.locator(".person .avatar"), page.locator(".person bdi")
    assert (await picture.bounding_box())["x"] + 36 < (await name.bounding_box())["x"], "it is beside it"


@pytest.mark.parametrize("language", ["de", "fr", "ar"])
async def test_no_line_begins_with_the_full_stop_behind_a_host(browser, show, language):
    on_loopback = replace(CONSENT, client_host="127.0.0.1:8610", on_this_device=True)
    _, site = await show({"consent": on_loopback}, languages=(language,))
    page = await browser.new_page()
    await page.goto(f"{site}/page/consent")
    stop = (await page.locator(".lead").evaluate("e => e.textContent")).partition("8610")[2][0]
    for width in range(320, 420):
        await page.set_viewport_size({"width": width, "height": 700})
        assert await lines(page, ".lead", f"8610{stop}") == 1, width
