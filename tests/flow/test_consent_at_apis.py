"""Consent and APIs (RFC 8707): what a person allows at one is asked about at another."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from tests.flow.broker import Broker, Browser, Landed, claims
from tests.flow.machines import SCOPES

ASKED = "openid email offline_access reports.read"
LEDGER, INVOICES = "https://ledger.example", "https://invoices.example"
APIS = {
    "resources": {
        LEDGER: {"name": "The ledger"},
        INVOICES: {"name": "The invoices", "scope": "reports.read reports.write"},
    },
    "scopes": SCOPES,
}


@pytest.fixture
async def broker(start) -> Broker:
    return await start(top=APIS, client={"scope": ASKED + " reports.write"})


async def asked_for(browser: Browser, *apis: str, scope: str = ASKED, **more: str) -> Landed:
    url = browser.authorize_url(scope=scope, **more)
    return await browser.go(url + "".join(f"&resource={quote(one, safe='')}" for one in apis))


def asks(page: Landed) -> set[str]:
    """The scopes that a page has boxes for."""
    assert 'name="answer"' in page.body, page.url
    return set(re.findall(r'name="scope"[^>]*value="([^"]*)"', page.body))


@pytest.mark.row("CS-09")
@pytest.mark.standard("RFC 8707", "§2 what is allowed at one API is asked about at another")
async def test_what_is_allowed_at_one_api_is_asked_about_at_another(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await asked_for(browser, LEDGER)
        assert asks(first) == {"email", "offline_access", "reports.read"}
        assert (await browser.answer_consent(first)).code
        assert (await asked_for(browser, LEDGER)).code  # remembered there
        silent = await asked_for(browser, INVOICES, prompt="none")
        assert silent.params["error"] == "consent_required"
        second = await asked_for(browser, INVOICES)
        assert asks(second) == {"reports.read"}
        assert "The invoices" in second.body
        both = await asked_for(browser, LEDGER, INVOICES)
        assert asks(both) == {"reports.read"}
        status, tokens = await browser.token((await browser.answer_consent(both)).code)
        assert status == 200
        assert claims(tokens["access_token"])["aud"] == [LEDGER, INVOICES]
        assert "reports.read" in tokens["scope"].split()
        assert (await asked_for(browser, INVOICES)).code
        assert asks(await asked_for(browser)) == {"reports.read"}  # nowhere in particular is another place


async def test_a_new_api_is_asked_about_though_nothing_else_is_new(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.answer_consent(await asked_for(browser, LEDGER, scope="openid email"))
        page = await asked_for(browser, INVOICES, scope="openid email")
        assert asks(page) == set()
        assert "The invoices" in page.body
        denied = await browser.answer_consent(page, "deny")
        assert denied.params["error"] == "access_denied"
        page = await asked_for(browser, INVOICES, scope="openid email")
        assert (await browser.answer_consent(page)).code
        assert (await asked_for(browser, INVOICES, scope="openid email")).code


async def test_a_no_at_one_api_takes_nothing_back_at_another(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.answer_consent(await asked_for(browser, LEDGER))
        _, tokens = await browser.token(page.code)
        page = await asked_for(browser, LEDGER, INVOICES)
        _, both = await browser.token((await browser.answer_consent(page, scopes=[])).code)
        assert "reports.read" not in both["scope"].split()
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200
        assert (await asked_for(browser, INVOICES)).code  # it stays a no, and is not asked again
        page = await asked_for(browser, LEDGER, prompt="consent")
        await browser.answer_consent(page, scopes=["email", "offline_access"])
        assert (await browser.refresh(both["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_consent_of_before_there_were_apis_stays_good_for_what_it_covered(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await asked_for(browser))
        _, tokens = await browser.token(landed.code)
        (before,) = await broker.services.store.list_consents(claims(tokens["id_token"])["sub"])
        assert (set(before.granted), dict(before.at)) == ({"email", "offline_access", "reports.read"}, {})
        assert asks(await asked_for(browser, LEDGER)) == {"reports.read"}
        assert (await asked_for(browser)).code
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200


async def test_the_account_page_and_the_receipt_say_where_what_was_allowed(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await asked_for(browser, INVOICES, scope=ASKED + " reports.write")
        await browser.answer_consent(page, scopes=["email", "reports.read"])
        account = await browser.go(f"{broker.issuer}/account")
        assert account.body.index("The invoices") < account.body.index("Read reports")
        assert "Write reports" not in account.body
        receipt = json.loads((await browser.step("GET", account.link("/account/receipt?"))).body)
    (api,) = receipt["resources"]
    assert (api["resource"], api["name"]) == (INVOICES, "The invoices")
    said = {(one.get("resource"), one["scope"]): one for one in receipt["purposes"]}
    assert {place: one["allowed"] for place, one in said.items()} == {
        (None, "email"): True,
        (None, "offline_access"): False,
        (INVOICES, "reports.read"): True,
        (INVOICES, "reports.write"): False,
    }
    assert said[INVOICES, "reports.read"]["words"] == "Read reports"
    assert said[INVOICES, "reports.read"]["answered_at"] == receipt["given_at"] == api["given_at"]


@pytest.mark.row("CS-05")
async def test_what_was_withdrawn_while_the_page_was_open_is_granted_nowhere(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await asked_for(browser, LEDGER))
        _, tokens = await browser.token(landed.code)
        page = await asked_for(browser, LEDGER, INVOICES)
        await broker.services.endings.withdraw(claims(tokens["id_token"])["sub"], "billing")
        _, left = await browser.token((await browser.answer_consent(page)).code)
    assert left["scope"] == "openid"
