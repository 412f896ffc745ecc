"""A link of ours has an app begin a sign-in of its own, and says nothing else to it."""

from __future__ import annotations

import pytest

from tests.flow.broker import Broker


@pytest.fixture
async def broker(start) -> Broker:
    return await start(
        client={"initiate_login_uri": "https://billing.example/login?from=broker"},
        clients={"off": {"initiate_login_uri": "https://off.example/login", "enabled": False}},
    )


@pytest.mark.standard("OpenID Core", "§4 a third party has the app begin the login")
async def test_the_app_is_told_the_issuer_and_nothing_of_the_link(broker: Broker) -> None:
    query = "client_id=billing&target_link_uri=https%3A%2F%2Fevil.example&login_hint=ada"
    async with broker.browser() as browser:
        landed = await browser.step("GET", f"{broker.issuer}/start?{query}")
    assert landed.status == 303
    assert landed.url.startswith("https://billing.example/login?")
    assert landed.params == {"from": "broker", "iss": broker.issuer}


@pytest.mark.parametrize("query", ["", "?client_id=spa", "?client_id=nobody", "?client_id=off"])
async def test_whoever_begins_no_sign_in_is_a_page(broker: Broker, query: str) -> None:
    async with broker.browser() as browser:
        landed = await browser.step("GET", f"{broker.issuer}/start{query}")
    assert (landed.status, "Location" in landed.headers) == (404, False)


@pytest.mark.standard("OpenID Core", "§4 a third party has the app begin the login")
async def test_the_account_page_leads_to_the_apps_that_can_begin(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        page = await browser.go(f"{broker.issuer}/account")
        assert page.link("/start") == f"{broker.issuer}/start?client_id=billing"
