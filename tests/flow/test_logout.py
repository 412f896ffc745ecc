"""A client app signs a person out: what proves the wish, what is asked, where the browser goes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.flow.broker import Broker, Browser, Landed, claims, leaving
from tests.flow.registering import OPEN, STRANGER, redeem, register, sign_in

BACK = "https://billing.example/bye?keep=1"
CLIENT: dict[str, Any] = {"post_logout_redirect_uris": [BACK, "https://billing.example/"]}


@pytest.fixture
async def shop(start) -> Broker:
    """The broker, with apps that have places to land at."""
    return await start(
        client=CLIENT,
        trusted={"post_logout_redirect_uris": ["https://trusted.example/bye"]},
    )


async def signed_in(browser: Browser, **changes: str) -> dict[str, Any]:
    """The tokens of a login."""
    landed = await browser.login(**changes)
    status, tokens = await browser.token(landed.code)
    assert status == 200
    return tokens


async def log_out(browser: Browser, method: str = "GET", **asked: str) -> Landed:
    """Ask for a sign-out, and follow until a page or another site."""
    url = f"{browser.broker.issuer}/logout"
    if method == "GET":
        return await browser.go(f"{url}?{urlencode(asked)}")
    landed = await browser.step("POST", url, data=asked)
    assert landed.status == 303
    return await browser.go(browser.broker.issuer + landed.url)


async def decide(browser: Browser, page: Landed, answer: str = "sign_out") -> Landed:
    data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": answer}
    return leaving(await browser.step("POST", f"{browser.broker.issuer}/logout/confirm", data=data))


async def is_signed_in(browser: Browser) -> bool:
    return "code" in (await browser.authorize(prompt="none")).params


def asks(page: Landed) -> bool:
    return page.status == 200 and 'value="sign_out"' in page.body


@pytest.mark.row("LO-10")
@pytest.mark.standard("OpenID RP-Initiated Logout", "§2 and §3 a good hint ends the session, and leads back")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_good_hint_ends_the_session_and_leads_back_with_state_alone(
    shop: Broker, method: str
) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(
            browser,
            method,
            id_token_hint=tokens["id_token"],
            post_logout_redirect_uri=BACK,
            state="a b&c",
            unknown="x",
        )
        assert landed.status == 303
        assert landed.url.startswith(BACK + "&")
        assert parse_qsl(urlsplit(landed.url).query) == [("keep", "1"), ("state", "a b&c")]
        assert "session" not in browser.cookies()
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        _, told = await browser.post("/introspect", {"token": tokens["access_token"]})
        assert told == {"active": False}


@pytest.mark.row("SE-02")
async def test_the_old_cookie_opens_nothing_after_it(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        old = browser.cookies()["session"]
        await log_out(browser, id_token_hint=tokens["id_token"])
        url = browser.authorize_url(prompt="none")
        landed = await browser.step("GET", url, headers={"Cookie": f"session={old}"})
        assert "error=login_required" in landed.url


async def test_an_expired_hint_is_a_hint(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        shop.clock.forward(3000)
        landed = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
        assert landed.url == BACK


@pytest.mark.standard("OpenID RP-Initiated Logout", "§2 client_id without a hint: asked, then led back")
async def test_without_a_hint_the_person_is_asked_and_then_led_back(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        page = await log_out(browser, client_id="billing", post_logout_redirect_uri=BACK, state="s")
        assert asks(page)
        assert "Billing" in page.body
        assert "ada@people.example" in page.body
        assert await is_signed_in(browser)
        landed = await decide(browser, page)
        assert landed.url == f"{BACK}&state=s"
        assert landed.status == 200  # a page that leads on: browsers hold form-action against redirects
        assert not await is_signed_in(browser)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401


async def test_the_page_that_leads_back_to_an_app_wears_the_apps_theme(start) -> None:
    broker = await start(client=CLIENT | {"theme": {"name": "The Outlet", "accent": "#ffd400"}})
    async with broker.browser() as browser:
        await signed_in(browser)
        question = await log_out(browser, client_id="billing", post_logout_redirect_uri=BACK)
        landed = await decide(browser, question)
    assert landed.url == BACK
    assert "The Outlet" in question.body
    assert "The Outlet" in landed.body


async def test_who_stays_stays_and_is_told_so(shop: Broker) -> None:
    async with shop.browser() as browser:
        await signed_in(browser)
        page = await decide(browser, await log_out(browser, client_id="billing"), "stay")
        assert "You are still signed in here" in page.body
        assert page.link("/account")
        assert await is_signed_in(browser)


NEAR_MISSES = [
    "https://billing.example/bye",
    "https://billing.example/bye?keep=1&",
    "https://billing.example/bye?keep=1#x",
    "https://billing.example/bye?keep=2",
    "https://billing.example/bye/?keep=1",
    "https://BILLING.example/bye?keep=1",
    "http://billing.example/bye?keep=1",
    "https://billing.example:443/bye?keep=1",
    "https://billing.example.evil.example/bye?keep=1",
    "https://evil.example@billing.example/bye?keep=1",
    "https://trusted.example/bye",
    "https://billing.example/callback",
    "//billing.example/bye?keep=1",
    "javascript:alert(1)",
    "https://billing.example/bye?keep=1\r\nSet-Cookie: a=b",
]


@pytest.mark.row("LO-01")
@pytest.mark.standard("OpenID RP-Initiated Logout", "§3 never to an address that is not registered")
@pytest.mark.parametrize("uri", NEAR_MISSES)
async def test_nobody_is_led_to_an_address_that_is_not_registered(shop: Broker, uri: str) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        page = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri)
        assert asks(page)  # not as the app was set up: whether it is the person's wish is for them to say
        assert await is_signed_in(browser)
        gone = await decide(browser, page)
        for shown in (page, gone):
            assert (shown.status, "Location" in shown.headers) == (200, False)
            assert "evil" not in shown.body
            assert leaving(shown) == shown
        assert "You are signed out" in gone.body
        assert not await is_signed_in(browser)


@pytest.mark.row("LO-01")
@pytest.mark.parametrize(
    "asked",
    [{}, {"client_id": "nobody"}, {"client_id": "trusted"}, {"state": "x"}, {"id_token_hint": "x"}],
)
async def test_without_hint_or_client_nobody_is_led_anywhere(shop: Broker, asked: dict[str, str]) -> None:
    async with shop.browser() as browser:
        for _ in range(2):  # signed in, and not
            page = await log_out(browser, post_logout_redirect_uri=BACK, **asked)
            page = await decide(browser, page) if asks(page) else page
            assert (page.status, "Location" in page.headers) == (200, False)
            assert "billing.example" not in page.body
            await signed_in(browser)


@pytest.mark.row("LO-02")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_is_ended_by_a_request_that_proves_nothing(shop: Broker, method: str) -> None:
    async with shop.browser() as browser:
        await signed_in(browser)
        assert asks(await log_out(browser, method, client_id="billing", post_logout_redirect_uri=BACK))
        assert await is_signed_in(browser)


@pytest.mark.row("LO-02")
async def test_an_answer_that_was_on_no_page_of_ours_ends_nothing(shop: Broker) -> None:
    url = f"{shop.issuer}/logout/confirm"
    async with shop.browser() as browser, shop.browser() as evil:
        await signed_in(browser)
        page = await log_out(browser, client_id="billing")
        theirs = await log_out(evil, client_id="billing")
        assert not asks(theirs)  # nobody is signed in there
        good = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "sign_out"}
        forms: list[tuple[dict[str, str], dict[str, str]]] = [
            (good | {"csrf": "x"}, {}),
            ({"flow": good["flow"], "answer": "sign_out"}, {}),
            (good, {"Origin": "https://evil.example"}),
            (good, {"Sec-Fetch-Site": "cross-site"}),
        ]
        for form, headers in forms:
            assert (await browser.step("POST", url, data=form, headers=headers)).status == 403
        assert (await evil.step("POST", url, data=good)).status == 403
        assert await is_signed_in(browser)
        assert "You are signed out" in (await decide(browser, page)).body
        assert (await browser.step("POST", url, data=good)).status == 403  # its cookie is gone too


def forged(token: str) -> str:
    head, payload, signature = token.split(".")
    return ".".join((head, payload, signature[::-1]))


def unsigned(token: str) -> str:
    return f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{token.split('.')[1]}."


@pytest.mark.row("LO-03")
@pytest.mark.standard("OpenID RP-Initiated Logout", "§2 a hint that is no good is as good as none")
@pytest.mark.parametrize("spoil", [forged, unsigned, lambda token: "a.b.c", lambda token: token[:-1] + "A"])
async def test_a_forged_hint_is_no_hint_and_takes_the_redirect_along(shop: Broker, spoil: Any) -> None:
    async with shop.browser() as browser:
        token = (await signed_in(browser))["id_token"]
        bad = spoil(token)
        if bad == token:  # the last character already was that one, as far as its bits count
            bad = forged(token)
        asked = {"id_token_hint": bad, "client_id": "billing", "post_logout_redirect_uri": BACK}
        page = await log_out(browser, **asked)
        assert asks(page)
        assert await is_signed_in(browser)
        landed = await decide(browser, page)
        assert "You are signed out" in landed.body
        assert leaving(landed) == landed


@pytest.mark.row("LO-03")
async def test_a_hint_of_another_app_person_or_session_proves_nothing(shop: Broker, idp) -> None:
    async with shop.browser() as browser, shop.browser() as another:
        tokens = await signed_in(browser)
        # Another app's name beside it.
        page = await log_out(browser, id_token_hint=tokens["id_token"], client_id="trusted")
        assert asks(page)
        # An access token of ours is no ID Token.
        assert asks(await log_out(browser, id_token_hint=tokens["access_token"]))
        # Another person, and another session of the same one.
        idp.person("bob", name="Bob")
        idp.current = "bob"
        theirs = await signed_in(another)
        assert asks(await log_out(browser, id_token_hint=theirs["id_token"]))
        idp.current = "ada"
        async with shop.browser() as third:
            elsewhere = await signed_in(third)
        assert claims(elsewhere["id_token"])["sub"] == claims(tokens["id_token"])["sub"]
        assert asks(await log_out(browser, id_token_hint=elsewhere["id_token"]))
        assert await is_signed_in(browser)


async def test_another_issuer_s_id_token_is_no_hint(shop: Broker, idp) -> None:
    async with shop.browser() as browser:
        await signed_in(browser)
        assert asks(await log_out(browser, id_token_hint=idp.told[0]["id_token"]))


@pytest.mark.row("LO-05")
@pytest.mark.parametrize(
    "state", ["\r\nSet-Cookie: a=b", "<script>alert(1)</script>", '"><img>', "ü" * 40, "%0d%0a", "x" * 128]
)
async def test_state_comes_back_encoded_and_does_nothing_else(shop: Broker, state: str) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(
            browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state=state
        )
        assert landed.params["state"] == state
        assert "\n" not in landed.url
        assert "<" not in landed.url


@pytest.mark.row("LO-01")
@pytest.mark.standard("RFC 9700", "§4.11.2 whoever registers makes no open redirector of us")
async def test_a_link_to_an_app_that_registered_itself_leads_nobody_away_by_itself(start) -> None:
    broker: Broker = await start(top=OPEN)
    told = await register(broker, post_logout_redirect_uris=[f"{STRANGER}/bye"])
    asked = {"client_id": told.body["client_id"], "post_logout_redirect_uri": f"{STRANGER}/bye"}
    async with broker.browser() as browser:
        page = await log_out(browser, **asked)
        assert (page.status, "data-onward" in page.body) == (200, False)
        assert page.link("stranger.example") == f"{STRANGER}/bye"  # for whoever knows the app
        _, tokens = await redeem(browser, told, (await sign_in(browser, told)).code)
        hint = {"id_token_hint": tokens["id_token"]}
        assert (await log_out(browser, **asked, **hint)).url == f"{STRANGER}/bye"  # they were signed in to it
        # A hint says who was given it, and nothing of who is in front of this browser.
        assert (await log_out(browser, **asked, **hint)).status == 200


@pytest.mark.row("DS-02")
@pytest.mark.parametrize("name", ["post_logout_redirect_uri", "client_id", "state", "ui_locales"])
async def test_nobody_fills_the_store_by_asking_for_sign_outs(shop: Broker, name: str) -> None:
    store = shop.services.store
    async with shop.browser() as browser:
        asked = await browser.step("POST", f"{shop.issuer}/logout", data={name: "a " * 30_000})
        assert asked.status == 303
        (kept,) = await store._wire.call("KEYS", f"{store._prefix}logout:*")
        assert await store._wire.call("STRLEN", kept) < 1000


@pytest.mark.row("LO-05")
async def test_a_state_beyond_measure_does_not_come_back(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(
            browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state="x" * 10_000
        )
        assert landed.url == BACK


async def test_a_repeated_parameter_is_refused_on_a_page(shop: Broker) -> None:
    async with shop.browser() as browser:
        await signed_in(browser)
        query = urlencode([("client_id", "billing"), ("client_id", "trusted")])
        page = await browser.step("GET", f"{shop.issuer}/logout?{query}")
        assert (page.status, "Location" in page.headers) == (400, False)
        assert await is_signed_in(browser)


async def test_who_is_signed_out_already_is_led_back_all_the_same(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BACK, "state": "s"}
        for method in ("GET", "GET", "POST"):
            assert (await log_out(browser, method, **asked)).url == f"{BACK}&state=s"
        page = await log_out(browser)
        assert "You are signed out" in page.body


@pytest.mark.row("LO-14")
async def test_of_many_who_sign_out_at_once_all_are_led_back_and_one_end_is_told(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BACK}
        landed = await asyncio.gather(*(log_out(browser, **asked) for _ in range(50)))
        assert {one.url for one in landed} == {BACK}
        assert not await is_signed_in(browser)


@pytest.mark.row("LO-14")
async def test_a_login_that_races_with_a_sign_out_is_whole_or_not_there(shop: Broker) -> None:
    async with shop.browser() as browser:
        for _ in range(8):
            tokens = await signed_in(browser)
            again = browser.authorize(prompt="login")
            landed, _ = await asyncio.gather(again, log_out(browser, id_token_hint=tokens["id_token"]))
            if 'name="answer"' in landed.body:
                landed = await browser.answer_consent(landed)
            status, fresh = await browser.token(landed.params.get("code", "none"))
            if status == 200:  # then all of it is good, and in a session that was not ended
                session_is_live = (await browser.userinfo(fresh["access_token"]))[0] == 200
                assert session_is_live
            assert (await browser.userinfo(tokens["access_token"]))[0] in (200, 401)


@pytest.mark.row("LO-10")
@pytest.mark.row("RT-07")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.7 offline_access outlives the session")
async def test_refresh_tokens_of_who_is_away_stay_unless_the_entry_says_otherwise(start) -> None:
    scope, grants = "openid offline_access", ["authorization_code", "refresh_token"]
    for revokes, status in ((False, 200), (True, 400)):
        entry = CLIENT | {"revoke_on_logout": revokes, "scope": scope, "grant_types": grants}
        broker = await start(client=entry)
        async with broker.browser() as browser:
            tokens = await signed_in(browser, scope=scope)
            landed = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
            assert landed.url == BACK
            assert (await browser.userinfo(tokens["access_token"]))[0] == 401
            _, told = await browser.post("/introspect", {"token": tokens["access_token"]})
            assert told == {"active": False}
            broker.clock.forward(7200)
            answered, fresh = await browser.refresh(tokens["refresh_token"])
            assert answered == status
            assert revokes or (await browser.userinfo(fresh["access_token"]))[0] == 200


async def test_a_disabled_or_unknown_client_leads_nowhere(start) -> None:
    broker = await start(
        client=CLIENT | {"enabled": False}, trusted={"redirect_uris": ["https://t.example/"]}
    )
    async with broker.browser() as browser:
        page = await log_out(browser, client_id="billing", post_logout_redirect_uri=BACK)
        assert "You are signed out" in page.body
        assert "billing.example" not in page.body


async def test_the_page_speaks_the_language_that_the_app_asked_for_and_logs_no_secret(shop: Broker) -> None:
    async with shop.browser() as browser:
        tokens = await signed_in(browser)
        page = await log_out(browser, client_id="billing", ui_locales="en", logout_hint="ada@people.example")
        assert 'lang="en"' in page.body
        await log_out(browser, id_token_hint=tokens["id_token"])
    assert tokens["id_token"] not in str(shop.log)
    (event,) = shop.events("sign_out")
    assert (event["outcome"], event["reason"], event["client_id"]) == ("ok", "app_signed_out", "billing")


@pytest.mark.standard("OpenID RP-Initiated Logout", "§2.1 end_session_endpoint in the metadata")
async def test_the_metadata_says_what_there_is(shop: Broker) -> None:
    async with shop.browser() as browser:
        page = await browser.step("GET", f"{shop.issuer}/.well-known/openid-configuration")
    assert f'"end_session_endpoint":"{shop.issuer}/logout"' in page.body
    for kind in ("backchannel", "frontchannel"):
        assert f'"{kind}_logout_supported":true' in page.body
        assert f'"{kind}_logout_session_supported":true' in page.body
