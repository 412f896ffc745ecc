"""Signing out in one workspace ends nothing in another, whoever says so and by whatever was given there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from broker.config import StoreConfig
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Browser, Landed, claims
from tests.flow.client_app import ClientApp
from tests.flow.test_logout import BACK, asks, is_signed_in, log_out
from tests.flow.test_logout_notices import listening, settled
from tests.flow.test_logout_upstream import post, signed
from tests.flow.test_workspaces import Host, running_host, tokens_of


@pytest.fixture
async def app() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


@pytest.fixture
async def host(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path, app: ClientApp
) -> AsyncIterator[Host]:
    async with AsyncExitStack() as stack:
        entry = listening(app)
        yield await running_host(stack, idp, store_config, tmp_path, client=entry)


async def everywhere(host: Host, browser: Browser) -> list[bool]:
    """Where this browser is signed in."""
    found = []
    for browser.broker in host.all:
        found.append(await is_signed_in(browser))
    return found


async def posted(browser: Browser, **asked: str) -> Landed:
    """A sign-out that is asked by a form, as far as its answer."""
    landed = await browser.step("POST", f"{browser.broker.issuer}/logout", data=asked)
    where = urlsplit(browser.broker.issuer)
    return await browser.go(f"{where.scheme}://{where.netloc}{landed.url}")


@pytest.mark.row("LO-03")
@pytest.mark.row("AZ-41")
async def test_a_hint_of_one_workspace_is_none_in_another(host: Host) -> None:
    async with host.own.browser() as browser:
        tokens = []
        for browser.broker in host.all:
            tokens.append(await tokens_of(browser))
        browser.broker = host.beta
        for given in tokens[:2]:
            asked = {"id_token_hint": given["id_token"], "post_logout_redirect_uri": BACK}
            assert asks(await log_out(browser, **asked))
            assert asks(await posted(browser, **asked))
        assert await everywhere(host, browser) == [True] * 3


@pytest.mark.row("LO-07")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_sign_out_ends_the_session_of_its_workspace_and_tells_its_app(
    host: Host, app: ClientApp, method: str
) -> None:
    async with host.own.browser() as browser:
        tokens = {}
        for browser.broker in host.all:
            tokens[browser.broker.issuer] = await tokens_of(browser)
        browser.broker = host.acme
        asked = {"id_token_hint": tokens[host.acme.issuer]["id_token"], "post_logout_redirect_uri": BACK}
        if method == "GET":
            landed = await browser.step("GET", f"{host.acme.issuer}/logout?{urlencode(asked)}")
        else:
            landed = await posted(browser, **asked)
        assert landed.url == BACK
        assert await everywhere(host, browser) == [True, False, True]
        (told,) = await app.hears()
        said = await app.checked(told, issuer=host.acme.issuer, client_id="billing")
        assert said["sid"] == claims(tokens[host.acme.issuer]["id_token"])["sid"]
    for broker in host.all:
        await settled(broker)


@pytest.mark.row("LO-07")
async def test_an_upstream_ends_what_came_of_it_in_the_workspace_that_it_tells(host: Host, idp) -> None:
    async with host.own.browser() as browser:
        for browser.broker in host.all:
            await tokens_of(browser)
        browser.broker = host.acme
        token = signed(idp)
        assert await post(browser, token) == (200, {})
        assert await everywhere(host, browser) == [True, False, True]
        browser.broker = host.beta  # whoever has registered with both tells both
        assert await post(browser, token) == (200, {})
        assert await everywhere(host, browser) == [True, False, False]
