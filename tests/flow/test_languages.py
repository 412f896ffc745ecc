"""A page is in the language of whoever reads it: as the app says, as they chose, as their browser says."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

import pytest

from broker.protocol.languages import LANGUAGES
from tests.flow.broker import Broker, Browser, Landed


def language(page: Landed) -> str:
    found = re.search(r'<html lang="([^"]*)" dir="([^"]*)"', page.body)
    assert found
    assert found[2] == ("rtl" if found[1] == "ar" else "ltr")
    return found[1]


async def switched(browser: Browser, page: Landed, to: str) -> Landed:
    """Follow the link at the foot of the page, which leads back to it."""
    return await browser.go(page.link(f"/language?to={to}&"))


@pytest.mark.standard("OpenID Core", "§3.1.2.1 ui_locales, the languages the person prefers, in order")
@pytest.mark.parametrize(
    ("ui_locales", "accepted", "spoken"),
    [
        (None, None, "en"),
        (None, "de-CH, fr;q=0.8", "de"),
        (None, "xx, ar;q=0.5", "ar"),
        ("fr", "de", "fr"),
        ("xx ja-JP", "de", "ja"),
        ("xx", "de", "de"),
        ("xx", "xx", "en"),
    ],
)
async def test_what_the_app_asks_for_comes_before_what_the_browser_says(
    broker: Broker, ui_locales: str | None, accepted: str | None, spoken: str
) -> None:
    async with broker.browser() as browser:
        if accepted:
            browser.session.headers["Accept-Language"] = accepted
        assert language(await browser.authorize(ui_locales=ui_locales)) == spoken


async def test_the_switch_leads_back_to_the_page_and_is_remembered(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        page = await switched(browser, page, "es")
        assert language(page) == "es"
        assert "Billing solicita acceso" in re.sub(r"<[^>]*>", "", page.body)
        landed = await browser.answer_consent(page)
        assert "code" in landed.params
        assert language(await browser.go(f"{broker.issuer}/account")) == "es"


async def test_whoever_saw_what_the_app_asked_for_may_choose_another(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(ui_locales="de")
        assert language(await switched(browser, page, "ja")) == "ja"
        assert language(await browser.authorize(ui_locales="de-AT", prompt="consent")) == "ja"
        # Another wish of the app's is another matter.
        assert language(await browser.authorize(ui_locales="fr", prompt="consent")) == "fr"


@pytest.mark.row("WB-06")
@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\tevil",
        "javascript:alert(1)",
        "",
        "account",
        "?flow=x",
        "/" + "x" * 3000,
    ],
)
async def test_the_switch_leads_to_no_other_site(broker: Broker, back: str) -> None:
    async with broker.browser() as browser:
        query = urlencode({"to": "de", "back": back})
        answer = await browser.step("GET", f"{broker.issuer}/language?{query}")
    assert answer.status == 400
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("to", ["xx", "", "DE", "de; Path=/x", "de\r\nX: y"])
async def test_only_a_language_of_the_pages_can_be_chosen(broker: Broker, to: str) -> None:
    async with broker.browser() as browser:
        query = urlencode({"to": to, "back": "/account"})
        answer = await browser.step("GET", f"{broker.issuer}/language?{query}")
        assert answer.status == 400
        assert "Set-Cookie" not in answer.headers


async def test_another_site_changes_nobodys_language(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = f"{broker.issuer}/language?to=ar&back=%2Faccount"
        answer = await browser.step("GET", url, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403
        assert language(await browser.authorize()) == "en"


@pytest.mark.row("WB-03")
async def test_a_page_carries_of_its_address_only_what_finds_it_again(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.step("GET", f"{broker.issuer}/signed-out?evil=words&id_token_hint=a.b.c&state=x")
    assert "evil" not in page.body
    assert "a.b.c" not in page.body
    assert urlsplit(page.link("to=de")).path == "/language"


@pytest.mark.standard("OpenID Discovery", "§3 ui_locales_supported names the languages of the pages")
async def test_the_metadata_names_the_languages_of_the_pages(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = f"{broker.issuer}/.well-known/openid-configuration"
        async with browser.session.get(url) as answer:
            said = (await answer.json())["ui_locales_supported"]
    assert tuple(said) == LANGUAGES
    assert set(said) == set(broker.services.pages.languages)


# ── pages that answer something else than the app's wish itself ───────────────────────────────────


@pytest.mark.standard("OpenID Core", "§3.1.2.1 ui_locales, of a page that refuses the request too")
async def test_an_error_is_said_in_the_language_that_the_app_asked_for(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(ui_locales="xx fr", redirect_uri="https://evil.example/")
        assert (page.status, language(page)) == (400, "fr")
        page = await browser.authorize(ui_locales="fr", client_id="nobody")
        assert (page.status, language(page)) == (400, "fr")


async def test_what_somebody_chose_in_place_of_the_apps_wish_holds_for_errors_too(broker: Broker) -> None:
    async with broker.browser() as browser:
        await switched(browser, await browser.authorize(ui_locales="de"), "ja")
        assert language(await browser.authorize(ui_locales="de", client_id="nobody")) == "ja"
        assert language(await browser.authorize(ui_locales="es", client_id="nobody")) == "es"


async def test_a_consent_that_cannot_be_answered_any_more_is_refused_in_that_language(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(ui_locales="ar")
        browser.session.cookie_jar.clear(lambda cookie: cookie.key == "session")
        answer = await browser.answer_consent(page)
    assert (answer.status, language(answer)) == (403, "ar")


@pytest.mark.parametrize("response_mode", ["form_post", "query"])
async def test_the_page_that_leads_back_to_an_app_speaks_as_the_app_asked(
    broker: Broker, response_mode: str
) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(ui_locales="es", response_mode=response_mode)
        landed = await browser.answer_consent(page)
    assert "Volviendo a <bdi>Billing</bdi>" in landed.body
    assert language(landed) == "es"


async def test_who_stays_signed_in_reads_so_in_the_language_of_the_question(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid")
        page = await browser.go(f"{broker.issuer}/logout?client_id=billing&ui_locales=fr")
        data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "stay"}
        stayed = await browser.step("POST", f"{broker.issuer}/logout/confirm", data=data)
    assert (language(page), language(stayed)) == ("fr", "fr")
