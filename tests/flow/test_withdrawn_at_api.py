"""What an app may do at one API (RFC 8707) is taken back, and what else it was allowed stays."""

from __future__ import annotations

import json

import pytest

from tests.flow.broker import Broker, Browser, Landed, claims
from tests.flow.test_account import post, words
from tests.flow.test_consent_at_apis import APIS, ASKED, INVOICES, LEDGER, asked_for, asks

GONE = "Billing no longer has access to The ledger"


@pytest.fixture
async def broker(start) -> Broker:
    return await start(top=APIS, client={"scope": ASKED + " reports.write"})


async def tokens_for(browser: Browser, *apis: str, scope: str = ASKED) -> dict[str, str]:
    page = await asked_for(browser, *apis, scope=scope)
    landed = await browser.answer_consent(page) if 'name="answer"' in page.body else page
    return (await browser.token(landed.code))[1]


async def withdraw_at(browser: Browser, api: str, client_id: str = "billing") -> Landed:
    page = await browser.go(f"{browser.broker.issuer}/account")
    return await post(browser, page, "/withdraw", client_id=client_id, resource=api)


async def receipt(browser: Browser) -> dict[str, list[dict[str, str]]]:
    url = f"{browser.broker.issuer}/account/receipt?client_id=billing"
    return json.loads((await browser.step("GET", url)).body)


async def reads(browser: Browser, tokens: dict[str, str]) -> int:
    return (await browser.userinfo(tokens["access_token"]))[0]


@pytest.mark.row("RT-07")
@pytest.mark.standard("RFC 8707", "§2 what is taken back at one API stays at another")
async def test_withdrawing_at_one_api_ends_what_is_for_it_and_nothing_else(broker: Broker) -> None:
    async with broker.browser() as browser:
        ledger, invoices, plain = [await tokens_for(browser, *apis) for apis in ((LEDGER,), (INVOICES,), ())]
        page = await withdraw_at(browser, LEDGER)
        assert GONE in words(page)
        assert "The invoices" in words(page)
        assert 'value="https://ledger.example"' not in page.body
        assert [await reads(browser, one) for one in (ledger, invoices, plain)] == [401, 200, 200]
        assert (await browser.refresh(ledger["refresh_token"]))[1]["error"] == "invalid_grant"
        for other in (invoices, plain):
            assert (await browser.refresh(other["refresh_token"]))[0] == 200
        silent = await asked_for(browser, LEDGER, prompt="none")
        assert silent.params["error"] == "consent_required"
        assert (await asked_for(browser, INVOICES, prompt="none")).code
        assert asks(await asked_for(browser, LEDGER)) == {"reports.read"}
    told = broker.events("consent_withdrawn")[-1]
    assert (told["outcome"], told["client_id"], told["detail"]) == ("ok", "billing", LEDGER)


async def test_a_grant_for_two_apis_goes_on_at_the_other(broker: Broker) -> None:
    async with broker.browser() as browser:
        both = await tokens_for(browser, LEDGER, INVOICES)
        code = (await asked_for(browser, LEDGER, INVOICES)).code
        await withdraw_at(browser, LEDGER)
        _, first = await browser.token(code)
        _, later = await browser.refresh(both["refresh_token"])
        assert [claims(one["access_token"])["aud"] for one in (first, later)] == [INVOICES, INVOICES]
        assert await reads(browser, both) == 200
        _, told = await browser.refresh(later["refresh_token"], resource=LEDGER)
        assert told["error"] == "invalid_target"


async def test_what_is_allowed_anew_revives_nothing_of_before(broker: Broker) -> None:
    async with broker.browser() as browser:
        before = await tokens_for(browser, LEDGER)
        code = (await asked_for(browser, LEDGER)).code
        await withdraw_at(browser, LEDGER)
        after = await tokens_for(browser, LEDGER)
        assert (await browser.refresh(after["refresh_token"]))[0] == 200
        assert await reads(browser, before) == 401
        assert (await browser.refresh(before["refresh_token"]))[1]["error"] == "invalid_grant"
        assert (await browser.token(code))[1]["error"] == "invalid_grant"


async def test_a_receipt_says_what_was_withdrawn_where_until_it_is_allowed_anew(broker: Broker) -> None:
    async with broker.browser() as browser:
        await tokens_for(browser, LEDGER, INVOICES)
        assert (await receipt(browser))["withdrawn"] == []
        broker.clock.forward(60)
        await withdraw_at(browser, LEDGER)
        said = await receipt(browser)
        (gone,) = said["withdrawn"]
        assert (gone["resource"], gone["name"]) == (LEDGER, "The ledger")
        assert gone["withdrawn_at"] == said["issued_at"]
        assert [one["resource"] for one in said["resources"]] == [INVOICES]
        assert LEDGER not in {one.get("resource") for one in said["purposes"]}
        await tokens_for(browser, LEDGER)
        said = await receipt(browser)
        assert said["withdrawn"] == []
        assert {one["resource"] for one in said["resources"]} == {LEDGER, INVOICES}


@pytest.mark.row("CS-05")
async def test_what_was_withdrawn_there_while_the_page_was_open_is_not_granted(broker: Broker) -> None:
    async with broker.browser() as browser:
        await tokens_for(browser, LEDGER)
        page = await asked_for(browser, LEDGER, scope=ASKED + " reports.write")
        assert asks(page) == {"reports.write"}
        await withdraw_at(browser, LEDGER)
        _, left = await browser.token((await browser.answer_consent(page)).code)
        assert set(left["scope"].split()) == {"openid", "email", "offline_access", "reports.write"}


async def test_of_two_clicks_both_are_told_what_the_first_did_and_a_wrong_api_is_nothing(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        kept = await tokens_for(browser, LEDGER)
        for api, client_id in ((INVOICES, "billing"), ("x" * 99, "billing"), (LEDGER, "nobody")):
            page = await withdraw_at(browser, api, client_id)
            assert "no longer has access" not in words(page)
            assert broker.events("consent_withdrawn")[-1]["outcome"] == "refused"
        assert (await browser.refresh(kept["refresh_token"]))[0] == 200
        for _ in range(2):
            assert GONE in words(await withdraw_at(browser, LEDGER))


async def test_an_app_that_was_allowed_nothing_else_is_still_shown_as_one_that_knows_them(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        await tokens_for(browser, LEDGER, scope="openid")
        page = await withdraw_at(browser, LEDGER)
    assert "Know that it is you when you sign in" in words(page)
