"""One brokered login, end to end over HTTP."""

from __future__ import annotations

import pytest

from tests.flow.broker import CALLBACK, Broker, claims


async def test_a_client_app_logs_a_person_in_by_way_of_an_upstream(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        assert landed.url.startswith(CALLBACK + "?")
        assert landed.params["state"] == "state-of-the-client"
        assert landed.params["iss"] == broker.issuer
        status, tokens = await browser.token(landed.code)
        assert status == 200
        said = claims(tokens["id_token"])
        assert said["iss"] == broker.issuer
        assert said["aud"] == "billing"
        assert said["nonce"] == "nonce-of-the-client"
        assert {"sub", "exp", "iat", "auth_time", "at_hash", "sid"} <= said.keys()
        assert "email" not in said  # scope claims belong to userinfo
        status, person = await browser.userinfo(tokens["access_token"])
        assert status == 200
        assert person == {
            "sub": said["sub"],
            "name": "Ada Example",
            "email": "ada@people.example",
            "email_verified": True,
        }


async def test_the_request_may_come_by_post_and_goes_on_by_a_get_of_our_own(broker: Broker) -> None:
    async with broker.browser() as browser:
        url, _, form = browser.authorize_url().partition("?")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        landed = await browser.step("POST", url, data=form, headers=headers)
        assert landed.status == 303
        assert landed.url.startswith("/continue?flow=")
        landed = await browser.go(broker.issuer + landed.url)
        landed = await browser.answer_consent(landed)
        assert "code" in landed.params


async def test_form_post_answers_the_client_app_with_a_form(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(
            client_id="trusted", redirect_uri="https://trusted.example/cb", response_mode="form_post"
        )
        assert landed.status == 200
        assert 'action="https://trusted.example/cb"' in landed.body
        assert landed.field("state") == "state-of-the-client"
        assert landed.field("iss") == broker.issuer
        status, _ = await browser.token(
            landed.field("code"), client="trusted", redirect_uri="https://trusted.example/cb"
        )
        assert status == 200


async def test_a_second_app_logs_in_without_the_upstream(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        asked_before = len(broker.idp.requests)
        landed = await browser.authorize(client_id="trusted", redirect_uri="https://trusted.example/cb")
        assert "code" in landed.params
        assert len(broker.idp.requests) == asked_before


async def test_the_same_person_has_the_same_sub_at_every_login_and_client(broker: Broker) -> None:
    subjects = set()
    for client, redirect_uri in [("billing", CALLBACK), ("trusted", "https://trusted.example/cb")]:
        async with broker.browser() as browser:
            landed = await browser.login(client_id=client, redirect_uri=redirect_uri)
            _, tokens = await browser.token(landed.code, client=client, redirect_uri=redirect_uri)
            subjects.add(claims(tokens["id_token"])["sub"])
    assert len(subjects) == 1
    assert subjects.pop() != "ada"


async def test_userinfo_of_the_upstream_is_pulled_only_where_the_connector_says_so(start) -> None:
    broker = await start(connector={"get_user_info": False})
    async with broker.browser() as browser:
        await browser.login()
    assert not broker.idp.seen("userinfo")


@pytest.mark.row("CB-31")
async def test_userinfo_of_somebody_else_refuses_the_whole_login(broker: Broker) -> None:
    broker.idp.switch(userinfo="other_sub")
    async with broker.browser() as browser:
        landed = await browser.authorize()
        assert landed.params["error"] == "server_error"
        assert "session" not in browser.cookies()


async def test_prompt_login_asks_the_upstream_again_and_gives_a_later_auth_time(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        landed = await browser.login(prompt="login")
        _, tokens = await browser.token(landed.code)
        first, second = broker.idp.seen("authorize")
        assert "prompt" not in first.query
        assert second.query["prompt"] == "login"
        assert "auth_time" in claims(tokens["id_token"])


@pytest.mark.row("AZ-23")
@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}])
async def test_an_upstream_that_answers_with_an_old_login_is_not_passed_on_as_fresh(
    broker: Broker, asked
) -> None:
    broker.idp.switch(auth_time="wrong")
    async with broker.browser() as browser:
        landed = await browser.authorize(**asked)
        assert landed.params["error"] == "login_required"
        assert landed.params["iss"] == broker.issuer


@pytest.mark.row("AZ-22")
async def test_prompt_none_without_a_session_is_told_at_the_client_and_shows_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(prompt="none")
        assert landed.params.keys() == {"error", "state", "iss"} or landed.params["error"] == "login_required"
        assert landed.params["error"] == "login_required"


async def test_prompt_none_with_a_session_and_consent_is_silent(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await browser.login()
        again = await browser.authorize(prompt="none")
        assert again.code != first.code


@pytest.mark.row("AZ-22")
async def test_prompt_none_without_consent_is_consent_required(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb")
        landed = await browser.authorize(prompt="none")
        assert landed.params["error"] == "consent_required"


async def test_a_session_ends_when_its_absolute_time_is_over(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        broker.clock.forward(12 * 3600 + 1)
        landed = await browser.authorize(prompt="none")
        assert landed.params["error"] == "login_required"


async def test_upstream_errors_become_the_right_error_at_the_client(broker: Broker) -> None:
    for said, heard in [
        ("access_denied", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
        ("server_error", "server_error"),
    ]:
        broker.idp.switch(callback={"error": said, "code": None})
        async with broker.browser() as browser:
            landed = await browser.authorize()
            assert landed.params["error"] == heard, said
            assert landed.params["state"] == "state-of-the-client"
            assert landed.params["iss"] == broker.issuer


async def test_several_connectors_are_offered_on_a_chooser_and_a_hint_skips_it(start) -> None:
    broker = await start(connectors={"partners": {"name": "Partner login"}})
    async with broker.browser() as browser:
        page = await browser.authorize()
        assert page.status == 200
        assert "Staff login" in page.body
        assert "Partner login" in page.body
        landed = await browser.login(connector="partners")
        assert "code" in landed.params
    async with broker.browser() as browser:
        page = await browser.authorize()
        landed = await browser.go(page.link("connector=partners"))
        _, tokens = await browser.token(landed.code)
        assert broker.events("login")[-1]["connector"] == "partners"
        assert tokens["token_type"] == "Bearer"
