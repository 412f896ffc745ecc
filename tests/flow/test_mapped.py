"""What a claims map makes of a whole login: provenance, client apps that share a session, groups that go."""

from __future__ import annotations

import pytest

from tests.flow.broker import Broker, Browser
from tests.flow.conftest import Start

TRUSTED = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb"}
FOR_EACH = {
    "name": {"from": ["name"]},
    "app": {"expression": 'client.client_id + ":" + upstream.userinfo.name'},
    "came_by": {"from": "connector.name"},
}
SCOPES = {
    "groups": {"description": "See your groups", "claims": ["groups"]},
    "profile": {"claims": ["app", "came_by", "vouched", "level"]},
}


async def told(browser: Browser, **asked: str) -> dict[str, object]:
    landed = await browser.login(**asked)
    client = asked.get("client_id", "billing")
    _, tokens = await browser.token(landed.code, client=client, redirect_uri=asked.get("redirect_uri"))
    _, claims = await browser.userinfo(tokens["access_token"])
    return {**claims, "refresh_token": tokens.get("refresh_token")}


async def told_to_billing(browser: Browser, **asked: str) -> dict[str, object]:
    return await told(browser, redirect_uri="https://billing.example/callback", **asked)


@pytest.fixture
async def for_each(start: Start) -> Broker:
    return await start(connector={"claims": {"claims": FOR_EACH}}, top={"scopes": SCOPES})


@pytest.mark.row("UI-17")
async def test_single_sign_on_never_shows_a_client_app_what_the_map_says_to_another(for_each: Broker) -> None:
    async with for_each.browser() as browser:
        first = await told_to_billing(browser)
        assert first["app"] == "billing:Ada Example"
        silent = {"scope": "openid profile email", "prompt": "none"}
        other = await told(browser, **TRUSTED, **silent)
        assert other["app"] == "trusted:Ada Example"
        again = await told_to_billing(browser, **silent)
        assert again["app"] == "billing:Ada Example"
        assert first["came_by"] == other["came_by"] == "Staff login"


async def test_what_a_session_and_a_grant_keep_is_no_other_client_apps(for_each: Broker) -> None:
    """The session holds what every app may see; a grant holds what its own app may, and no documents."""
    store = for_each.services.store
    sealed: list[bytes] = []
    seal = store._vault.seal

    def seen(name: str, data: bytes) -> bytes:
        sealed.append(name.split(":")[1].encode() + b" " + data)
        return seal(name, data)

    store._vault.seal = seen  # type: ignore[method-assign]
    async with for_each.browser() as browser:
        await told_to_billing(browser)
    sessions = [text for text in sealed if b'"ends_at"' in text]
    grants = [text for text in sealed if b'"code_expires_at"' in text]
    assert sessions
    assert grants
    assert not [text for text in sessions if b"billing:Ada" in text]
    assert all(b'"documents":null' in text for text in grants)


async def test_a_required_claim_of_one_client_app_refuses_only_that_app(start: Start) -> None:
    only = 'client.client_id == "trusted" ? optional.of("yes") : optional.none()'
    claims = {"name": {"from": "name"}, "level": {"expression": only, "required": True}}
    broker = await start(connector={"claims": {"claims": claims}}, top={"scopes": SCOPES})
    async with broker.browser() as browser:
        refused = await browser.authorize()
        assert refused.params["error"] == "access_denied"
        assert "claim_missing" in broker.reasons()
        allowed = await told(browser, **TRUSTED)
        assert allowed["level"] == "yes"


@pytest.mark.row("UI-01")
async def test_who_vouches_for_the_address_and_how_somebody_signed_in_may_be_claims(start: Start) -> None:
    claims = {
        "vouched": {"from": "upstream.email_vouched_by"},
        "level": {"from": "upstream.acr", "default": "unknown"},
        "name": {"from": "name"},
    }
    broker = await start(connector={"claims": claims}, top={"scopes": SCOPES})
    async with broker.browser() as browser:
        said = await told_to_billing(browser)
        assert said["vouched"] == broker.idp.issuer
        assert said["level"] == "0"  # as the provider says


@pytest.mark.row("UI-19")
async def test_a_group_that_is_taken_away_upstream_is_gone_here_at_the_next_login(broker: Broker) -> None:
    asked = {"scope": "openid groups"}
    async with broker.browser() as browser:
        before = await told_to_billing(browser, **asked)
        assert before["groups"] == ["staff:staff", "staff:admins"]
        broker.idp.people["ada"]["groups"] = ["staff"]
        after = await told_to_billing(browser, prompt="login", **asked)
        assert after["groups"] == ["staff:staff"]
        broker.idp.people["ada"].pop("groups")
        assert "groups" not in await told_to_billing(browser, prompt="login", **asked)


@pytest.mark.row("UI-19")
async def test_at_a_refresh_the_map_runs_again_for_the_client_app_at_hand(start: Start) -> None:
    """With what the upstream says now, and with how the person signed in then."""
    claims = {
        "app": {"expression": 'client.client_id + ":" + string(upstream.userinfo.groups.size())'},
        "level": {"from": "upstream.auth_time", "cast": "string"},
    }
    refreshed = {"scope": "openid profile offline_access", "upstream_refresh": "always"}
    broker = await start(connector={"claims": claims, **refreshed}, top={"scopes": SCOPES})
    async with broker.browser() as browser:
        asked = {"scope": "openid profile offline_access", "max_age": "3600"}
        first = await told_to_billing(browser, **asked)
        await told(browser, **TRUSTED, scope="openid profile")
        assert first["app"] == "billing:2"
        assert str(first["level"]).isdecimal()
        broker.idp.people["ada"]["groups"] = ["staff"]
        status, tokens = await browser.refresh(str(first["refresh_token"]))
        assert status == 200
        _, again = await browser.userinfo(tokens["access_token"])
        assert (again["app"], again["level"]) == ("billing:1", first["level"])


async def test_of_what_an_upstream_says_a_session_keeps_only_what_the_map_reads_and_not_too_much(
    start: Start,
) -> None:
    broker = await start(connector={"claims": {"claims": FOR_EACH}}, top={"scopes": SCOPES})
    sealed: list[bytes] = []
    seal = broker.services.store._vault.seal

    def seen(name: str, data: bytes) -> bytes:
        sealed.append(data)
        return seal(name, data)

    broker.services.store._vault.seal = seen  # type: ignore[method-assign]
    broker.idp.people["ada"] |= {"picture": "https://x.example/" + "p" * 50_000}
    async with broker.browser() as browser:
        assert (await told_to_billing(browser))["app"] == "billing:Ada Example"
    kept = [text for text in sealed if b'"ends_at"' in text]
    assert len(kept) == 2, "the session, and how it is listed"
    assert not [text for text in kept if b"ppppp" in text]
    broker.idp.people["ada"]["name"] = "n" * 40_000
    async with broker.browser() as browser:
        refused = await browser.authorize()
    assert refused.params["error"] == "access_denied"
    assert broker.reasons()[-1] == "documents_too_large"


MANY = [f"canary-{number}" for number in range(1001)]


@pytest.mark.row("UI-09")
@pytest.mark.row("LG-06")
async def test_that_somebody_comes_in_without_their_groups_is_told_to_the_operator(start: Start) -> None:
    """The claim and the reason; never the groups themselves."""
    claims = {
        "name": {"from": "name"},
        "groups": {"from": "groups", "cast": "list"},
        "picture": {"from": "picture"},
        "computed": {"expression": "upstream.userinfo.groups.filter(g, g != '')"},
        "asked": {"expression": "client.client_id + upstream.userinfo.groups[0] + upstream.userinfo.number"},
        "absent": {"expression": "upstream.userinfo.absent"},
        "conditional": {"from": "name", "when": "absent"},
    }
    broker = await start(connector={"claims": claims}, top={"scopes": SCOPES})
    broker.idp.people["ada"] |= {"groups": MANY, "picture": "javascript:canary()", "number": 7}
    async with broker.browser() as browser:
        said = await told_to_billing(browser, scope="openid groups")
    assert "groups" not in said
    everybodys, its_own = broker.events("claims")
    for event in (everybodys, its_own):
        assert (event["outcome"], event["reason"], event["connector"]) == (
            "refused",
            "claims_left_out",
            "staff",
        )
        assert event["correlation_id"] == broker.events("login")[0]["correlation_id"]
    assert everybodys["detail"] == (
        "groups (userinfo: groups: more than 1000 entries); "
        "picture (userinfo: picture: not an http or https URL); "
        "computed (expression: upstream.userinfo.groups: more than 1000 entries)"
    )
    assert its_own["detail"].startswith("asked (expression: ")
    assert "canary" not in "".join(line.decode() for line in broker.log)


@pytest.mark.row("UI-09")
async def test_groups_that_are_required_and_too_many_refuse_the_login_and_say_why(start: Start) -> None:
    claims = {"groups": {"from": "groups", "cast": "list", "required": True}}
    broker = await start(connector={"claims": claims}, top={"scopes": SCOPES})
    broker.idp.people["ada"]["groups"] = MANY
    async with broker.browser() as browser:
        assert (await browser.authorize()).params["error"] == "access_denied"
    (refusal,) = [event for event in broker.events() if event.get("reason") == "claim_missing"]
    assert refusal["detail"] == "groups: userinfo: groups: more than 1000 entries"
    assert "canary" not in "".join(line.decode() for line in broker.log)


@pytest.mark.row("LG-07")
async def test_what_is_merely_absent_is_no_event(broker: Broker) -> None:
    broker.idp.people["ada"].pop("groups")
    async with broker.browser() as browser:
        await told_to_billing(browser)
    assert broker.events("claims") == []


@pytest.mark.row("UI-19")
async def test_groups_that_become_too_many_are_told_at_a_refresh_as_well(start: Start) -> None:
    claims = {"name": {"from": "name"}, "groups": {"from": "groups", "cast": "list"}}
    refreshed = {"scope": "openid profile offline_access", "upstream_refresh": "always"}
    broker = await start(connector={"claims": claims, **refreshed}, top={"scopes": SCOPES})
    async with broker.browser() as browser:
        first = await told_to_billing(browser, scope="openid groups offline_access", prompt="consent")
        assert first["groups"]
        broker.idp.people["ada"]["groups"] = MANY
        _, tokens = await browser.refresh(str(first["refresh_token"]))
        _, said = await browser.userinfo(tokens["access_token"])
    assert "groups" not in said
    assert [event["reason"] for event in broker.events("claims")] == ["claims_left_out"]
