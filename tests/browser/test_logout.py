"""An app on another site signs a person out, in a real browser: by a form, by frames, and back to the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import web

from tests.browser.test_ways import ENDLESS
from tests.fakes.provider import FakeProvider
from tests.flow.broker import CHALLENGE, VERIFIER, Broker, running_broker

pytestmark = [pytest.mark.browser]


@dataclass
class Site:
    """The app: `localhost` is another site than the broker's 127.0.0.1."""

    origin: str = ""
    frames: list[tuple[dict[str, str], str]] = field(default_factory=list)
    """What a frame said, and where the browser said that it came from."""
    form: dict[str, str] = field(default_factory=dict)
    to: str = ""

    async def callback(self, _request: web.Request) -> web.Response:
        return web.Response(text="signed in")

    async def frame(self, request: web.Request) -> web.Response:
        self.frames.append((dict(request.query), request.headers.get("Sec-Fetch-Dest", "")))
        return web.Response(text="gone", content_type="text/html")

    async def way_out(self, _request: web.Request) -> web.Response:
        fields = "".join(
            f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in self.form.items()
        )
        page = f'<form method="post" action="{escape(self.to)}">{fields}<button>Sign out</button></form>'
        return web.Response(text=f"<!doctype html>{page}", content_type="text/html")

    async def bye(self, request: web.Request) -> web.Response:
        return web.Response(text=f"bye {request.query_string}")


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    app, server = Site(), web.Application()
    for path, handler in (("cb", app.callback), ("frame", app.frame), ("out", app.way_out), ("bye", app.bye)):
        server.router.add_get(f"/{path}", handler)
    runner = web.AppRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    app.origin = f"http://localhost:{runner.addresses[0][1]}"
    yield app
    await runner.cleanup()


@pytest_asyncio.fixture
async def broker(site: Site, store_config, tmp_path) -> AsyncIterator[Broker]:
    entry = {
        "trusted": True,
        "redirect_uris": [f"{site.origin}/cb"],
        "post_logout_redirect_uris": [f"{site.origin}/bye"],
        "frontchannel_logout_uri": f"{site.origin}/frame",
    }
    async with FakeProvider.running() as idp:
        idp.person("ada", name="Ada Example")
        async with running_broker(idp, store_config, tmp_path, client=entry) as running:
            yield running


async def signed_in(page, broker: Broker, site: Site) -> str:
    """The ID Token of a login in this browser."""
    asked = {
        "client_id": "billing",
        "redirect_uri": f"{site.origin}/cb",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    async with page.expect_request(lambda request: "/cb?" in request.url) as arriving:
        await page.goto(f"{broker.issuer}/authorize?{urlencode(asked)}")
    code = (await arriving.value).url.partition("code=")[2].partition("&")[0]
    async with broker.browser() as app:
        status, tokens = await app.token(code, redirect_uri=f"{site.origin}/cb", code_verifier=VERIFIER)
    assert status == 200
    return str(tokens["id_token"])


@pytest.mark.row("LO-13")
@pytest.mark.standard("OpenID Front-Channel Logout", "§3 frames in a real browser, then back to the app")
@pytest.mark.parametrize("scripting", [True, False])
async def test_a_form_of_another_site_signs_out_here_and_there_and_leads_back(
    browser, broker: Broker, site: Site, scripting: bool
) -> None:
    context = await browser.new_context(java_script_enabled=scripting)
    await context.add_init_script(ENDLESS)
    page = await context.new_page()
    hint = await signed_in(page, broker, site)
    site.to = f"{broker.issuer}/logout"
    site.form = {"id_token_hint": hint, "post_logout_redirect_uri": f"{site.origin}/bye", "state": "s&t"}
    await page.goto(f"{site.origin}/out")
    async with page.expect_request_finished(lambda request: "/frame?" in request.url):
        await page.get_by_role("button").click()
    if not scripting:  # the frames are there all the same, and a button leads on
        await page.get_by_role("link", name="Billing").click()
    await page.wait_for_url(f"{site.origin}/bye?state=s%26t")
    ((said, kind),) = site.frames
    assert (said["iss"], kind) == (broker.issuer, "iframe")
    assert set(said) == {"iss", "sid"}
    assert "session" not in {cookie["name"] for cookie in await context.cookies(broker.issuer)}
    await context.close()


@pytest.mark.row("LO-02")
async def test_a_form_of_another_site_that_proves_nothing_only_asks(
    browser, broker: Broker, site: Site
) -> None:
    page = await browser.new_page()
    await signed_in(page, broker, site)
    site.to, site.form = f"{broker.issuer}/logout", {"client_id": "billing"}
    await page.goto(f"{site.origin}/out")
    await page.get_by_role("button").click()
    await page.get_by_role("button", name="Stay signed in").click()
    await page.get_by_text("You are still signed in here").wait_for()
    assert site.frames == []
    assert "session" in {cookie["name"] for cookie in await page.context.cookies(broker.issuer)}
    await page.goto(f"{site.origin}/out")
    await page.get_by_role("button").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="You are signed out").wait_for()
    assert "session" not in {cookie["name"] for cookie in await page.context.cookies(broker.issuer)}
