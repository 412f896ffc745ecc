"""What a code and a refresh token stand on; and what somebody made up stands on nothing."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.config import StoreConfig
from broker.endpoints import minting
from broker.protocol import handles
from broker.protocol.handles import Handle
from broker.store import Spent, StoreUnavailable
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, Browser, claims, running_broker
from tests.flow.conftest import Start
from tests.flow.signing import give
from tests.flow.test_logout import BACK, log_out

OFFLINE = "openid profile email offline_access"
INVALID_GRANT = (400, {"error": "invalid_grant", "error_description": "The grant is not valid."})
INVALID_CLIENT = (401, {"error": "invalid_client", "error_description": "Client authentication failed."})

ENDS = {
    "consent withdrawn": INVALID_GRANT,
    "connector gone": INVALID_GRANT,
    "connector not allowed": INVALID_GRANT,
    "redirect_uri gone": INVALID_GRANT,
    "client disabled": INVALID_CLIENT,
    "client gone": INVALID_CLIENT,
}


async def end(broker: Broker, subject: str, how: str) -> None:
    """Take away one of the things that a grant stands on."""
    services = broker.services
    if how == "consent withdrawn":
        await services.endings.withdraw(subject, "billing")
    elif how == "connector gone":
        routes = services.config.routing.routes
        object.__setattr__(routes, "all", type(routes.all)(()))
    elif how == "client gone":
        services.clients.configured = {}
    else:
        change: dict[str, Any] = {
            "connector not allowed": {"connectors": ("partners",)},
            "redirect_uri gone": {"redirect_uris": ("https://billing.example/new",)},
            "client disabled": {"enabled": False},
        }[how]
        give(broker, **change)


async def tokens_of(browser: Browser) -> dict[str, Any]:
    landed = await browser.login(scope=OFFLINE)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return tokens


# ── What ended ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("TK-21")
@pytest.mark.row("TK-05")
@pytest.mark.row("RT-07")
@pytest.mark.parametrize("how", ENDS)
async def test_neither_code_nor_refresh_token_outlives_what_it_stands_on(broker: Broker, how: str) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        unspent = (await browser.login(scope=OFFLINE)).code
        subject = claims(tokens["id_token"])["sub"]
        await end(broker, subject, how)
        assert await browser.token(unspent) == ENDS[how]
        assert await browser.refresh(tokens["refresh_token"]) == ENDS[how]
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401


@pytest.mark.row("RT-15")
async def test_a_sign_out_that_takes_refresh_tokens_along_wins_over_refreshes(start: Start) -> None:
    broker = await start(client={"revoke_on_logout": True, "post_logout_redirect_uris": [BACK]})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        refreshes = [browser.refresh(tokens["refresh_token"]) for _ in range(20)]
        leaving = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
        *answers, landed = await asyncio.gather(*refreshes, leaving)
        assert landed.url == BACK
        for status, given in answers:
            if status == 200:
                assert (await browser.userinfo(given["access_token"]))[0] == 401
                assert await browser.refresh(given["refresh_token"]) == INVALID_GRANT
        assert await browser.refresh(tokens["refresh_token"]) == INVALID_GRANT


@pytest.mark.row("RT-03")
@pytest.mark.row("TK-01")
async def test_what_was_used_is_known_for_that_after_a_restart(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    async with running_broker(idp, store_config, tmp_path) as broker, broker.browser() as browser:
        first = await tokens_of(browser)
        _, second = await browser.refresh(first["refresh_token"])
        spent = (await browser.login()).code
        assert (await browser.token(spent))[0] == 200
    async with running_broker(idp, store_config, tmp_path) as broker, broker.browser() as browser:
        assert await browser.token(spent) == INVALID_GRANT
        broker.clock.forward(11)
        assert await browser.refresh(first["refresh_token"]) == INVALID_GRANT
        assert await browser.refresh(second["refresh_token"]) == INVALID_GRANT
        assert {"code_replayed", "refresh_token_reused"} <= set(broker.reasons())


# ── What the store did, and nobody heard ──────────────────────────────────────────────────────


@pytest.mark.row("TK-18")
@pytest.mark.row("RD-06")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_a_code_whose_end_was_stored_and_not_heard_of_gives_nobody_anything(
    start: Start, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    made: list[Handle] = []
    mint = minting.refresh_token

    def minted(*given: Any) -> Handle:
        made.append(mint(*given))
        return made[-1]

    monkeypatch.setattr(minting, "refresh_token", minted)
    broker = await start(client={"access_token_format": form})
    store = broker.services.store
    spend = store.spend_code

    async def unheard(*given: Any, **further: Any) -> None:
        assert await spend(*given, **further) is Spent.WON
        raise StoreUnavailable("timeout")

    async with broker.browser() as browser:
        monkeypatch.setattr(store, "spend_code", unheard)
        code = (await browser.login(scope=OFFLINE)).code
        status, told = await browser.token(code)
        assert (status, told["error"]) == (503, "temporarily_unavailable")
        monkeypatch.setattr(store, "spend_code", spend)
        assert await browser.token(code) == INVALID_GRANT
        assert await browser.refresh(made[0].text) == INVALID_GRANT
    assert "code_replayed" in broker.reasons()


# ── What somebody made up ─────────────────────────────────────────────────────────────────────


@pytest.mark.row("RT-17")
async def test_a_token_that_somebody_made_up_is_refused_and_ends_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        grant = claims(tokens["access_token"])["jti"].partition(".")[0]  # an API knows it
        keys = broker.services.keys.jwks()["keys"]
        public = [broker.issuer.encode(), *(msgspec.json.encode(key) for key in keys)]
        guessed = [b"", b"\0" * 32, b"secret", *(one[:64] for one in public)]
        for key in (*guessed, *(sha256(one).digest() for one in public)):
            for purpose in ("refresh", "code", "access"):
                secret = broker.services.chance(handles.SECRET_BYTES)
                made_up = handles.mint(purpose, grant, secret, key).text
                assert await browser.refresh(made_up) == INVALID_GRANT
                assert await browser.token(made_up) == INVALID_GRANT
                assert (await browser.userinfo(made_up))[0] == 401
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200
    assert set(broker.reasons()) <= {"refresh_token_unknown", "code_unknown", "token_unknown"}
