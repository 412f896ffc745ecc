"""What is kept of a login for `broker explain`: every decision, every claim, no value, one write."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

from broker.protocol.explained import Explained
from tests.flow.broker import Broker
from tests.flow.conftest import Start


async def explained(broker: Broker) -> Explained:
    """The record of the last login that the log knows."""
    ids = [event["correlation_id"] for event in broker.events() if event.get("correlation_id")]
    found = await broker.services.store.read_explained(ids[-1])
    assert found is not None
    return found


def decisions(told: Explained) -> dict[str, tuple[str, str]]:
    return {one.about: (one.outcome, one.why) for one in told.decisions}


async def test_a_login_is_explained_from_its_routing_to_its_consent(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.authorize(scope="openid profile groups")
        told = await explained(broker)
    assert (told.client_id, told.connector, told.outcome) == ("billing", "staff", "ok")
    assert decisions(told) == {
        "routing": ("staff", "the app allows no other"),
        "session": ("new", ""),
        "consent": ("asked", "about profile groups"),
    }
    claims = {one.claim: one for one in told.claims}
    assert claims["groups"].source == "userinfo: groups"
    assert claims["groups"].before == claims["groups"].after == "list of 2 (text)"
    assert told.scopes == ("openid", "profile", "groups")
    assert claims["name"].after == "text of 11"


async def test_single_sign_on_is_explained_by_the_session_and_the_remembered_consent(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        await browser.authorize(prompt="none")
        told = await explained(broker)
    assert decisions(told) == {"session": ("reused", ""), "consent": ("not asked", "remembered")}
    assert {one.claim for one in told.claims} >= {"name", "email"}


async def test_a_login_that_failed_is_explained_with_its_reason(start: Start) -> None:
    claims = {"name": {"from": "name"}, "level": {"from": "level", "required": True}}
    broker = await start(connector={"claims": claims})
    async with broker.browser() as browser:
        landed = await browser.authorize()
        assert landed.params["error"] == "access_denied"
    told = await explained(broker)
    assert (told.outcome, told.reason, told.detail) == ("refused", "claim_missing", "level")
    assert {one.claim: one.why for one in told.claims}["level"] == "required, and nothing gives it"


async def test_what_the_upstream_refused_is_explained_too(broker: Broker) -> None:
    broker.idp.switch(callback={"error": "access_denied", "code": None})
    async with broker.browser() as browser:
        await browser.authorize()
    told = await explained(broker)
    assert told.outcome == "refused"
    assert decisions(told)["routing"] == ("staff", "the app allows no other")


async def test_why_a_session_was_not_used_is_told(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        await browser.authorize(prompt="login")
        told = await explained(broker)
    sessions = [(one.outcome, one.why) for one in told.decisions if one.about == "session"]
    assert sessions == [("not used", "prompt=login"), ("new", "the same person's before it goes on")]


async def test_nothing_that_the_upstream_said_is_kept_and_of_a_sensitive_claim_not_even_its_length(
    start: Start,
) -> None:
    context = {"groups": {"type": "list", "sensitive": True}}
    broker = await start(top={"context": context})
    async with broker.browser() as browser:
        await browser.authorize()
        told = await explained(broker)
    text = msgspec.json.encode(told).decode()
    assert not [value for value in ("Ada", "people.example", "admins") if value in text]
    groups = next(one for one in told.claims if one.claim == "groups")
    assert (groups.before, groups.after) == ("hidden", "hidden")


@pytest.mark.parametrize(("lifetime", "writes"), [("10m", 1), ("0s", 0)])
async def test_an_explanation_costs_one_write_for_a_login_and_none_when_off(
    start: Start, lifetime: str, writes: int
) -> None:
    broker = await start(top={"lifetimes": {"explain": lifetime}})
    wire, commands = broker.services.store._wire, []
    call = wire.call

    def counted(*command):
        commands.append(command)
        return call(*command)

    wire.call = counted  # type: ignore[method-assign]
    async with broker.browser() as browser:
        await browser.login()
    assert sum("explained:" in str(command[1]) for command in commands if len(command) > 1) == writes


async def test_an_explanation_ends_with_its_lifetime(start: Start) -> None:
    broker = await start(top={"lifetimes": {"explain": "5m"}})
    async with broker.browser() as browser:
        await browser.authorize()
    store = broker.services.store
    (name,) = await store._wire.call("KEYS", f"{store._prefix}explained:*")
    assert 0 < await store._wire.call("PTTL", name) <= 300_000


async def test_a_request_that_is_nobodys_leaves_nothing_behind(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.step("GET", f"{broker.issuer}/authorize?client_id=nobody")
        await browser.step("GET", f"{broker.issuer}/callback/staff?state=x&code=y")
        await browser.post("/token", {"grant_type": "authorization_code", "code": "x"})
    store = broker.services.store
    assert await store._wire.call("KEYS", f"{store._prefix}explained:*") == []
    assert json.dumps(broker.reasons())


async def test_the_command_explains_a_login_by_the_id_in_the_log(broker: Broker, tmp_path: Path) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize()
        told = await explained(broker)
        asked = await told_by_command(tmp_path, told.correlation_id)
        assert "consent: asked, about profile email\nconsent now: none: not answered yet" in asked
        await browser.answer_consent(page)
    text = await told_by_command(tmp_path, told.correlation_id)
    assert text.startswith(f"login {told.correlation_id} of billing, ")
    assert "\nrouting: staff, the app allows no other\nsession: new\n" in text
    assert "\nconsent now: given for profile email\n" in text
    assert "\nname\n  text of 11, from userinfo: name\n" in text
    assert "; cast list; prefix staff:\n  not released: groups was not asked for\n" in text
    assert (
        "\n  rule: from userinfo: email, id_token: email, api: email\n  released in userinfo, by email\n"
        in text
    )
    assert "Ada Example" not in text
    as_json = json.loads(await told_by_command(tmp_path, told.correlation_id, "--json"))
    assert as_json["claims"][0]["claim"] == "name"
    assert as_json["consent_now"] == "given for profile email"


async def told_by_command(folder: Path, *arguments: str) -> str:
    command = (sys.executable, "-m", "broker", "explain", "--config", the_config(folder), *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0
    return told.decode()


def the_config(folder: Path) -> str:
    (config,) = folder.glob("broker-*.yaml")
    return str(config)
