"""Tokens for named APIs, and scopes that stand for one thing."""

from __future__ import annotations

import pytest

from tests.flow.broker import SECRET, Browser, claims
from tests.flow.signing import give

pytestmark = pytest.mark.standard("RFC 8707", "§2 a token is asked for an API, and is for it alone")

INVOICES, ACCOUNTS = "https://api.example/invoices", "https://api.example/accounts"
LEDGER = "https://ledger.example"
TOP = {
    "resources": {
        INVOICES: {"name": "Invoices API", "scope": "invoices.read"},
        ACCOUNTS: {"name": "Accounts API", "scope": "account.*", "access_token_format": "opaque"},
    },
    "scopes": {
        "invoices.read": {"description": "Read your invoices"},
        "account.*": {"description": "Use account {value}"},
        "groups": {"description": "See your groups"},
    },
}
CLIENT = {"scope": "openid profile offline_access invoices.read account.*"}
APIS = {
    "ledger": {
        "client_name": "The ledger",
        "grant_types": [],
        "redirect_uris": [],
        "audience": LEDGER,
        "scope": None,
        "client_secret": SECRET,
    },
    "accounts": {
        "client_name": "The accounts",
        "grant_types": [],
        "redirect_uris": [],
        "audience": ACCOUNTS,
        "scope": None,
        "client_secret": SECRET,
    },
    "invoices": {
        "client_name": "The invoices",
        "grant_types": [],
        "redirect_uris": [],
        "audience": INVOICES,
        "scope": None,
        "client_secret": SECRET,
    },
}
SCOPES = "openid offline_access invoices.read account.7"


@pytest.fixture
async def broker(start):
    return await start(top=TOP, client=CLIENT, clients=APIS)


async def tokens(browser: Browser, *resources: str, scope: str = SCOPES, **more: str) -> dict:
    landed = await login(browser, *resources, scope=scope)
    status, found = await browser.token(landed.code, **more)
    assert status == 200, found
    return found


async def login(browser: Browser, *resources: str, scope: str = SCOPES):
    url = browser.authorize_url(scope=scope)
    page = await browser.go(url + "".join(f"&resource={one}" for one in resources))
    return await browser.answer_consent(page) if 'name="answer"' in page.body else page


async def test_a_token_is_for_the_api_that_was_named(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES)
        assert claims(found["access_token"])["aud"] == INVOICES


async def test_a_token_may_be_for_several(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES, ACCOUNTS)
        assert claims(found["access_token"])["aud"] == [INVOICES, ACCOUNTS]
        _, told = await browser.post("/introspect", {"token": found["access_token"]}, client="invoices")
        assert told["active"] is True
        assert told["aud"] == [INVOICES, ACCOUNTS]
        _, told = await browser.post("/introspect", {"token": found["access_token"]}, client="ledger")
        assert told == {"active": False}


async def test_an_api_among_the_clients_can_be_named_without_being_declared(broker) -> None:
    async with broker.browser() as browser:
        assert claims((await tokens(browser, LEDGER))["access_token"])["aud"] == LEDGER


async def test_the_page_says_where_it_is_to_be_used_and_what_each_scope_is(broker) -> None:
    async with broker.browser() as browser:
        url = browser.authorize_url(scope=SCOPES) + f"&resource={INVOICES}&resource={ACCOUNTS}"
        page = await browser.go(url)
        for words in ("Invoices API", "Accounts API", "Read your invoices", "Use account 7"):
            assert words in page.body, words


@pytest.mark.standard(
    "RFC 8707", "§2.2 scopes that the API does not understand are left out, and that is told"
)
async def test_scopes_that_the_api_does_not_understand_are_left_out_and_that_is_told(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES)
        assert found["scope"] == "openid offline_access invoices.read"
        assert claims(found["access_token"])["scope"] == found["scope"]


async def test_a_request_of_which_no_scope_is_left_is_refused(broker) -> None:
    async with broker.browser() as browser:
        landed = await login(browser, INVOICES, scope="account.7")
        assert landed.params["error"] == "invalid_scope"


@pytest.mark.row("AZ-29")
@pytest.mark.parametrize(
    "name", ["https://unknown.example", "/relative", INVOICES + "%23fragment", "not%20a%20uri"]
)
async def test_an_api_that_nobody_declared_is_refused(broker, name) -> None:
    async with broker.browser() as browser:
        landed = await login(browser, INVOICES, name)
        assert (landed.params["error"], landed.params["iss"]) == ("invalid_target", broker.issuer)


@pytest.mark.row("AZ-29")
async def test_an_api_that_is_not_the_clients_is_refused(broker) -> None:
    give(broker, resources=(INVOICES,))
    async with broker.browser() as browser:
        assert (await login(browser, ACCOUNTS)).params["error"] == "invalid_target"
        assert (await login(browser, INVOICES)).code


@pytest.mark.standard("RFC 8707", "§2.2 a token may be for fewer of the APIs")
async def test_the_code_and_each_refresh_may_be_for_fewer(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES, ACCOUNTS, resource=INVOICES)
        assert claims(found["access_token"])["aud"] == INVOICES
        assert found["scope"] == "openid offline_access invoices.read"
        status, found = await browser.refresh(found["refresh_token"], resource=ACCOUNTS)
        assert status == 200
        assert found["scope"] == "openid offline_access account.7"
        assert "." not in found["access_token"]  # as that API wants it
        _, found = await browser.refresh(found["refresh_token"])
        assert claims(found["access_token"])["aud"] == [INVOICES, ACCOUNTS]


async def test_a_refresh_of_which_no_scope_is_left_is_refused_and_spends_nothing(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES, ACCOUNTS)
        status, told = await browser.refresh(found["refresh_token"], resource=ACCOUNTS, scope="invoices.read")
        assert (status, told["error"]) == (400, "invalid_scope")
        status, _ = await browser.refresh(found["refresh_token"], resource=ACCOUNTS)
        assert status == 200


@pytest.mark.row("TK-17")
@pytest.mark.row("RT-05")
@pytest.mark.parametrize("granted", [(), (INVOICES,)])
async def test_no_token_is_for_an_api_that_was_not_granted(broker, granted) -> None:
    async with broker.browser() as browser:
        landed = await login(browser, *granted)
        status, told = await browser.token(landed.code, resource=ACCOUNTS)
        assert (status, told["error"]) == (400, "invalid_target")
        status, found = await browser.token(landed.code)  # and the refusal has spent nothing
        assert status == 200
        status, told = await browser.refresh(found["refresh_token"], resource=ACCOUNTS)
        assert (status, told["error"]) == (400, "invalid_target")
        assert (await browser.refresh(found["refresh_token"]))[0] == 200


async def test_what_is_taken_from_the_client_is_not_handed_to_another_api_instead(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES)
        give(broker, resources=())
        status, told = await browser.refresh(found["refresh_token"])
        assert (status, told["error"]) == (400, "invalid_grant")
    assert "resource_gone" in broker.reasons()


@pytest.mark.row("RS-07")
@pytest.mark.parametrize("of_one", [True, False], ids=["of one", "of both"])
async def test_an_api_that_is_taken_from_the_client_hears_of_its_tokens_no_more(broker, of_one: bool) -> None:
    """The grant goes on for the other API, and a token that was for both with it."""
    async with broker.browser() as browser:
        found = await tokens(browser, INVOICES, ACCOUNTS, **({"resource": ACCOUNTS} if of_one else {}))
        form = {"token": found["access_token"]}
        assert (await browser.post("/introspect", form, client="accounts"))[1]["active"]
        give(broker, resources=(INVOICES,))
        assert (await browser.post("/introspect", form, client="accounts"))[1] == {"active": False}
        _, told = await browser.post("/introspect", form, client="invoices")
        assert told == {"active": False} if of_one else (told["active"], told["aud"]) == (True, INVOICES)
        assert (await browser.userinfo(found["access_token"]))[0] == (401 if of_one else 200)
        assert (await browser.refresh(found["refresh_token"]))[0] == 200


# ── dynamic scopes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 6749", "§3.3 a scope that stands for one thing of many")
async def test_a_dynamic_scope_travels_into_the_token_and_a_refresh_may_have_fewer(broker) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, scope="openid offline_access account.7 account.8")
        assert claims(found["access_token"])["scope"] == "openid offline_access account.7 account.8"
        _, fewer = await browser.refresh(found["refresh_token"], scope="openid account.8")
        assert fewer["scope"] == claims(fewer["access_token"])["scope"] == "openid account.8"
        status, told = await browser.refresh(fewer["refresh_token"], scope="openid account.9")
        assert (status, told["error"]) == (400, "invalid_scope")


@pytest.mark.row("AZ-19")
@pytest.mark.parametrize("scope", ["openid account.*", "openid account.7.8", "openid account."])
async def test_a_pattern_or_more_than_one_segment_is_dropped_and_that_is_told(broker, scope) -> None:
    async with broker.browser() as browser:
        found = await tokens(browser, scope=scope)
        assert found["scope"] == "openid"


async def test_a_dynamic_scope_that_is_not_the_clients_is_refused(broker) -> None:
    give(broker, scopes=frozenset({"openid"}))
    async with broker.browser() as browser:
        assert (await login(browser, scope="openid account.7")).params["error"] == "invalid_scope"


@pytest.mark.standard("RFC 6749", "§3.3 a request that names an API and no scope")
async def test_an_app_may_name_an_api_without_any_scope_and_is_asked_about(broker) -> None:
    async with broker.browser() as browser:
        url = f"{browser.authorize_url(scope=None)}&resource={INVOICES}"
        page = await browser.go(url)
        assert "Invoices API" in page.body
        landed = await browser.answer_consent(page)
        status, found = await browser.token(landed.code)
        assert status == 200, found
        assert not {"id_token", "refresh_token"} & found.keys()
        assert claims(found["access_token"])["aud"] == INVOICES
        assert (await browser.userinfo(found["access_token"]))[0] == 403
        told = await browser.post("/introspect", {"token": found["access_token"]}, client="invoices")
        assert (told[1]["active"], told[1].get("scope", "")) == (True, "")
        silent = await browser.go(f"{browser.authorize_url(scope=None, prompt='none')}&resource={ACCOUNTS}")
        assert silent.params["error"] == "consent_required", "another API is asked about by itself"
        nothing = await browser.authorize(scope=None)
        assert nothing.params["error"] == "invalid_scope"
