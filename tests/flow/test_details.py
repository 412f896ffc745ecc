"""Authorization details: asked, shown, granted for once, and narrowed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flow.broker import SECRET, Broker, Browser, Landed, claims
from tests.flow.signing import asked as request_of
from tests.flow.signing import give, jwks, request_object

pytestmark = pytest.mark.standard("RFC 9396", "§2 what is asked in particular")

TYPES = {
    "payment": {
        "description": "Make a payment",
        "display": "Pay {amount.value} {amount.currency} to {creditor}",
        "fields": {
            "creditor": {"type": "string", "required": True},
            "actions": {"type": "list", "values": ["initiate", "status"]},
            "references": {"type": "list"},
            "amount": {
                "type": "object",
                "required": True,
                "fields": {
                    "value": {"type": "string", "required": True},
                    "currency": {"type": "string", "required": True, "values": ["EUR"]},
                },
            },
        },
    },
    "statement": {"description": "See a statement"},
}
PAY = {
    "type": "payment",
    "creditor": "Merchant <A>",
    "actions": ["initiate", "status"],
    "amount": {"value": "123.50", "currency": "EUR"},
}
API = {
    "api": {
        "client_name": "The bank",
        "grant_types": [],
        "redirect_uris": [],
        "audience": "https://bank.example",
        "scope": None,
        "client_secret": SECRET,
    }
}


@pytest.fixture
async def broker(start):
    changes = {"authorization_details_types": ["payment"], "audience": "https://bank.example"}
    return await start(top={"authorization_details_types": TYPES}, client=changes, clients=API)


def pushed(*details: Any) -> dict[str, Any]:
    """A request that is too long for a URL."""
    form = request_of(authorization_details=json.dumps(list(details)))
    return form | {"client_id": "billing", "client_secret": SECRET}


async def ask(browser: Browser, *details: Any, **changes: str | None) -> Landed:
    scope = {"scope": "openid offline_access"} | changes
    return await browser.authorize(authorization_details=json.dumps(list(details)), **scope)


async def grant(browser: Browser, *details: Any, **changes: str | None) -> dict[str, Any]:
    landed = await browser.answer_consent(await ask(browser, *details, **changes))
    status, found = await browser.token(landed.code)
    assert status == 200, found
    return found


async def test_the_page_says_it_in_words_whole_and_escaped(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await ask(browser, PAY)
        assert "Make a payment" in page.body
        assert "Merchant &lt;A&gt;" in page.body
        assert "<A>" not in page.body
        assert "initiate, status" in page.body


@pytest.mark.row("CS-14")
async def test_nothing_that_is_allowed_is_cut_off_however_long_it_is(broker: Broker) -> None:
    give(broker, token_endpoint_auth_method="client_secret_post")
    many = [f"reference-{n}-{'x' * 200}" for n in range(25)]
    async with broker.browser() as browser:
        page = await browser.step("POST", f"{broker.issuer}/par", data=pushed(PAY | {"references": many}))
        name = json.loads(page.body)["request_uri"]
        shown = await browser.go(f"{broker.issuer}/authorize?client_id=billing&request_uri={name}")
        assert all(one in shown.body for one in many)


@pytest.mark.standard("RFC 9396", "§7 the token answer says what was granted")
@pytest.mark.standard("RFC 9396", "§9 the token and introspection say it too")
async def test_what_was_granted_is_in_the_answer_the_token_and_introspection(broker: Broker) -> None:
    async with broker.browser() as browser:
        found = await grant(browser, PAY)
        assert found["authorization_details"] == [PAY]
        assert claims(found["access_token"])["authorization_details"] == [PAY]
        _, told = await browser.post("/introspect", {"token": found["access_token"]}, client="api")
        assert told["authorization_details"] == [PAY]


async def test_an_opaque_token_says_it_at_introspection(broker: Broker) -> None:
    give(broker, access_token_format="opaque")
    async with broker.browser() as browser:
        found = await grant(browser, PAY)
        _, told = await browser.post("/introspect", {"token": found["access_token"]}, client="api")
        assert told["authorization_details"] == [PAY]


@pytest.mark.standard("RFC 9396", "§3 a request without a scope is whole with details")
async def test_details_need_no_scope(broker: Broker) -> None:
    async with broker.browser() as browser:
        found = await grant(browser, PAY, scope=None)
        assert (found["scope"], found["authorization_details"]) == ("", [PAY])
        assert "id_token" not in found


@pytest.mark.row("CS-05")
async def test_a_person_is_asked_each_time_and_may_say_no(broker: Broker) -> None:
    async with broker.browser() as browser:
        await grant(browser, PAY, scope="openid profile")
        remembered = await browser.authorize(scope="openid profile")
        assert "code" in remembered.params
        page = await ask(browser, PAY, scope="openid profile")
        assert "Make a payment" in page.body
        denied = await browser.answer_consent(page, answer="deny")
        assert denied.params["error"] == "access_denied"
        silent = await ask(browser, PAY, scope="openid profile", prompt="none")
        assert silent.params["error"] == "consent_required"


@pytest.mark.row("AZ-30")
@pytest.mark.standard("RFC 9396", "§5 what its type does not know is refused")
@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        '[{"type": "nobody-knows"}]',
        '[{"type": "statement"}]',
        '[{"type": "payment"}]',
        json.dumps([PAY | {"unknown": 1}]),
        json.dumps([PAY])[:-2] + ', "type": "payment"}]',
        json.dumps([PAY | {"creditor": "x" * 9000}]),
    ],
)
async def test_what_its_type_does_not_know_is_refused(broker: Broker, text) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(authorization_details=text)
        assert landed.params["error"] == "invalid_authorization_details"
        assert landed.params["iss"] == broker.issuer


@pytest.mark.row("RT-05")
@pytest.mark.standard("RFC 9396", "§6 a token is given for less, never for more")
async def test_a_refresh_is_given_for_less_and_never_for_more(broker: Broker) -> None:
    other = PAY | {"creditor": "Merchant B"}
    async with broker.browser() as browser:
        found = await grant(browser, PAY, other)
        _, fewer = await browser.refresh(found["refresh_token"], authorization_details=json.dumps([other]))
        assert fewer["authorization_details"] == [other]
        assert claims(fewer["access_token"])["authorization_details"] == [other]
        for wider in (
            PAY | {"creditor": "Merchant C"},
            PAY | {"amount": {"value": "9999", "currency": "EUR"}},
        ):
            asked = json.dumps([wider])
            status, told = await browser.refresh(fewer["refresh_token"], authorization_details=asked)
            assert (status, told["error"]) == (400, "invalid_authorization_details")
        _, again = await browser.refresh(fewer["refresh_token"])
        assert again["authorization_details"] == [PAY, other]


async def test_a_type_that_is_taken_from_the_client_is_gone_from_its_tokens(broker: Broker) -> None:
    async with broker.browser() as browser:
        found = await grant(browser, PAY)
        give(broker, authorization_details_types=())
        _, again = await browser.refresh(found["refresh_token"])
        assert "authorization_details" not in again


@pytest.mark.row("RS-07")
async def test_a_type_that_is_taken_from_the_client_is_gone_from_what_an_api_hears(broker: Broker) -> None:
    async with broker.browser() as browser:
        found = await grant(browser, PAY)
        give(broker, authorization_details_types=())
        _, told = await browser.post("/introspect", {"token": found["access_token"]}, client="api")
    assert told["active"]
    assert "authorization_details" not in told


async def test_details_may_be_pushed_and_signed(broker: Broker) -> None:
    give(broker, jwks=jwks())
    async with broker.browser() as browser:
        text = request_object(broker, request_of(authorization_details=[PAY]))
        _, told = await browser.post("/par", {"client_id": "billing", "request": text})
        page = await browser.go(browser.authorize_url(request_uri=told["request_uri"]))
        assert "Make a payment" in page.body
        landed = await browser.answer_consent(page)
        _, found = await browser.token(landed.code)
        assert found["authorization_details"] == [PAY]


@pytest.mark.standard("RFC 9396", "§6 a token that no person is asked for has details too")
async def test_a_client_that_speaks_for_itself_names_details_and_gets_no_others(start) -> None:
    entry = {
        "client_name": "Batch",
        "grant_types": ["client_credentials"],
        "redirect_uris": None,
        "scope": "groups",
        "authorization_details_types": ["payment"],
    }
    broker = await start(top={"authorization_details_types": TYPES}, clients={"batch": entry})
    form: dict[str, str | None] = {"grant_type": "client_credentials", "scope": "groups"}
    async with broker.browser() as browser:
        asked = form | {"authorization_details": json.dumps([PAY])}
        status, found = await browser.post("/token", asked, client="batch")
        assert (status, found.get("authorization_details")) == (200, [PAY])
        assert claims(found["access_token"])["authorization_details"] == [PAY]
        status, told = await browser.post("/introspect", {"token": found["access_token"]}, client="batch")
        assert told["authorization_details"] == [PAY]
        for wrong in ([PAY | {"unknown": 1}], [{"type": "statement"}]):
            asked = form | {"authorization_details": json.dumps(wrong)}
            status, told = await browser.post("/token", asked, client="batch")
            assert (status, told["error"]) == (400, "invalid_authorization_details")
