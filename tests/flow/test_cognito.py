"""Whole logins with AWS Cognito: what its userinfo writes as text, and a session that is too old."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.cognito import ANN, POOL, FakeCognito
from tests.flow.broker import Broker, claims

JANE = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@pytest.fixture
async def pool():
    async with FakeCognito.running() as idp:
        yield idp


@pytest.fixture
def begun(start, pool):
    async def begin(**keys: Any) -> Broker:
        entry = {
            "type": "cognito",
            "name": "Customers",
            "user_pool_id": POOL,
            "endpoint_url": pool.origin,
            "client_id": pool.client_id,
            "client_secret": pool.client_secret,
            **keys,
        }
        broker = await start(top={"connectors": {"customers": entry}}, client={"trusted": True})
        pool.now = broker.clock
        # The pool is two hosts: the browser follows to both.
        broker.idp = SimpleNamespace(issuer="http://", client_secret=pool.client_secret)
        return broker

    return begin


@pytest.mark.proves("cognito", "a whole login: what is text at Cognito is a boolean at the app")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize("verified", [True, False])
async def test_what_is_text_at_cognito_is_a_boolean_at_the_app(begun, pool, verified) -> None:
    pool.person(JANE, **{**ANN, "email_verified": verified})
    broker = await begun(get_user_info=True)
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.authorize()).code)
        _, told = await browser.userinfo(tokens["access_token"])
    assert told["email_verified"] is verified
    assert ("email" in told) is verified
    assert JANE not in str(claims(tokens["id_token"]))


@pytest.mark.proves("cognito", "max_age: one more way to the pool, and the app sees a fresh auth_time")
async def test_a_session_of_the_pool_that_is_too_old_is_renewed_on_the_way(begun, pool) -> None:
    broker = await begun()
    async with broker.browser() as browser:
        await browser.authorize()
    broker.clock.forward(600)
    async with broker.browser() as browser:
        landed = await browser.authorize(max_age="60")
        _, tokens = await browser.token(landed.code)
        assert broker.clock() - claims(tokens["id_token"])["auth_time"] < 60
    prompts = [seen.query.get("prompt") for seen in pool.seen("authorize")]
    assert prompts == [None, None, "login"]
    assert {urlsplit(pool.url("authorize")).hostname, urlsplit(pool.issuer).hostname} == {
        "localhost",
        "127.0.0.1",
    }


@pytest.mark.proves("cognito", "max_age at the classic pages, which ask nobody")
async def test_where_the_pool_will_not_ask_the_app_hears_login_required(begun, pool) -> None:
    broker = await begun()
    async with broker.browser() as browser:
        await browser.authorize()
    broker.clock.forward(600)
    pool.switch(classic_ui_ignores_prompt=True)
    async with broker.browser() as browser:
        landed = await browser.authorize(max_age="60")
    assert landed.params["error"] == "login_required"
    assert len(pool.seen("authorize")) == 3
