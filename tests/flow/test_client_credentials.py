"""client_credentials: a client app speaks for itself."""

from __future__ import annotations

import asyncio

import pytest

from tests.flow.broker import Broker, claims
from tests.flow.machines import API, SCOPES, api, entry, for_itself, introspected
from tests.flow.proofs import Prover, send


@pytest.fixture
async def broker(start) -> Broker:
    """With a machine that has all kinds of scopes, one with opaque tokens, and an API that they call."""
    return await start(
        top={"scopes": SCOPES},
        clients={
            "nightly": entry("Nightly export", "client_credentials", audience=API),
            "opaque": entry("Opaque", "client_credentials", access_token_format="opaque", audience=API),
            "reports": api(),
        },
    )


@pytest.mark.standard("RFC 6749", "§4.4 client_credentials")
@pytest.mark.standard("RFC 9068", "§2.2 sub is the client_id where no person is there")
async def test_a_client_gets_a_token_for_itself_and_no_refresh_token(broker: Broker) -> None:
    async with broker.browser() as browser:
        status, answer = await for_itself(browser, scope="reports.read")
    assert status == 200
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    said = claims(answer["access_token"])
    assert (said["sub"], said["client_id"], said["aud"]) == ("nightly", "nightly", API)
    assert said["scope"] == answer["scope"] == "reports.read"
    assert not {"auth_time", "acr", "sid", "act"} & said.keys()


@pytest.mark.standard("RFC 6749", "§3.3 an empty scope is a default that is told")
async def test_an_empty_scope_is_all_but_dynamic_scopes_and_those_about_people(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser)
    assert answer["scope"].split() == ["reports.read", "reports.write"]


async def test_a_dynamic_scope_is_given_to_who_asks_for_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser, scope="account.4711")
        assert answer["scope"] == "account.4711"
        status, refused = await for_itself(browser, scope="account.*")
    assert (status, refused["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("scope", ["openid", "openid reports.read", "email", "offline_access", "groups"])
async def test_scopes_of_people_and_of_others_are_refused(broker: Broker, scope: str) -> None:
    async with broker.browser() as browser:
        status, answer = await for_itself(browser, scope=scope)
    assert (status, answer["error"]) == (400, "invalid_scope")


@pytest.mark.row("RS-01")
@pytest.mark.parametrize("client", ["nightly", "opaque"])
async def test_it_is_never_good_at_userinfo(broker: Broker, client: str) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser, client)
        status, _ = await browser.userinfo(answer["access_token"])
    assert status in (401, 403)


@pytest.mark.parametrize("client", ["nightly", "opaque"])
async def test_the_api_that_it_is_for_hears_who_it_is(broker: Broker, client: str) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser, client, scope="reports.read")
        told = await introspected(browser, answer["access_token"], "reports")
    assert told["active"] is True
    assert (told["sub"], told["client_id"], told["username"]) == (client, client, client)


@pytest.mark.row("RS-07")
@pytest.mark.parametrize("client", ["nightly", "opaque"])
async def test_it_ends_when_its_client_gives_it_back(broker: Broker, client: str) -> None:
    async with broker.browser() as browser:
        _, first = await for_itself(browser, client)
        _, second = await for_itself(browser, client)
        await browser.post("/revoke", {"token": first["access_token"]}, client=client)
        assert await introspected(browser, first["access_token"], "reports") == {"active": False}
        assert (await introspected(browser, second["access_token"], "reports"))["active"] is True


async def test_it_ends_at_its_end_and_leaves_nothing_behind(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser)
        broker.clock.forward(301)
        assert await introspected(browser, answer["access_token"], "reports") == {"active": False}


@pytest.mark.row("TK-10")
async def test_a_client_without_the_grant_type_or_without_credentials_gets_nothing(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        status, answer = await for_itself(browser, "billing")
        assert (status, answer["error"]) == (400, "unauthorized_client")
        form = {"grant_type": "client_credentials", "client_id": "spa"}
        status, answer = await browser.post("/token", form, client=None)
    assert (status, answer["error"]) == (400, "unauthorized_client")


@pytest.mark.standard("RFC 8707", "§2.2 a resource at the token endpoint")
async def test_it_may_name_an_api_and_no_other(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, answer = await for_itself(browser, resource=API)
        assert claims(answer["access_token"])["aud"] == API
        status, refused = await for_itself(browser, resource="https://elsewhere.example")
    assert (status, refused["error"]) == (400, "invalid_target")


@pytest.mark.standard("RFC 9449", "§5 a bound token by client_credentials")
async def test_it_can_be_bound_to_a_key(broker: Broker) -> None:
    prover = Prover(broker)
    form = {"grant_type": "client_credentials"}
    status, answer, _ = await send(broker, "/token", form, client="nightly", proof=prover.proof())
    assert (status, answer["token_type"]) == (200, "DPoP")
    assert claims(answer["access_token"])["cnf"] == {"jkt": prover.jkt}
    async with broker.browser() as browser:
        told = await introspected(browser, answer["access_token"], "reports")
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": prover.jkt})


async def test_a_hundred_at_once_are_a_hundred_tokens(broker: Broker) -> None:
    async with broker.browser() as browser:
        answers = await asyncio.gather(*(for_itself(browser) for _ in range(100)))
    assert {status for status, _ in answers} == {200}
    assert len({claims(answer["access_token"])["jti"] for _, answer in answers}) == 100


async def test_every_token_is_an_event_with_its_client(broker: Broker) -> None:
    async with broker.browser() as browser:
        await for_itself(browser)
    (event,) = broker.events("token")
    assert (event["grant_type"], event["client_id"]) == ("client_credentials", "nightly")
