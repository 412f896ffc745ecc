"""Client apps that others wrote at a workspace of the broker: an issuer with a path, at both upstreams."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop import between, broker, node, realm, spa
from tests.interop.between import ADA, Person
from tests.interop.browser import Arrival
from tests.interop.processes import free_port

WORKSPACE = "subsidiary"

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(spa.missing() is not None, reason=str(spa.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker with all in one workspace, and the origin of a page that belongs there."""
    port, issuer = free_port(), broker.address()
    origin = f"http://127.0.0.1:{port}"
    clients = {
        "billing": broker.TRUSTED_APP,
        "pages": {
            "client_name": "Pages",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{origin}/callback", f"{origin}/silent"],
            "post_logout_redirect_uris": [f"{origin}/"],
            "scope": "openid profile email staff",
            "trusted": True,
        },
    }
    async with realm.administered(acme) as admin:
        await admin.register(WORKSPACE, redirect_uris=[f"{issuer}/t/{WORKSPACE}/callback/staff"])
    ours = dataclasses.replace(acme, client_id=WORKSPACE, client_secret=realm.SECRET)
    folder = tmp_path_factory.mktemp("workspace")
    async with contextlib.AsyncExitStack() as stack:
        serving = between.serving(folder, ours, clients, issuer=issuer, workspace=WORKSPACE)
        here = await stack.enter_async_context(serving)
        settings = {"authority": here.issuer, "client_id": "pages", "scope": "openid profile email staff"}
        yield here, await stack.enter_async_context(spa.serving(port, settings))


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator:
    """A page in a Chromium that has been nowhere."""
    async with spa.chromium() as running:
        yield await running.new_page()


@between.AT_BOTH
@pytest.mark.standard("OpenID Discovery", "§4.1 metadata of an issuer with a path, as openid-client reads it")
async def test_openid_client_logs_in_refreshes_and_signs_out_at_a_workspace(house, person: Person):
    here, _ = house
    async with node.billing(here.issuer) as app, here.browser(broker.APP) as browser:
        begun = await app.do("begin", scope="openid profile email offline_access")
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
        assert isinstance(arrived, Arrival)
        tokens = await app.do("finish", url=arrived.url)
        assert tokens["claims"]["iss"] == here.issuer == f"{here.host}/t/{WORKSPACE}"
        sub = tokens["claims"]["sub"]
        fresh = await app.do("refresh", refresh_token=tokens["refresh_token"])
        userinfo = await app.do("userinfo", access_token=fresh["access_token"], sub=sub)
        assert (userinfo["name"], userinfo["email"]) == (person.name, person.email)

        ended = await app.do("end", id_token=tokens["id_token"], back=broker.APP, state="done")
        arrived = await browser.open(ended["url"])
        assert isinstance(arrived, Arrival)
        assert arrived.answer == {"state": "done"}


async def test_a_page_signs_in_and_renews_in_a_frame_at_a_workspace(house, page):
    _, origin = house
    await spa.sign_in(page, origin, ADA, asked=False)
    first = await page.evaluate("app.user()")
    assert first["profile"]["email"] == ADA.email
    second = await page.evaluate("app.renew()")  # no refresh token: in a frame, by the workspace's own cookie
    assert second["profile"]["sub"] == first["profile"]["sub"]
    assert second["access_token"] != first["access_token"]
