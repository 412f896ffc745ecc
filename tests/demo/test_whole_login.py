"""The demo from the first page to the last, over HTTP, as a person clicks through it."""

from __future__ import annotations

import pytest

from tests.demo.helpers import Browser, Page
from tests.demo.running import Demo

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("demo")]

NOTES, CALENDAR = "Sign in to Harbour Notes", "Sign in to Harbour Calendar"


async def sign_in(browser: Browser, demo: Demo, person: str, app: str = NOTES) -> Page:
    """From the front page past the provider; the answer is whatever the broker shows then."""
    await browser.open(demo.url)
    await browser.click(app)
    assert "Who are you?" in browser.page.text, f"{browser.page.url}: {browser.page.text}"
    return await browser.click(person)


async def allowed(browser: Browser, demo: Demo, person: str) -> Page:
    """Signed in to Harbour Notes, with everything allowed."""
    page = await sign_in(browser, demo, person)
    return await browser.click("Allow") if "asks for access" in page.text else page


def row(page: Page, claim: str) -> str:
    """One line of the first table."""
    table = page.html.partition("<tbody>")[2].partition("</tbody>")[0]
    _, found, rest = table.partition(f'<th scope="row">{claim}</th>')
    assert found, f"no {claim} in {table}"
    line = rest.partition("</tr>")[0]
    for tag in ("<td>", "</td>", '<td class="from">', "<b>", "</b>"):
        line = line.replace(tag, "|" if tag.startswith("<td") else "")
    return line


async def test_ada_sees_her_tokens_the_api_and_who_said_what(demo: Demo, browser: Browser) -> None:
    consent = await sign_in(browser, demo, "Ada Marlowe")
    assert "Harbour Notes asks for access" in consent.text
    assert "See which groups you are in" in consent.text
    page = await browser.click("Allow")
    assert (page.status, page.url) == (200, f"{demo.url}notes/")
    assert row(page, "name") == "|Ada Marlowe|provider’s ID Token · name"
    assert row(page, "email") == "|ada.marlowe@harbour.example|provider’s userinfo · email"
    assert row(page, "email_verified") == "|true|provider’s userinfo · email_verified"
    assert "demo:harbour-staff" in row(page, "groups")
    assert "coffee-club" not in page.html
    for told in ("nonce", "auth_time", "at_hash", "WWW-Authenticate" not in page.html, "Buy rope"):
        assert told is True or told in page.html
    assert "released with a scope" not in page.html, "what the ID Token stands on is not explained"
    assert page.html.count('<span class="badge good">200</span>') == 2


async def test_grace_is_another_person_with_other_claims(demo: Demo, browser: Browser) -> None:
    page = await allowed(browser, demo, "Grace Tanaka")
    assert row(page, "name") == "|grace.tanaka|provider’s ID Token · preferred_username"
    assert row(page, "groups") == "|[&#34;demo:harbour-guests&#34;]|provider’s ID Token · groups"
    assert row(page, "email_verified") == "|false|provider’s userinfo · email_verified"
    assert row(page, "locale") == "|de-DE|provider’s userinfo · locale"
    assert "grace@tanaka.example" not in page.html


async def test_the_second_app_lets_her_in_without_asking_and_may_not_read_the_api(
    demo: Demo, browser: Browser
) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    browser.trail.clear()
    page = await browser.click("Open Harbour Calendar too")
    assert page.url == f"{demo.url}calendar/"
    assert "is signed in to Harbour Calendar" in page.text
    assert not any("/login" in step for step in browser.trail)
    assert "insufficient_scope" in page.html


async def test_tokens_are_refreshed_as_often_as_one_likes(demo: Demo, browser: Browser) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    await browser.click("Refresh tokens")
    page = await browser.click("Refresh tokens")
    assert "tokens refreshed 2×" in page.text
    assert "Buy rope" in page.text


async def test_signing_in_again_asks_at_the_provider_and_may_bring_somebody_else(
    demo: Demo, browser: Browser
) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    page = await browser.click("Sign in again")
    assert "asked to sign in once more" in page.text
    page = await browser.click("Grace Tanaka")
    page = await browser.click("Allow") if "asks for access" in page.text else page
    assert "grace.tanaka" in page.text


async def test_a_scope_that_is_unticked_is_not_granted_and_the_api_says_so(
    demo: Demo, browser: Browser
) -> None:
    await allowed(browser, demo, "Grace Tanaka")
    await browser.click("Your granted apps")
    await browser.click("Withdraw now")
    await browser.open(demo.url)
    await browser.open("/notes/sign-in")
    assert "Harbour Notes asks for access" in browser.page.text
    browser.untick("notes.read")
    browser.untick("claim_sources")
    page = await browser.click("Allow")
    assert "insufficient_scope" in page.html
    assert row(page, "locale") == "|de-DE|not told"
    await browser.open(f"{demo.url}notes/")
    await browser.click("Your granted apps")
    await browser.click("Withdraw now")


async def test_withdrawing_consent_on_the_account_page_ends_the_tokens(demo: Demo, browser: Browser) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    assert "Harbour Notes" in (await browser.click("Your granted apps")).text
    await browser.click("Withdraw now")
    page = await browser.open(f"{demo.url}notes/")
    assert 'error="invalid_token"' in page.html.replace("&#34;", '"')
    page = await browser.click("Refresh tokens")
    assert "invalid_grant" in page.text


async def test_whoever_says_no_is_not_signed_in(demo: Demo, browser: Browser) -> None:
    page = await sign_in(browser, demo, "Neither, go back")
    assert "You did not sign in" in page.text
    assert (await browser.open(f"{demo.url}notes/")).url == demo.url


async def test_signing_out_forgets_the_person_at_the_app(demo: Demo, browser: Browser) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    page = await browser.click("Sign out")
    assert page.url == demo.url  # by way of the broker, which has ended its session
    assert (await browser.open(f"{demo.url}notes/")).url == demo.url


async def test_an_answer_that_this_browser_did_not_ask_for_is_not_taken(demo: Demo, browser: Browser) -> None:
    page = await browser.open(f"{demo.url}notes/callback?code=x&state=y")
    assert page.status == 400
    assert "not started here" in page.text


async def test_every_page_has_a_policy_that_lets_nothing_strange_in(demo: Demo, browser: Browser) -> None:
    pages = [
        await browser.open(demo.url),
        await browser.click(NOTES),
        await allowed(browser, demo, "Ada Marlowe"),
    ]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in page.html
        assert " style=" not in page.html
        assert page.headers["Cache-Control"] == "no-store"


async def test_a_form_of_another_site_signs_nobody_out(demo: Demo, browser: Browser) -> None:
    await allowed(browser, demo, "Ada Marlowe")
    async with browser.http.post(
        f"{demo.url}notes/sign-out", headers={"Origin": "http://127.0.0.1:9"}
    ) as answer:
        assert answer.status == 400
    assert "Ada Marlowe" in (await browser.open(f"{demo.url}notes/")).text
