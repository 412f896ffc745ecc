"""What a person reads when what they did on a page came too late, or to nothing: it says just that."""

from __future__ import annotations

import re
from html import unescape
from http.cookies import SimpleCookie

import pytest

from tests.flow.broker import Broker, Browser, Landed
from tests.flow.devices import TV
from tests.flow.own_logins import POOL, person, sign_in, type_in


def words(page: Landed) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", page.body)).split())


async def empty(broker: Broker, kind: str) -> None:
    """As if the time of what is kept under this name were over."""
    store = broker.services.store
    names = await store._wire.call("KEYS", f"{store._prefix}{kind}:*")
    assert names
    for name in names:
        await store._wire.call("DEL", name)


def flow_cookies(page: Landed) -> list[int]:
    """How long each cookie of a flow lives that came with this answer."""
    sent = [SimpleCookie(header) for header in page.headers.getall("Set-Cookie", ())]
    return [
        int(one["max-age"]) for cookie in sent for name, one in cookie.items() if name.startswith("flow-")
    ]


async def asks_to_sign_out(browser: Browser) -> Landed:
    return await browser.go(f"{browser.broker.issuer}/logout?client_id=billing")


async def stays_signed_in(browser: Browser) -> bool:
    return "code" in (await browser.authorize(prompt="none", scope="openid")).params


# ── too late ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_cookie_outlives_what_it_is_for_so_that_who_comes_too_late_hears_just_that(start) -> None:
    broker = await start(connectors={"partners": {"name": "Partners"}}, clients={"tv": TV})
    lifetimes = broker.services.config.lifetimes
    async with broker.browser() as browser:
        asked = await browser.step("GET", browser.authorize_url())
        device = await browser.step("GET", f"{broker.issuer}/device")
        away = await browser.step("GET", browser.authorize_url(connector="staff"))
    assert [lives > lifetimes.login for lives in flow_cookies(asked)] == [True]
    assert [lives > lifetimes.login for lives in flow_cookies(away)] == [True]
    assert [lives > lifetimes.device for lives in flow_cookies(device)] == [True]


async def test_who_comes_back_to_the_chooser_too_late_hears_so(start) -> None:
    broker = await start(connectors={"partners": {"name": "Partners"}})
    async with broker.browser() as browser:
        page = await browser.authorize()
        await empty(broker, "request")
        late = await browser.go(page.url)
    assert "it waited too long" in words(late)


async def test_a_sign_out_that_was_answered_too_late_says_who_is_still_signed_in(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid")
        page = await asks_to_sign_out(browser)
        await empty(broker, "logout")
        data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "sign_out"}
        late = await browser.step("POST", f"{broker.issuer}/logout/confirm", data=data)
        assert "You are still signed in here" in words(late)
        assert late.link("/account") == f"{broker.issuer}/account"
        again = await browser.go(f"{broker.issuer}/logout/confirm?flow={page.field('flow')}")
        assert "You are still signed in here" in words(again)
        assert await stays_signed_in(browser)


async def test_a_sign_out_that_was_answered_before_says_that_nobody_is_signed_in(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid")
        first, second = await asks_to_sign_out(browser), await asks_to_sign_out(browser)
        for page in (first, second):
            data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "sign_out"}
            gone = await browser.step("POST", f"{broker.issuer}/logout/confirm", data=data)
            await empty(broker, "logout") if page is first else None
            assert "You are signed out" in words(gone)


async def test_the_way_back_to_a_question_that_was_answered_is_told_so(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        await browser.answer_consent(page)
        back = await browser.go(f"{broker.issuer}/consent?flow={page.field('flow')}")
        assert back.status == 403
        assert "You may have answered it already" in words(back)
        page = await asks_to_sign_out(browser)
        data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "sign_out"}
        await browser.step("POST", f"{broker.issuer}/logout/confirm", data=data)
        back = await browser.go(f"{broker.issuer}/logout/confirm?flow={page.field('flow')}")
        assert back.status == 403
        assert "You are signed out" in words(back)


async def test_who_signed_in_on_a_page_of_ours_has_nowhere_else_to_sign_out(start) -> None:
    broker = await start(top={"connectors": {"members": POOL}})
    await person(broker)
    async with broker.browser() as browser:
        await sign_in(browser, scope="openid")
        page = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": page.field("csrf"), "sid": page.field("sid")}
        out = await browser.step("POST", f"{broker.issuer}/account/sign-out", data=data)
    assert "You are signed out" in words(out)
    assert "sign out there too" not in words(out)
    assert "Apps that you have open stay open" in words(out)


# ── meanwhile ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/withdraw", "/end", "/sign-out-everywhere", "/forget"])
async def test_who_was_signed_out_meanwhile_is_told_so_and_led_to_sign_in(broker: Broker, path: str) -> None:
    async with broker.browser() as browser:
        page = await browser.go(f"{broker.issuer}/account")
        browser.session.cookie_jar.clear(lambda cookie: cookie.key == "session")
        data = {"csrf": page.field("csrf"), "client_id": "billing"}
        answer = await browser.step("POST", f"{broker.issuer}/account{path}", data=data)
    assert answer.status == 403
    assert "You are no longer signed in here" in words(answer)
    assert re.search(r'href="/account">Sign in</a>', answer.body)


async def test_who_signed_out_meanwhile_is_not_told_that_a_page_was_not_ours(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        browser.session.cookie_jar.clear(lambda cookie: cookie.key == "session")
        answer = await browser.answer_consent(page)
    assert answer.status == 403
    assert "the sign-in in this browser has ended or changed" in words(answer)


async def test_what_the_first_of_two_clicks_took_back_is_told_by_the_second_too(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        page = await browser.go(f"{broker.issuer}/account")
        csrf = {"csrf": page.field("csrf")}
        for _ in range(2):
            data = csrf | {"client_id": "billing"}
            gone = await browser.step("POST", f"{broker.issuer}/account/withdraw", data=data)
            assert "Billing no longer has access." in words(gone)
        nothing = await browser.step(
            "POST", f"{broker.issuer}/account/withdraw", data=csrf | {"client_id": "nobody"}
        )
        assert "no longer has access" not in words(nothing)


# ── with something still to do ────────────────────────────────────────────────────────────────────


async def test_a_wrong_password_leaves_the_other_languages_where_they_were(start) -> None:
    broker = await start(top={"connectors": {"members": POOL}})
    await person(broker)
    async with broker.browser() as browser:
        page = await browser.authorize()
        wrong = await type_in(browser, page, username="ada", password="not this")
        assert "You are not signed in yet" in words(wrong)
        german = await browser.go(wrong.link("/language?to=de&"))
    assert german.status == 200
    assert "Anmelden bei Billing" in words(german)


async def test_a_wrong_code_of_a_device_leaves_the_other_languages_where_they_were(start) -> None:
    broker = await start(clients={"tv": TV})
    async with broker.browser() as browser:
        page = await browser.go(f"{broker.issuer}/device")
        data = {"csrf": page.field("csrf"), "user_code": "BBBB-BBBB"}
        wrong = await browser.step("POST", f"{broker.issuer}/device", data=data)
        assert "The device is not connected yet" in words(wrong)
        spanish = await browser.go(wrong.link("/language?to=es&"))
    assert "Conectar un dispositivo" in words(spanish)


async def test_a_code_by_a_link_stays_one_by_a_link_when_there_were_too_many(start) -> None:
    broker = await start(clients={"tv": TV})
    async with broker.browser() as browser:
        page = await browser.go(f"{broker.issuer}/device?user_code=BBBB-BBBB")
        data = {"csrf": page.field("csrf"), "user_code": "BBBB-BBBB"}
        for _ in range(11):
            wrong = await browser.step("POST", f"{broker.issuer}/device/link", data=data)
    assert wrong.status == 429
    assert 'action="/device/link"' in wrong.body


async def test_what_the_browser_remembered_is_forgotten_and_said_to_be(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": page.field("csrf")}
        answer = await browser.step("POST", f"{broker.issuer}/account/forget", data=data)
    assert "This browser no longer remembers how you signed in." in words(answer)
