"""Whole logins with Microsoft's: the way round for a password or a second factor, groups or no login."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes import azure_b2c, entra
from tests.fakes.azure_b2c import FakeB2C
from tests.fakes.entra import FakeEntra, group
from tests.flow.broker import Broker, claims

ASKED = "openid profile email offline_access groups"


@pytest.fixture
def begun(start):
    async def begin(idp: Any, client: dict[str, Any] | None = None, **entry: Any) -> Broker:
        keys = {"name": "Up", "client_id": idp.client_id, "client_secret": idp.client_secret}
        broker = await start(
            top={"connectors": {"up": {**keys, **entry}}}, client={"trusted": True, **(client or {})}
        )
        idp.now = broker.clock
        # Where the browser follows: to everything at the upstream's origin.
        broker.idp = SimpleNamespace(issuer=idp.origin, client_secret=idp.client_secret)
        return broker

    return begin


# ── Azure AD B2C ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def customers():
    async with FakeB2C.running() as idp:
        yield idp


def at_b2c(idp, **more):
    return {
        "type": "azure_b2c",
        "tenant": azure_b2c.NAME,
        "policy": azure_b2c.POLICY,
        "custom_domain": idp.origin.removeprefix("http://"),
        **more,
    }


@pytest.mark.proves("azure_b2c", "a whole login by way of a forgotten password, seen from the app")
@pytest.mark.parametrize("cancelled", [False, "reset"])
async def test_a_forgotten_password_costs_the_app_nothing(begun, customers, cancelled) -> None:
    customers.switch(AADB2C90118="once", AADB2C90091=cancelled or None)
    broker = await begun(customers, **at_b2c(customers, password_reset_policy=azure_b2c.RESET))
    async with broker.browser() as browser:
        landed = await browser.authorize()
        status, tokens = await browser.token(landed.code)
        assert status == 200
        assert landed.params["state"] == "state-of-the-client"
        assert claims(tokens["id_token"])["nonce"] == "nonce-of-the-client"
        _, told = await browser.userinfo(tokens["access_token"])
    assert told["name"] == "Jane Doe"
    asked = [seen.query for seen in customers.seen("authorize")]
    assert len({one["state"] for one in asked}) == len({one["nonce"] for one in asked}) == len(asked) == 3


async def test_a_password_may_be_forgotten_twice(begun, customers) -> None:
    customers.switch(AADB2C90118="twice")
    broker = await begun(customers, **at_b2c(customers, password_reset_policy=azure_b2c.RESET))
    async with broker.browser() as browser:
        assert "code" in (await browser.authorize()).params


@pytest.mark.proves("azure_b2c", "a person who forgets their password again and again")
async def test_nobody_is_sent_in_circles(begun, customers) -> None:
    customers.switch(AADB2C90118=True)
    broker = await begun(customers, **at_b2c(customers, password_reset_policy=azure_b2c.RESET))
    async with broker.browser() as browser:
        landed = await browser.authorize()
    assert landed.params["error"] == "server_error"
    assert "too_many_detours" in broker.reasons()


async def test_who_cancels_is_told_to_the_app_without_microsofts_words(begun, customers) -> None:
    customers.switch(AADB2C90091=True)
    broker = await begun(customers, **at_b2c(customers))
    async with broker.browser() as browser:
        landed = await browser.authorize()
    assert landed.params["error"] == "access_denied"
    assert "AADB2C" not in landed.url


# ── Entra ID ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def staff():
    async with FakeEntra.running(tenant="organizations") as idp:
        yield idp


def at_entra(idp, **more):
    here = {"authority": idp.origin, "graph": idp.origin}
    return {"type": "entra", "tenant": "organizations", "allowed_tenants": [entra.TENANT], **here, **more}


@pytest.mark.proves("entra", "a whole login: groups from Graph at the app")
async def test_an_app_hears_of_groups_that_only_graph_knows(begun, staff) -> None:
    staff.switch(groups_overage=5)
    broker = await begun(staff, **at_entra(staff))
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.authorize(scope=ASKED)).code)
        _, told = await browser.userinfo(tokens["access_token"])
    assert told["groups"] == [group(number) for number in range(1, 6)]
    assert (told["email"], told["email_verified"]) == ("AbeLi@example.com", True)
    assert entra.ANN not in str(claims(tokens["id_token"]))


@pytest.mark.proves("entra", "hundreds of groups, of which the map keeps those that matter")
async def test_of_hundreds_of_groups_those_that_matter_reach_the_app(begun, staff) -> None:
    staff.switch(groups_overage=700, graph_page=100)
    kept = {"from": ["api.groups", "id_token.groups"], "keep": group(7), "rename": {group(7): "admins"}}
    broker = await begun(staff, **at_entra(staff, claims={"claims": {"groups": kept}}))
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.authorize(scope=ASKED)).code)
        _, told = await browser.userinfo(tokens["access_token"])
    assert told["groups"] == ["admins"]


@pytest.mark.row("UI-09")
@pytest.mark.proves("entra", "no groups, no login: what the app hears when Graph is busy or says no")
@pytest.mark.parametrize(
    ("wrong", "error"), [("graph_429", "temporarily_unavailable"), ("graph_403", "server_error")]
)
async def test_without_graph_the_app_gets_no_code(begun, staff, wrong, error) -> None:
    staff.switch(groups_overage=True, **{wrong: True})
    broker = await begun(staff, **at_entra(staff))
    async with broker.browser() as browser:
        landed = await browser.authorize(scope=ASKED)
    assert (landed.params["error"], "code" in landed.params) == (error, False)


@pytest.mark.row("CB-33")
async def test_the_app_hears_that_another_tenants_person_may_not_come(begun, staff) -> None:
    staff.switch(wrong_tenant=True)
    broker = await begun(staff, **at_entra(staff))
    async with broker.browser() as browser:
        landed = await browser.authorize()
    assert landed.params["error"] == "access_denied"
    assert entra.OTHER not in landed.url


@pytest.mark.proves("entra", "a claims challenge at the token endpoint, seen from the app")
async def test_a_second_factor_that_is_demanded_late_costs_the_app_nothing(begun, staff) -> None:
    staff.switch(interaction_required_at_token='{"access_token":{"capolids":{"essential":true}}}')
    broker = await begun(staff, **at_entra(staff))
    async with broker.browser() as browser:
        status, _ = await browser.token((await browser.authorize()).code)
    assert status == 200
    assert [bool(seen.query.get("claims")) for seen in staff.seen("authorize")] == [False, True]


@pytest.mark.row("UI-14")
@pytest.mark.proves("entra", "the app's sub stays with the person through a new app registration")
async def test_the_apps_sub_is_the_persons_and_not_the_registrations(begun, staff) -> None:
    broker = await begun(staff, **at_entra(staff))
    subs = []
    for switch in ({}, {"pairwise_sub_changes": True}):
        staff.switch(**switch)
        async with broker.browser() as browser:
            _, tokens = await browser.token((await browser.authorize()).code)
            subs.append(claims(tokens["id_token"])["sub"])
    assert subs[0] == subs[1]


@pytest.mark.proves("entra", "groups and a tenant's leave are known at the next refresh")
@pytest.mark.row("UI-19")
async def test_what_changes_at_entra_is_known_at_the_next_refresh(begun, staff) -> None:
    scope = "openid profile email offline_access"
    broker = await begun(staff, **at_entra(staff, scope=scope, upstream_refresh="always"))
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.authorize(scope=ASKED)).code)
        staff.people[entra.ANN]["groups"] = [group(9)]
        status, tokens = await browser.refresh(tokens["refresh_token"])
        assert status == 200
        _, told = await browser.userinfo(tokens["access_token"])
        assert told["groups"] == [group(9)]
        staff.switch(aadsts_error_body=("invalid_grant", 50057))  # disabled there
        status, told = await browser.refresh(tokens["refresh_token"])
    assert (status, told["error"]) == (400, "invalid_grant")
