"""oidc-agent at both upstreams: a person at a shell has tokens from a program that refreshes."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import pytest_asyncio

from tests.interop import between, broker, oidc_agent
from tests.interop.between import Person
from tests.interop.browser import Page
from tests.interop.processes import Talking, free_port

SCOPE = "openid profile email offline_access"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
AT = {person.connector: f"http://localhost:{free_port()}" for person in between.PEOPLE}
"""Where the agent listens for each one's browser; it does so for some seconds more than it must."""
FINE = "Everything setup correctly!"

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(oidc_agent.missing() is not None, reason=str(oidc_agent.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(acme, tmp_path_factory):
    """A broker that knows the agent."""
    clients = {
        "shell": {
            **broker.TRUSTED_APP,
            "client_name": "Shell",
            "redirect_uris": list(AT.values()),
            "scope": SCOPE,
            "trusted": False,
        }
    }
    registration = {"policy": "open", "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE]}
    folder = tmp_path_factory.mktemp("oidc-agent")
    async with between.serving(folder, acme, clients, registration=registration) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def agent(tmp_path_factory):
    """An agent with no account."""
    async with oidc_agent.serving(tmp_path_factory.mktemp("agent")) as running:
        yield running


async def userinfo(here: between.Between, token: str) -> tuple[int, dict[str, str]]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.request("GET", f"{here.issuer}/userinfo", headers=headers) as answer:
        return answer.status, await answer.json() if answer.status == 200 else {}


async def sent_through(here: between.Between, process: Talking, person: Person) -> Page:
    """She opens the address that the agent prints, and ends at the agent's own page."""
    url = (await process.says("/authorize?")).strip()
    async with here.browser() as browser:
        seen = await between.sign_in(here, browser, await browser.open(url), person)
    assert isinstance(seen, Page)
    await process.says(FINE)
    await process.process.wait()
    return seen


@between.AT_BOTH
@pytest.mark.standard("RFC 8252", "§7.3 an app at a shell that listens on loopback")
@pytest.mark.standard("RFC 6749", "§6 oidc-agent refreshes, and keeps the new refresh token")
@pytest.mark.standard("RFC 7009", "§2.1 oidc-agent revokes when its account is deleted")
async def test_the_agent_gets_tokens_refreshes_and_revokes(here, agent, person: Person):
    known = (
        "--client-id=shell",
        f"--client-secret={broker.APP_SECRET}",
        f"--redirect-uri={AT[person.connector]}",
    )
    asked = ("--flow=code", f"--scope={SCOPE}")
    async with agent.generating("work", here.issuer, *known, *asked) as process:
        page = await sent_through(here, process, person)
    assert page.url.startswith(AT[person.connector])
    first = await agent.token("work")
    second = await agent.token("work", "--force-new")
    assert first != second
    for token in (first, second):
        status, told = await userinfo(here, token)
        assert (status, told["email"]) == (200, person.email)

    await agent.delete("work")
    assert await asyncio.gather(userinfo(here, first), userinfo(here, second)) == [(401, {}), (401, {})]


@between.AT_BOTH
@pytest.mark.standard(
    "RFC 7591", "§3 oidc-agent registers itself, with a redirect URI of a scheme of its own"
)
@pytest.mark.standard("RFC 8252", "§7.1 a scheme that is the app's own, beside loopback")
async def test_the_agent_registers_itself(here, agent, person: Person):
    at = f"http://localhost:{free_port()}"
    async with agent.generating(
        "own", here.issuer, f"--redirect-uri={at}", "--flow=code", f"--scope={SCOPE}"
    ) as process:
        await sent_through(here, process, person)
    status, told = await userinfo(here, await agent.token("own"))
    assert (status, told["email"]) == (200, person.email)
    await agent.delete("own")


@pytest.mark.standard("RFC 8628", "§3 oidc-agent at a shell, and the browser on another machine")
@pytest.mark.standard("RFC 7591", "§2.1 oidc-agent registers for devices, without a response type")
async def test_the_agent_is_connected_as_a_device(here, agent):
    async with agent.generating("device", here.issuer, "--flow=device", f"--scope={SCOPE}") as process:
        url = (await process.says("/device")).strip()
        code = (await process.says("And enter the code:")).rpartition(" ")[2]
        async with here.browser() as browser:
            seen = await browser.submit(await browser.page(url), {"user_code": code})
            await between.sign_in(here, browser, seen, between.ADA, until="Device connected")
        await process.says(FINE)
        await process.process.wait()
    status, told = await userinfo(here, await agent.token("device"))
    assert (status, told["email"]) == (200, between.ADA.email)
    await agent.delete("device")
