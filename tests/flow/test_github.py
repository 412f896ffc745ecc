"""Whole logins with GitHub: whose `sub` it is when names change hands, and what a refresh finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.github import FakeGitHub, org, team
from tests.flow.broker import Broker, Browser, claims

ACME, PARTNER = org(501, "acme"), org(502, "partner")
PLATFORM = team(71, "platform", ACME)
ASKED = "openid profile email offline_access groups"


@pytest.fixture
async def hub():
    async with FakeGitHub.running() as fake:
        fake.person("ada", orgs=[ACME, PARTNER], teams=[PLATFORM])
        yield fake


@pytest.fixture
def begun(start, hub):
    async def begin(**keys: Any) -> Broker:
        entry = {
            "type": "github",
            "name": "GitHub",
            "host": hub.host,
            "client_id": hub.client_id,
            "client_secret": hub.client_secret,
            "groups": ["{org}", "{org}:{team}"],
            **keys,
        }
        broker = await start(top={"connectors": {"github": entry}}, client={"trusted": True})
        broker.idp, hub.now = hub, broker.clock
        return broker

    return begin


async def tokens_of(browser: Browser) -> dict[str, Any]:
    status, tokens = await browser.token((await browser.login(scope=ASKED)).code)
    assert status == 200, tokens
    return tokens


async def sub_of(broker: Broker) -> str:
    async with broker.browser() as browser:
        return claims((await tokens_of(browser))["id_token"])["sub"]


@pytest.mark.proves("github", "a whole login: name, proven address, organizations and teams at the app")
async def test_an_app_hears_name_address_and_groups(begun, hub) -> None:
    broker = await begun()
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        _, told = await browser.userinfo(tokens["access_token"])
    assert told["name"] == "Ada"
    assert (told["email"], told["email_verified"]) == ("ada@example.com", True)
    assert told["groups"] == ["acme", "partner", "acme:platform"]
    assert not {"amr", "acr"} & claims(tokens["id_token"]).keys()
    assert str(hub.people["ada"]["id"]) not in claims(tokens["id_token"])["sub"]


@pytest.mark.row("CB-35")
@pytest.mark.row("UI-07")
@pytest.mark.row("UI-14")
@pytest.mark.proves("github", "the app's sub stays with the account, not with its name or address")
async def test_a_sub_stays_with_the_account_and_not_with_its_name(begun, hub) -> None:
    broker = await begun()
    first = await sub_of(broker)
    hub.switch(login_renamed_same_id="ada-example")
    assert await sub_of(broker) == first
    hub.reset()
    hub.switch(login_reused_other_id=4711)  # another account, with her old name and address
    assert await sub_of(broker) != first


@pytest.mark.row("UI-19")
async def test_what_changes_at_github_is_known_at_the_next_refresh(begun, hub) -> None:
    broker = await begun(upstream_refresh="always", allowed_organizations=[501])
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        hub.people["ada"] |= {"orgs": [ACME], "teams": []}
        status, tokens = await browser.refresh(tokens["refresh_token"])
        assert status == 200
        _, told = await browser.userinfo(tokens["access_token"])
        assert told["groups"] == ["acme"]
        hub.people["ada"] |= {"orgs": [PARTNER]}
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        landed = await browser.login(scope=ASKED)
        assert landed.params["error"] == "access_denied"


async def test_a_token_that_was_revoked_at_github_ends_what_stands_on_it(begun, hub) -> None:
    broker = await begun(upstream_refresh="always")
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        hub.revoke()
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")


async def test_a_rate_limit_at_github_ends_nothing(begun, hub) -> None:
    broker = await begun(upstream_refresh="always")
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        hub.switch(rate_limited_403="used_up")
        status, _ = await browser.refresh(tokens["refresh_token"])
        assert status != 200
        hub.reset()
        status, _ = await browser.refresh(tokens["refresh_token"])
        assert status == 200


async def test_who_is_in_no_allowed_team_is_told_so_and_the_log_says_why(begun, hub) -> None:
    broker = await begun(allowed_teams=["partner:ops"])
    async with broker.browser() as browser:
        landed = await browser.login(scope=ASKED)
    assert landed.params["error"] == "access_denied"
    assert "partner" not in landed.url
    assert "upstream_access_denied" in broker.reasons()
