"""Signing out of the upstream as well: the link that is offered, where it leads, and where it ends."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.keycloak import FakeKeycloak
from tests.flow.broker import Broker, Browser, Landed

OFFER: dict[str, Any] = {"upstream_logout": "offer"}


async def signed_out(browser: Browser) -> Landed:
    """The page after signing out on the account page."""
    page = await browser.go(f"{browser.broker.issuer}/account")
    data = {"csrf": page.field("csrf")}
    return await browser.step("POST", f"{browser.broker.issuer}/account/sign-out", data=data)


async def kept(broker: Broker, cookie: str) -> dict[str, str]:
    """What the session keeps for the end of it."""
    session = await broker.services.store.read_session(cookie, 60)
    assert session is not None
    return dict(session.logout_by)


@pytest.mark.proves("oidc", "signed out here and there: the next login asks again at the provider")
async def test_who_follows_the_link_is_signed_out_there_too(start, idp) -> None:
    broker = await start(connector=OFFER)
    async with broker.browser() as browser:
        await browser.login()
        session_there = idp.session_since
        page = await signed_out(browser)
        assert "Sign out of" in page.body
        assert idp.session_since == session_there  # nothing of it is ended before they want it
        landed = await browser.go(page.link("post_logout_redirect_uri"))
        assert (landed.status, urlsplit(landed.url).path) == (200, "/signed-out")
        assert "You are signed out" in landed.body
        assert idp.session_since is None
        broker.clock.forward(60)
        await browser.login()
        assert idp.session_since is not None
    sent = idp.seen("end_session")[0].query
    assert sent["id_token_hint"] == idp.told[0]["id_token"]
    assert sent["post_logout_redirect_uri"] == f"{broker.issuer}/signed-out"


@pytest.mark.proves("keycloak", "a whole way out: signed out here, then there, without another question")
async def test_the_same_at_a_realm(start) -> None:
    async with FakeKeycloak.running() as realm:
        realm.person("ada", name="Ada Example")
        realm.current = "ada"
        entry = {
            "type": "keycloak",
            "name": "Realm",
            "base_url": realm.origin,
            "realm": "acme",
            "client_id": realm.client_id,
            "client_secret": realm.client_secret,
            **OFFER,
        }
        broker = await start(top={"connectors": {"realm": entry}}, client={"trusted": True})
        broker.idp = realm
        async with broker.browser() as browser:
            await browser.login()
            landed = await browser.go((await signed_out(browser)).link("/protocol/openid-connect/logout"))
        assert (urlsplit(landed.url).path, realm.session_since) == ("/signed-out", None)


async def test_unless_it_is_offered_nothing_is_kept_and_nobody_is_led_there(broker: Broker, idp) -> None:
    async with broker.browser() as browser:
        await browser.login()
        assert await kept(broker, browser.cookies()["session"]) == {}
        page = await signed_out(browser)
    assert "may still know you" in page.body
    assert "Sign out of" not in page.body
    assert idp.seen("end_session") == []


async def test_the_link_is_a_link_that_gives_no_referrer_and_no_form_leads_away(start) -> None:
    broker = await start(connector=OFFER)
    async with broker.browser() as browser:
        await browser.login()
        assert (await kept(broker, browser.cookies()["session"])).keys() == {"id_token_hint"}
        page = await signed_out(browser)
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page.headers["Cache-Control"]
    assert "<form" not in page.body


async def test_the_id_token_is_neither_in_a_grant_nor_in_the_log(start, idp) -> None:
    broker = await start(connector=OFFER)
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid offline_access")
        _, tokens = await browser.token(landed.code)
        await signed_out(browser)
    hint = idp.told[0]["id_token"]
    assert hint not in str(broker.log)
    assert hint not in str(tokens)


@pytest.mark.proves(
    "oidc", "a provider that says a wrong way out, or is away: people are signed out here all the same"
)
async def test_a_wrong_way_out_keeps_nobody_signed_in_here(start, idp) -> None:
    idp.switch(discovery={"end_session_endpoint": "javascript:alert(1)"})
    broker = await start(connector=OFFER)
    async with broker.browser() as browser:
        await browser.login()
        page = await signed_out(browser)
        assert page.status == 200
        assert "javascript" not in page.body
        assert "may still know you" in page.body
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
    (event,) = broker.events("upstream_logout")
    assert (event["outcome"], event["reason"]) == ("failed", "metadata_endpoint_malformed")


@pytest.mark.row("WB-06")
@pytest.mark.parametrize(
    "query", ["", "?state=x", "?post_logout_redirect_uri=https://evil.example/", "?%ff=%"]
)
async def test_the_page_after_it_takes_nothing_into_account(broker: Broker, query: str) -> None:
    async with broker.browser() as browser:
        page = await browser.step("GET", f"{broker.issuer}/signed-out{query}")
    assert (page.status, "Location" in page.headers) == (200, False)
    assert "You are signed out" in page.body
    assert "evil" not in page.body


async def test_the_page_after_it_says_so_to_nobody_who_is_still_signed_in(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        page = await browser.step("GET", f"{broker.issuer}/signed-out")
        assert "You are still signed in here" in page.body
        assert page.link("/account") == f"{broker.issuer}/account"
        assert (await browser.authorize(prompt="none")).params.get("code")  # and so they stay
