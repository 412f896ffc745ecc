"""Which way of signing in a person comes to: by their address, by what they choose, by what is remembered."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.flow.broker import CALLBACK, SECRET, Broker, Browser, Landed, leaving, query

ACME = {"name": "Acme", "domains": ["acme.example", "*.acme.example"]}
BYTES = {"name": "Bytes & Sons", "domains": ["bytes.example"]}
SHARED = {"name": "Acme research", "domains": ["lab.acme.example"]}
CONNECTORS = {"acme": ACME, "bytes": BYTES, "lab": SHARED}


def many(count: int) -> dict[str, Any]:
    return {
        f"c{n}": {"name": f"Company {n}", "domains": [f"c{n}.example"]} for n in range(count)
    } | CONNECTORS


async def at_once(browser: Browser, **asked: str | None) -> str:
    """The connector that a request is sent to without a page; empty where there is one."""
    landed = await browser.step("GET", browser.authorize_url(**asked))
    if not landed.url.startswith(browser.broker.idp.issuer):
        return ""
    return urlsplit(query(landed.url)["redirect_uri"][0]).path.removeprefix("/callback/")


def offered(page: Landed) -> list[str]:
    return re.findall(r"connector=([a-z0-9]+)", page.body)


async def typed(browser: Browser, page: Landed, text: str) -> Landed:
    """Send the chooser's form."""
    assert '<form class="search"' in page.body
    asked = urlencode({"flow": page.field("flow"), "q": text})
    return await browser.step("GET", f"{browser.broker.issuer}/continue?{asked}")


async def forgotten(browser: Browser, page: Landed, path: str, **headers: str) -> Landed:
    form = {"csrf": page.field("csrf")} | ({"flow": page.field("flow")} if "/continue" in path else {})
    return await browser.step("POST", browser.broker.issuer + path, data=form, headers=headers)


# ── by e-mail domain ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hint", "goes_to"),
    [
        ("ada@acme.example", "acme"),
        ("Ada@ACME.example", "acme"),
        ("ada@eu.acme.example", "acme"),
        ("ada@lab.acme.example", "lab"),
        ("bob@bytes.example", "bytes"),
        ("ada@sub.bytes.example", ""),
        ("ada@elsewhere.example", ""),
        ("ada", ""),
        (None, ""),
    ],
)
async def test_an_address_goes_at_once_to_the_connector_of_its_domain(start, hint, goes_to):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint=hint) == goes_to


@pytest.mark.row("UI-08")
@pytest.mark.parametrize(
    "hint",
    ["a@evil.example@acme.example", '"a@acme.example"@evil.example', "a@acme.example.evil.example",
     "a@\uff41cme.example", "a\uff20acme.example", "a@acm\u0435.example", "a@acme.example.",
     "a%40acme.example"],
)  # fmt: skip
async def test_an_address_that_only_looks_like_one_of_a_domain_leads_nowhere_by_itself(start, hint):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint=hint) == ""
        page = await browser.authorize(login_hint=hint)
        assert offered(page) == ["staff", "acme", "bytes", "lab"]


async def test_a_domain_of_several_connectors_narrows_the_chooser_and_all_are_one_link_away(start):
    broker = await start(
        connectors=CONNECTORS | {"twin": {"name": "Acme (new)", "domains": ["acme.example"]}}
    )
    async with broker.browser() as browser:
        page = await browser.authorize(login_hint="ada@acme.example")
        assert offered(page) == ["acme", "twin"]
        everything = await browser.go(page.link("show=all"))
        assert offered(everything) == ["staff", "acme", "bytes", "lab", "twin"]
        assert "code" in (await browser.answer_consent(await browser.go(page.link("connector=twin")))).params


async def test_an_app_is_only_sent_to_a_connector_that_it_allows(start):
    broker = await start(connectors=CONNECTORS, client={"connectors": ["staff", "acme", "bytes"]})
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint="ada@lab.acme.example") == "acme"  # the nearest it allows
    broker = await start(connectors=CONNECTORS, client={"connectors": ["staff", "bytes"]})
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint="ada@acme.example") == ""
        assert offered(await browser.authorize(login_hint="ada@acme.example")) == ["staff", "bytes"]


async def test_a_connector_that_is_out_of_service_has_no_domain(start):
    broker = await start(connectors=CONNECTORS | {"acme": ACME | {"enabled": False}})
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint="ada@acme.example") == ""


@pytest.mark.parametrize(("rule", "seen"), [("choose", ["acme"]), ("off", ["staff", "acme", "bytes", "lab"])])
async def test_the_operator_decides_what_an_address_does(start, rule, seen):
    broker = await start(connectors=CONNECTORS, top={"routing": {"email_domains": rule}})
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint="ada@acme.example") == ""
        assert offered(await browser.authorize(login_hint="ada@acme.example")) == seen


async def test_who_wants_to_choose_is_shown_the_chooser_whatever_the_address(start):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        assert await at_once(browser, login_hint="ada@acme.example", prompt="select_account") == ""


async def test_prompt_none_is_never_routed(start):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        landed = await browser.authorize(login_hint="ada@acme.example", prompt="none")
        assert landed.params["error"] == "login_required"


@pytest.mark.parametrize(
    ("hint", "goes_on"),
    [("ada@acme.example", True), ("ada@eu.acme.example", True), ("ada@bytes.example", False), ("ada", False),
     ("a@acme.example@acme.example", False)],
)  # fmt: skip
@pytest.mark.proves("oidc", "login_hint only for the e-mail domains it is authoritative for")
async def test_a_login_hint_may_be_kept_to_the_domains_of_the_upstream(start, hint, goes_on):
    broker = await start(connectors={"acme": ACME | {"pass_through": {"login_hint": "domains"}}})
    async with broker.browser() as browser:
        await browser.step("GET", browser.authorize_url(connector="acme", login_hint=hint))
        landed = await browser.step("GET", browser.authorize_url(connector="acme", login_hint=hint))
        assert query(landed.url).get("login_hint") == ([hint] if goes_on else None)


# ── the chooser's field ───────────────────────────────────────────────────────────────────────


async def test_with_few_ways_there_is_no_field_and_with_nine_there_is(start):
    broker = await start(connectors=many(4))
    async with broker.browser() as browser:
        assert '<form class="search"' not in (await browser.authorize()).body
    broker = await start(connectors=many(5))
    async with broker.browser() as browser:
        assert '<form class="search"' in (await browser.authorize()).body


async def test_of_many_ways_some_are_shown_and_the_rest_are_found_by_name(start):
    broker = await start(connectors=many(40))
    async with broker.browser() as browser:
        page = await browser.authorize()
        assert len(offered(page)) == 10
        assert "Type to find yours" in page.body
        found = await typed(browser, page, "COMPANY 3")
        assert offered(found)[0] == "c3"
        assert set(offered(found)) <= {"c3"} | {f"c{n}" for n in range(13, 40)}
        assert 'value="COMPANY 3"' in found.body
        assert offered(await typed(browser, page, "sons bytes")) == ["bytes"]
        nothing = await typed(browser, page, "zebra")
        assert offered(nothing) == []
        assert "Nothing was found" in nothing.body
        assert len(offered(await browser.go(nothing.link("show=all")))) == 10


async def test_a_whole_name_goes_on_by_a_page_since_a_form_may_not_be_redirected_away(start):
    broker = await start(connectors=many(20))
    async with broker.browser() as browser:
        page = await browser.authorize()
        on = await typed(browser, page, "bytes & SONS")
        assert on.status == 200
        assert "Taking you to" in on.body
        way = leaving(on).url
        assert urlsplit(way).path == "/continue"
        assert query(way)["connector"] == ["bytes"]
        assert "login_hint" not in query(way)
        landed = await browser.go(broker.issuer + way)
        assert "code" in (await browser.answer_consent(landed)).params


async def test_an_address_typed_on_the_chooser_goes_on_and_is_the_hint_where_hints_are_passed(start):
    connectors = many(20) | {"acme": ACME | {"pass_through": {"login_hint": "domains"}}}
    broker = await start(connectors=connectors)
    async with broker.browser() as browser:
        page = await browser.authorize(login_hint="somebody-else")
        on = await typed(browser, page, " ada@acme.example ")
        departed = await browser.step("GET", broker.issuer + leaving(on).url)
        assert query(departed.url)["login_hint"] == ["ada@acme.example"]


async def test_an_address_of_an_unknown_domain_finds_nothing(start):
    broker = await start(connectors=many(20))
    async with broker.browser() as browser:
        page = await browser.authorize()
        assert "Nothing was found" in (await typed(browser, page, "ada@elsewhere.example")).body


@pytest.mark.row("AZ-27")
async def test_a_way_that_the_app_does_not_allow_is_neither_found_nor_taken(start):
    allowed = [f"c{n}" for n in range(12)]
    broker = await start(connectors=many(20), client={"connectors": allowed})
    async with broker.browser() as browser:
        page = await browser.authorize()
        assert offered(await typed(browser, page, "bytes")) == []
        assert offered(await typed(browser, page, "ada@acme.example")) == []
        picked = await browser.go(page.link("connector=c1").replace("connector=c1", "connector=bytes"))
        assert picked.params["error"] == "access_denied"


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "%(app)s {{7*7}}", "\x00", "a" * 5000, "@", "+%26"]
)
async def test_whatever_is_typed_is_only_a_name_that_nothing_has(start, text):
    broker = await start(connectors=many(12))
    async with broker.browser() as browser:
        found = await typed(browser, await browser.authorize(), text)
        assert found.status == 200
        assert "<script>alert" not in found.body


# ── what a browser remembers ──────────────────────────────────────────────────────────────────


async def sign_in_at(browser: Browser, connector: str) -> None:
    await browser.login(connector=connector)
    browser.session.cookie_jar.clear(lambda cookie: cookie.key == "session")


async def test_the_way_used_last_comes_first_and_marked_and_can_be_forgotten(start):
    broker = await start(connectors=many(30))
    async with broker.browser() as browser:
        await sign_in_at(browser, "lab")
        page = await browser.authorize()
        assert offered(page)[0] == "lab"
        assert len(offered(page)) == 10
        assert page.body.count("Last used") == 1
        back = await forgotten(browser, page, "/continue/forget")
        assert back.status == 303
        assert "last" not in browser.cookies()
        again = await browser.go(broker.issuer + back.url)
        assert offered(again)[0] == "staff"
        assert "Last used" not in again.body
        assert "/continue/forget" not in again.body


@pytest.mark.row("CS-02")
async def test_only_our_own_page_makes_a_browser_forget(start):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        await sign_in_at(browser, "lab")
        page = await browser.authorize()
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await forgotten(browser, page, "/continue/forget", **headers)).status == 403
        url = f"{broker.issuer}/continue/forget"
        for form in ({"flow": page.field("flow")}, {"csrf": page.field("csrf")}, {"csrf": "x", "flow": "y"}):
            assert (await browser.step("POST", url, data=form)).status == 403
        assert browser.cookies()["last"] == "lab"


async def test_the_operator_may_send_a_browser_straight_to_where_it_was_last(start):
    broker = await start(connectors=CONNECTORS, top={"routing": {"remembered": "straight"}})
    async with broker.browser() as browser:
        assert await at_once(browser) == ""
        await sign_in_at(browser, "lab")
        assert await at_once(browser) == "lab"
        assert await at_once(browser, login_hint="bob@bytes.example") == "bytes"
        assert await at_once(browser, prompt="select_account") == ""
        page = await browser.authorize(prompt="select_account")
        back = await forgotten(browser, page, "/continue/forget")
        assert len(offered(await browser.go(broker.issuer + back.url))) == 4
        assert await at_once(browser) == ""


async def test_without_that_nobody_is_sent_anywhere_by_a_cookie(start):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        await sign_in_at(browser, "lab")
        assert await at_once(browser) == ""


@pytest.mark.parametrize("cookie", ["gone", "acme", "", "../staff", "a" * 4000])
async def test_a_remembered_way_that_this_app_does_not_allow_is_not_used(start, cookie):
    broker = await start(
        connectors=CONNECTORS,
        client={"connectors": ["staff", "bytes"]},
        top={"routing": {"remembered": "straight"}},
    )
    async with broker.browser() as browser:
        landed = await browser.step("GET", browser.authorize_url(), headers={"Cookie": f"last={cookie}"})
        assert landed.url.startswith("/continue")


async def test_the_account_page_says_what_is_remembered_and_forgets_it(start):
    broker = await start(connectors=CONNECTORS)
    async with broker.browser() as browser:
        await browser.login(connector="lab")
        page = await browser.go(f"{broker.issuer}/account")
        remembers = "It remembers that you signed in with <bdi>Acme research</bdi>"
        assert remembers in page.body
        after = await forgotten(browser, page, "/account/forget")
        assert after.status == 200
        assert remembers not in after.body
        assert "last" not in browser.cookies()
        assert (await browser.step("POST", f"{broker.issuer}/account/forget", data={})).status == 403


# ── looked up, never scanned ──────────────────────────────────────────────────────────────────


class Counted(dict):
    """A mapping that counts who goes through it."""

    walks = 0

    def __iter__(self):
        self.walks += 1
        return super().__iter__()

    def items(self):
        self.walks += 1
        return super().items()

    def values(self):
        self.walks += 1
        return super().values()


async def test_no_login_goes_through_all_connectors_or_clients(start, monkeypatch):
    broker = await start(
        connectors=many(50), clients={f"app{n}": {"client_secret": SECRET} for n in range(20)}
    )
    services = broker.services
    walks = []
    routes = type(services.config.routing.routes.all)

    def counted(self):
        walks.append(len(self))
        return iter(self._order)

    monkeypatch.setattr(routes, "__iter__", counted)
    connectors = Counted(services.config.connectors)
    monkeypatch.setattr(services.upstreams, "_config", replace(services.config, connectors=connectors))
    async with broker.browser() as browser:
        landed = await browser.login(login_hint="ada@acme.example", redirect_uri=CALLBACK)
        status, _ = await browser.token(landed.code)
        assert status == 200
        landed = await browser.login(prompt="login")
        assert "code" in landed.params
    assert walks == []
    assert connectors.walks == 0
    assert len(services.upstreams._found) == 1, "only what was used was made"


# ── what a stranger can cost ──────────────────────────────────────────────────────────────────


async def stored(broker: Broker) -> dict[bytes, tuple[int, int]]:
    """Each key with its bytes and the milliseconds it has."""
    store = broker.services.store
    call = store._wire.call
    keys = await call("KEYS", f"{store._prefix}*")
    return {key: (await call("MEMORY", "USAGE", key), await call("PTTL", key)) for key in keys}


@pytest.mark.row("DS-01")
async def test_a_login_that_nobody_finishes_costs_two_kilobytes_for_ten_minutes(start):
    broker = await start(connectors=many(30))
    async with broker.browser() as browser:
        before = await stored(broker)
        await browser.step("GET", browser.authorize_url(login_hint="a" * 300))  # it waits for a choice
        await browser.step("GET", browser.authorize_url(connector="c1"))  # and one on its way
        new = {key: value for key, value in (await stored(broker)).items() if key not in before}
    assert len(new) == 2
    assert all(size <= 2048 and 0 < ttl <= 600_000 for size, ttl in new.values()), new


@pytest.mark.row("DS-02")
async def test_to_look_at_the_chooser_and_to_search_it_stores_nothing(start):
    broker = await start(connectors=many(30))
    async with broker.browser() as browser:
        page = await browser.authorize()
        before = set(await stored(broker))
        for text in ("company", "ada@c3.example", "zebra", "company 3"):
            await typed(browser, page, text)
            await browser.go(page.url)
        assert set(await stored(broker)) == before
