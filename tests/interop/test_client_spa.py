"""oidc-client-ts in Chromium at both upstreams: a public client, which calls from another origin."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page

from tests.interop import between, spa
from tests.interop.between import ADA, Person
from tests.interop.processes import free_port

SCOPE = "openid profile email staff offline_access"

pytestmark = [
    *between.MARKS,
    pytest.mark.browser,
    pytest.mark.skipif(spa.missing() is not None, reason=str(spa.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the origins of three apps: `pages`, `own`, which is trusted, and `bound`."""
    ports = {"pages": free_port(), "own": free_port(), "bound": free_port()}
    origins = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    clients = {
        name: {
            "client_name": name,
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{origin}/callback", f"{origin}/silent"],
            "post_logout_redirect_uris": [f"{origin}/"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": SCOPE,
            "trusted": name != "pages",
            "dpop_bound_access_tokens": name == "bound",
            "dpop_nonce": "required" if name == "bound" else "optional",
        }
        for name, origin in origins.items()
    }
    folder = tmp_path_factory.mktemp("spa")
    async with between.serving(folder, acme, clients) as here, contextlib.AsyncExitStack() as apps:
        for name, port in ports.items():
            settings: dict[str, Any] = {"authority": here.issuer, "client_id": name, "scope": SCOPE}
            if name == "bound":  # the library asks userinfo as a bearer would
                settings |= {"bound": True, "loadUserInfo": False}
            await apps.enter_async_context(spa.serving(port, settings))
        yield here, origins


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium():
    """One Chromium for all that is here."""
    async with spa.chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium) -> AsyncIterator[Page]:
    """A page that has been nowhere; what goes wrong in its scripts fails the test."""
    wrong: list[str] = []
    context = await chromium.new_context()
    opened = await context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    await context.close()
    assert wrong == []


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§3.1 a whole code flow of a public client, as oidc-client-ts checks it")
@pytest.mark.standard("RFC 9700", "§2.6 CORS where browser apps call, and refresh tokens of a public client")
async def test_a_page_signs_in_renews_and_revokes(house, page: Page, person: Person):
    _, origins = house
    await spa.sign_in(page, origins["pages"], person)
    first = await page.evaluate("app.user()")
    known = json.loads(await page.locator("#known").inner_text())
    assert known == first["profile"]
    assert (known["name"], known["email"]) == (person.name, person.email)
    assert sorted(known["groups"]) == sorted(person.groups)
    assert known["sub"] not in ("", person.username)

    second = await page.evaluate("app.renew()")  # by its refresh token
    assert second["refresh_token"] != first["refresh_token"]
    assert second["profile"]["sub"] == known["sub"]
    assert await page.evaluate("token => app.userinfo(token)", second["access_token"]) == 200

    await page.evaluate("app.revoke('access_token', 'refresh_token')")
    assert await page.evaluate("token => app.userinfo(token)", second["access_token"]) == 401


@between.AT_BOTH
@pytest.mark.standard("RFC 9449", "§5, §7.1, §8, §9, §10 code and tokens bound to a key in the browser")
async def test_a_page_holds_tokens_that_nobody_else_can_use(house, page: Page, person: Person):
    _, origins = house
    await spa.sign_in(page, origins["bound"], person, asked=False)
    first = await page.evaluate("app.user()")
    assert first["token_type"] == "DPoP"
    second = await page.evaluate("app.renew()")  # by its refresh token, with a proof of the same key
    assert second["access_token"] != first["access_token"]

    userinfo = await page.evaluate("app.provenUserinfo()")
    assert (userinfo["sub"], userinfo["email"]) == (first["profile"]["sub"], person.email)
    assert await page.evaluate("token => app.userinfo(token)", second["access_token"]) == 401


@pytest.mark.standard("OpenID Core", "§3.1.2.1 prompt=none in a frame, silent, and with the same sub")
async def test_a_page_renews_in_a_frame_that_nobody_sees(house, page: Page):
    _, origins = house
    await spa.sign_in(page, origins["own"], ADA, asked=False)
    first = await page.evaluate("app.user()")
    await page.evaluate("app.forgetRefreshToken()")
    second = await page.evaluate("app.renew()")
    assert second["profile"]["sub"] == first["profile"]["sub"]
    assert second["access_token"] != first["access_token"]
    assert page.url == f"{origins['own']}/"


async def test_a_page_that_must_ask_each_time_is_told_so_in_its_frame(house, page: Page):
    # A public client on loopback may be any program there: that it was allowed once proves nothing
    # (RFC 8252 §8.6).
    _, origins = house
    await spa.sign_in(page, origins["pages"], ADA)
    await page.evaluate("app.forgetRefreshToken()")
    with pytest.raises(Error, match="consent_required"):
        await page.evaluate("app.renew()")


async def test_a_page_whose_visitor_has_no_session_is_told_so_in_its_frame(house, page: Page):
    _, origins = house
    await page.goto(f"{origins['own']}/")
    await spa.ready(page)
    with pytest.raises(Error, match="login_required"):
        await page.evaluate("app.renew()")


@pytest.mark.standard(
    "OpenID RP-Initiated Logout", "§2, §3 signed out by oidc-client-ts, and back at its page"
)
async def test_a_page_signs_its_visitor_out_at_the_broker_too(house, page: Page):
    _, origins = house
    await spa.sign_in(page, origins["own"], ADA, asked=False)
    await page.evaluate("void app.signOut()")
    await page.wait_for_url(f"{origins['own']}/?state=*")
    await spa.ready(page)
    assert await page.locator("#known").inner_text() == "Nobody has signed in."
    with pytest.raises(Error, match="login_required"):
        await page.evaluate("app.renew()")


@pytest.mark.row("WB-17")
@pytest.mark.standard("RFC 9700", "§2.6 no CORS for an origin that no public client is at")
async def test_a_page_of_another_origin_is_told_nothing(house, page: Page):
    here, _ = house
    port = free_port()
    async with spa.serving(port, {"authority": here.issuer, "client_id": "pages"}) as elsewhere:
        await page.goto(f"{elsewhere}/")
        await spa.ready(page)
        with pytest.raises(Error, match="Failed to fetch"):
            await page.evaluate("app.signIn()")
