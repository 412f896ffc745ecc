"""Codes at the token endpoint."""

from __future__ import annotations

import asyncio

import pytest

from tests.flow.broker import CALLBACK, Broker

TRUSTED = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb"}


@pytest.mark.row("TK-01")
async def test_a_code_used_twice_is_refused_and_what_it_gave_is_revoked(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid offline_access")
        _, tokens = await browser.token(landed.code)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        status, body = await browser.token(landed.code)
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        _, about = await browser.post("/introspect", {"token": tokens["access_token"]})
        assert about == {"active": False}
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
    assert "code_replayed" in broker.reasons()


@pytest.mark.row("TK-02")
async def test_of_a_hundred_concurrent_exchanges_exactly_one_wins(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        answers = await asyncio.gather(*(browser.token(landed.code) for _ in range(100)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 99


@pytest.mark.row("TK-03")
async def test_another_client_cannot_redeem_a_code_and_does_not_burn_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        status, body = await browser.token(landed.code, client="trusted")
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.row("TK-05")
@pytest.mark.parametrize("client", ["billing", "trusted"])
@pytest.mark.parametrize("redirect_uri", [CALLBACK, "https://billing.example/other"])
@pytest.mark.parametrize("verifier", ["v" * 50, "w" * 50])
@pytest.mark.parametrize("late", [False, True])
async def test_only_all_right_gives_tokens(broker: Broker, client, redirect_uri, verifier, late) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        if late:
            broker.clock.forward(61)
        status, body = await browser.token(
            landed.code, client=client, redirect_uri=redirect_uri, code_verifier=verifier
        )
    right = client == "billing" and redirect_uri == CALLBACK and verifier == "v" * 50 and not late
    assert status == (200 if right else 400)
    assert body.get("error") == (None if right else "invalid_grant")


@pytest.mark.row("TK-06")
@pytest.mark.parametrize("redirect_uri", [None, CALLBACK + "/", CALLBACK.upper(), CALLBACK + "?"])
async def test_another_redirect_uri_than_the_one_asked_with_is_refused(broker: Broker, redirect_uri) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        status, body = await browser.token(landed.code, redirect_uri=redirect_uri)
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.row("TK-07")
@pytest.mark.parametrize("verifier", [None, "", "w" * 50, "v" * 42, "v" * 129, "v" * 49 + "!"])
async def test_a_verifier_that_does_not_prove_is_refused_and_burns_nothing(broker: Broker, verifier) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        status, body = await browser.token(landed.code, code_verifier=verifier)
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.token(landed.code))[0] == 200


async def test_a_verifier_for_a_code_without_a_challenge_is_a_downgrade(start) -> None:
    broker = await start(client={"require_pkce": False})
    async with broker.browser() as browser:
        landed = await browser.login(code_challenge=None, code_challenge_method=None)
        status, body = await browser.token(landed.code)
        assert (status, body["error"]) == (400, "invalid_grant")
        assert (await browser.token(landed.code, code_verifier=None))[0] == 200


async def test_unknown_foreign_expired_and_spent_codes_hear_the_same(broker: Broker) -> None:
    async with broker.browser() as browser:
        spent = (await browser.login()).code
        await browser.token(spent)
        foreign = (await browser.login(**TRUSTED)).code
        answers = [
            await browser.token(spent),
            await browser.token(foreign),
            await browser.token("x" * 68),
            await browser.token(spent[:-1] + ("A" if spent[-1] != "A" else "B")),
        ]
    assert len({str(answer) for answer in answers}) == 1


async def test_a_partial_grant_is_told_in_scope(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(scope="openid profile email")
        landed = await browser.answer_consent(page, scopes=["profile"])
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid profile"
        _, person = await browser.userinfo(tokens["access_token"])
        assert "email" not in person


@pytest.mark.row("TK-02")
async def test_of_many_exchanges_at_two_workers_exactly_one_wins(start) -> None:
    one, other = await start(), await start()
    async with one.browser() as browser, other.browser() as elsewhere:
        landed = await browser.login()
        tries = [browser.token(landed.code) for _ in range(50)]
        tries += [elsewhere.token(landed.code) for _ in range(50)]
        answers = await asyncio.gather(*tries)
    assert sorted(status for status, _ in answers) == [200] + [400] * 99
