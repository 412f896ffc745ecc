"""The account page: where somebody is signed in, what they allowed, and how each of it ends."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from broker.protocol.receipts import SCHEMA, version
from tests.flow.broker import Broker, Browser, Landed, claims
from tests.flow.conftest import Start

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
IPHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
}


async def account(browser: Browser) -> Landed:
    return await browser.go(f"{browser.broker.issuer}/account")


def words(page: Landed) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.body)).split())


def sids(page: Landed) -> list[str]:
    return re.findall(r'name="sid" value="([^"]*)"', page.body)


async def post(browser: Browser, page: Landed, path: str, **fields: str) -> Landed:
    data = {"csrf": page.field("csrf"), **fields}
    return await browser.step("POST", f"{browser.broker.issuer}/account{path}", data=data)


async def is_signed_in(browser: Browser) -> bool:
    return "code" in (await browser.authorize(prompt="none", scope="openid")).params


async def test_each_browser_is_shown_with_its_device_its_way_and_since_when(broker: Broker) -> None:
    async with broker.browser() as here, broker.browser() as phone:
        here.session.headers.update(FIREFOX)
        phone.session.headers.update(IPHONE)
        await phone.login(scope="openid")
        broker.clock.forward(3 * 60)
        page = await account(here)
    said = words(page)
    assert page.status == 200
    assert "Firefox on Linux With Staff login · signed in just now · last used just now This device" in said
    assert "Safari on iPhone With Staff login · signed in 3 minutes ago" in said
    assert said.index("Firefox on Linux") < said.index("Safari on iPhone")
    assert len(sids(page)) == 2


async def test_when_a_session_was_used_last_is_told_by_what_is_left_of_its_idle_time(broker: Broker) -> None:
    async with broker.browser() as here, broker.browser() as there:
        await there.login(scope="openid")
        store = broker.services.store
        (key,) = await store._wire.call("KEYS", f"{store._prefix}session:*")
        await store._wire.call("PEXPIRE", key, 57 * 60 * 1000)  # of the hour that it has
        broker.clock.forward(4 * 60 + 5)
        page = await account(here)
    assert "signed in 4 minutes ago · last used 3 minutes ago" in words(page)


async def test_another_browser_is_signed_out_at_once_and_this_one_stays(broker: Broker) -> None:
    async with broker.browser() as here, broker.browser() as there:
        landed = await there.login()
        _, tokens = await there.token(landed.code)
        page = await account(here)
        other = next(sid for sid in sids(page) if sid != sids(page)[0])
        page = await post(here, page, "/end", sid=other)
        assert "That device is signed out." in page.body
        assert len(sids(page)) == 1
        assert not await is_signed_in(there)
        assert await is_signed_in(here)
        assert (await there.userinfo(tokens["access_token"]))[0] == 401
    assert broker.events("sign_out")[-1]["reason"] == "signed_out_elsewhere"


@pytest.mark.row("CS-17")
async def test_nobody_ends_a_strangers_session_though_apps_know_its_sid(broker: Broker) -> None:
    async with broker.browser() as mine, broker.browser() as theirs:
        landed = await theirs.login()
        _, tokens = await theirs.token(landed.code)
        stranger = claims(tokens["id_token"])["sid"]
        broker.idp.person("bob", name="Bob Example", email="bob@people.example", email_verified=True)
        page = await account(mine)
        assert "bob@people.example" in page.body
        assert stranger not in page.body
        for sid in (stranger, "x" * 22, ""):
            answer = await post(mine, page, "/end", sid=sid)
            assert answer.status == 200
            assert "That device is signed out." not in answer.body
        assert await is_signed_in(theirs)
        assert await is_signed_in(mine)


async def test_signing_out_everywhere_ends_every_session_and_keeps_what_apps_may_do_alone(
    broker: Broker,
) -> None:
    async with broker.browser() as here, broker.browser() as one, broker.browser() as two:
        landed = await one.login(scope="openid profile offline_access")
        _, away = await one.token(landed.code)
        _, tokens = await two.token((await two.login(scope="openid profile")).code)
        page = await account(here)
        assert len(sids(page)) == 3
        page = await post(here, page, "/sign-out-everywhere")
        assert "You are signed out everywhere" in page.body
        for browser in (here, one, two):
            assert not await is_signed_in(browser)
        assert (await two.userinfo(tokens["access_token"]))[0] == 401
        assert (await one.refresh(away["refresh_token"]))[0] == 200


async def test_the_own_session_in_the_list_is_a_sign_out(broker: Broker) -> None:
    async with broker.browser() as here:
        page = await account(here)
        (sid,) = sids(page)
        page = await post(here, page, "/end", sid=sid)
        assert "You are signed out" in page.body
        assert not await is_signed_in(here)


@pytest.mark.row("CS-01")
@pytest.mark.row("CS-02")
@pytest.mark.parametrize("path", ["/end", "/sign-out", "/sign-out-everywhere", "/withdraw", "/forget"])
async def test_only_a_form_of_our_own_page_changes_anything(broker: Broker, path: str) -> None:
    async with broker.browser() as here:
        page = await account(here)
        url = f"{broker.issuer}/account{path}"
        fields = {"csrf": page.field("csrf"), "sid": sids(page)[0], "client_id": "billing"}
        for data, headers in (
            (fields | {"csrf": "x" * 43}, {}),
            ({"sid": sids(page)[0]}, {}),
            (fields, {"Origin": "https://evil.example"}),
            (fields, {"Sec-Fetch-Site": "cross-site"}),
        ):
            assert (await here.step("POST", url, data=data, headers=headers)).status == 403
        assert (await here.step("GET", url)).status in (404, 405)
        assert await is_signed_in(here)


async def test_a_receipt_says_who_allowed_whom_what_when_and_in_which_words(broker: Broker) -> None:
    async with broker.browser() as browser:
        browser.session.headers["Accept-Language"] = "de"
        page = await browser.authorize(scope="openid profile email groups")
        await browser.answer_consent(page, scopes=["email", "groups"])
        page = await account(browser)
        answer = await browser.step("GET", page.link("/account/receipt?"))
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="receipt.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    receipt = json.loads(answer.body)
    assert receipt["schema"] == SCHEMA
    assert receipt["controller"] == {"issuer": broker.issuer}
    assert receipt["principal"]["name"] == "ada@people.example"
    assert receipt["recipient"] == {"client_id": "billing", "name": "Billing", "registered_itself": False}
    assert receipt["given_at"] <= receipt["issued_at"] < receipt["valid_until"]
    said = {purpose["scope"]: purpose for purpose in receipt["purposes"]}
    assert {name: purpose["allowed"] for name, purpose in said.items()} == {
        "email": True,
        "groups": True,
        "profile": False,
    }
    # As it was read, not as the configuration says it; and what nobody translated was read as it is.
    assert said["email"]["words"] == "Ihre E-Mail-Adresse sehen"
    assert said["groups"]["words"] == "See your groups"
    assert {purpose["words_language"] for purpose in said.values()} == {"de"}
    assert said["email"]["words_version"] == version("Ihre E-Mail-Adresse sehen")
    assert said["email"]["answered_at"] == receipt["given_at"]


async def test_all_receipts_come_in_one_file_and_a_withdrawn_one_is_gone(broker: Broker) -> None:
    spa = {"client_id": "spa", "redirect_uri": "https://spa.example/"}
    async with broker.browser() as browser:
        await browser.login()
        await browser.login(**spa)
        page = await account(browser)
        every = json.loads((await browser.step("GET", page.link("/account/receipts"))).body)
        assert {receipt["recipient"]["client_id"] for receipt in every["receipts"]} == {"billing", "spa"}
        page = await post(browser, page, "/withdraw", client_id="billing")
        assert "Billing" in page.body
        url = f"{broker.issuer}/account/receipt?client_id=billing"
        assert (await browser.step("GET", url)).status == 404
    async with broker.browser() as stranger:
        assert (await stranger.step("GET", url)).status == 403
        assert (await stranger.step("GET", f"{broker.issuer}/account/receipts")).status == 403


async def test_an_answer_added_later_keeps_the_words_of_the_earlier_one(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid profile")
        browser.session.headers["Accept-Language"] = "fr"
        broker.clock.forward(60)
        await browser.login(scope="openid profile email")
        answer = await browser.step("GET", f"{broker.issuer}/account/receipt?client_id=billing")
    said = {purpose["scope"]: purpose for purpose in json.loads(answer.body)["purposes"]}
    assert said["profile"]["words"] == "See your name and profile picture"
    assert said["email"]["words"] == "Voir votre adresse e-mail"
    assert said["profile"]["answered_at"] < said["email"]["answered_at"]


@pytest.mark.row("UI-23")
async def test_one_address_at_two_upstreams_is_two_people_and_nothing_links_them(start: Start) -> None:
    broker = await start(connectors={"partners": {"name": "Partners"}})
    async with broker.browser() as one, broker.browser() as other:
        _, staff = await one.token((await one.login(connector="staff")).code)
        _, partner = await other.token((await other.login(connector="partners")).code)
        assert claims(staff["id_token"])["sub"] != claims(partner["id_token"])["sub"]
        assert (await one.userinfo(staff["access_token"]))[1]["email"] == "ada@people.example"
        assert (await other.userinfo(partner["access_token"]))[1]["email"] == "ada@people.example"
        mine, theirs = await account(one), await account(other)
        assert len(sids(mine)) == len(sids(theirs)) == 1
        assert sids(mine) != sids(theirs)
        await post(other, theirs, "/sign-out-everywhere")
        assert await is_signed_in(one)
        assert not await is_signed_in(other)


async def test_the_pages_wear_the_theme_of_the_app_and_say_the_operators_words(start: Start) -> None:
    broker = await start(
        connectors={"partners": {"name": {"en": "Partners", "de": "Partnerfirmen"}}},
        client={"theme": {"name": "The Outlet", "accent": "#ffd400"}, "client_name": {"fr": "Factures"}},
        top={"theme": {"name": "Acme", "accent": "#0b6e4f", "links": {"help": "https://help.example/"}}},
    )
    async with broker.browser() as browser:
        browser.session.headers["Accept-Language"] = "de"
        chooser = await browser.authorize()
        assert "The Outlet" in chooser.body
        assert "Partnerfirmen" in chooser.body
        assert 'href="https://help.example/"' in chooser.body
        consent = await browser.go(chooser.link("connector=staff"))
        for page in (chooser, consent):
            sheets = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page.body)
            styles = [(await browser.step("GET", broker.issuer + path)).body for path in sheets]
            assert "--accent:" in styles[-1]
            assert "theme." in sheets[-1]
            assert page.headers["Content-Security-Policy"].startswith(
                "default-src 'none'; style-src 'self'; "
            )
        page = await account(browser)
        assert "Acme" in page.body
        assert "The Outlet" not in page.body
