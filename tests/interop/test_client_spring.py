"""Spring Boot 3.5 and 4.0 at both upstreams: an app where people sign in, and APIs that take its tokens."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.interop import between, broker, jvm, spring
from tests.interop.between import Person
from tests.interop.browser import Browser, Page

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]
SCOPES = {
    **broker.SCOPES,
    "invoices.read": {"description": "Read your invoices"},
}
VERSIONS = ((jvm.SPRING_3, "127.0.0.1"), (jvm.SPRING_4, "localhost"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and both versions of the app by name."""
    apps = {program.name: spring.on_a_free_port(program, host) for program, host in VERSIONS}
    clients: dict[str, Any] = {app.client_id: app.registered for app in apps.values()}
    clients[spring.API] = {
        "client_name": "Invoices API",
        "client_secret": spring.API_SECRET,
        "grant_types": [],
        "audience": spring.AUDIENCE,
    }
    # Spring takes a token that ends within a minute for one that is over, and so refreshes at each use.
    lifetimes = {"access_token": "50s"}
    folder = tmp_path_factory.mktemp("spring")
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(
            between.serving(folder, acme, clients, scopes=SCOPES, lifetimes=lifetimes)
        )
        starting = [spring.serving(app, here.issuer) for app in apps.values()]
        await asyncio.gather(*(stack.enter_async_context(app) for app in starting))
        yield here, apps


@pytest.fixture(params=[program.name for program, _ in VERSIONS])
def app(house, request):
    """One version of the app."""
    return house[1][request.param]


async def signed_in(here: between.Between, browser: Browser, site: str, person: Person) -> dict[str, Any]:
    """What the app knows of the person, once it has been opened and she has signed in."""
    page = await between.sign_in(here, browser, await browser.open(f"{site}/"), person)
    assert isinstance(page, Page)
    assert page.url.startswith(f"{site}/?") or page.url == f"{site}/", page.url
    return json.loads(page.text)


async def asked(here: between.Between, app: spring.Spring, endpoint: str, **form: str) -> dict[str, Any]:
    """What the broker answers when the app's secret is used by hand."""
    headers = {"Authorization": aiohttp.encode_basic_auth(app.client_id, broker.APP_SECRET)}
    async with aiohttp.request("POST", f"{here.issuer}/{endpoint}", data=form, headers=headers) as answer:
        assert answer.status == 200
        return await answer.json() if answer.content_type == "application/json" else {}


async def called(url: str, token: str | None = None) -> tuple[int, str, dict[str, Any] | None]:
    """The status, the challenge and the body of an API's answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
        body = await answer.json() if answer.status == 200 else None
        return answer.status, answer.headers.get("WWW-Authenticate", ""), body


@between.AT_BOTH
@pytest.mark.standard(
    "OpenID Core", "§3.1 a whole code flow with nonce and Basic, as Spring Security checks it"
)
@pytest.mark.standard("RFC 6749", "§4.1.1 a state with padding comes back as it was sent")
async def test_spring_knows_who_signed_in(house, app, person: Person):
    here, _ = house
    async with here.browser(sites=(app.site,)) as browser:
        told = await signed_in(here, browser, app.site, person)
        asked = next(url for url in browser.visited if url.startswith(f"{here.issuer}/authorize?"))
    assert "%3D&" in f"{asked}&"  # its state ends in =
    assert ("code_challenge_method=S256" in asked) is app.sends_pkce
    assert (told["name"], told["email"]) == (person.name, person.email)
    assert sorted(told["groups"]) == sorted(person.groups)
    assert (told["iss"], told["aud"]) == (here.issuer, [app.client_id])


@pytest.mark.standard("RFC 9068", "§4 an access token that Spring's at+jwt validator accepts")
@pytest.mark.standard("RFC 6750", "§3.1 a token without the scope, and none at all, at an API of Spring's")
@pytest.mark.standard("RFC 7662", "§2.2 an API of Spring's asks about a token, and is told of its revocation")
@pytest.mark.standard("RFC 6749", "§6 Spring refreshes, and keeps the new refresh token")
async def test_spring_apis_take_our_tokens_and_the_app_refreshes_them(house, app):
    here, _ = house
    async with here.browser(sites=(app.site,)) as browser:
        told = await signed_in(here, browser, app.site, between.ADA)
        first = json.loads((await browser.page(f"{app.site}/tokens")).text)
        second = json.loads((await browser.page(f"{app.site}/tokens")).text)
    assert first["access_token"] != second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]

    token = second["access_token"]
    for api in ("api/invoices", "asking/invoices"):
        assert await called(f"{app.site}/{api}", token) == (200, "", {"name": told["sub"]})
        status, challenge, _ = await called(f"{app.site}/{api}")
        assert (status, "error" in challenge) == (401, False)
        status, challenge, _ = await called(f"{app.site}/{api}", token[:-8] + "AAAAAAAA")
        assert status == 401
        assert 'error="invalid_token"' in challenge

    less = await asked(
        here, app, "token", grant_type="refresh_token", refresh_token=second["refresh_token"], scope="openid"
    )
    status, challenge, _ = await called(f"{app.site}/api/invoices", less["access_token"])
    assert status == 403
    assert 'error="insufficient_scope"' in challenge

    await asked(here, app, "revoke", token=less["refresh_token"])
    # The API that checks by itself cannot know; the one that asks does.
    assert (await called(f"{app.site}/api/invoices", token))[0] == 200
    assert (await called(f"{app.site}/asking/invoices", token))[0] == 401


async def signed_out(browser: Browser, site: str) -> Page:
    """Where the person ends who presses the button of Spring's own page."""
    page = await browser.submit(await browser.page(f"{site}/logout"))
    assert isinstance(page, Page)
    return page


@between.AT_BOTH
@pytest.mark.standard("OpenID RP-Initiated Logout", "§2, §3 from Spring to the broker and back")
async def test_spring_signs_the_person_out_at_the_broker_too(house, app, person: Person):
    here, _ = house
    async with here.browser(sites=(app.site,)) as browser:
        await signed_in(here, browser, app.site, person)
        page = await signed_out(browser, app.site)
        assert (page.url.partition("?")[0], page.text) == (f"{app.site}/out", "You are signed out.")
        assert any(url.startswith(f"{here.issuer}/logout?") for url in browser.visited)
        asked_again = await browser.page(f"{app.site}/")
    assert asked_again.site == here.issuer  # the chooser: there is no session any more


@pytest.mark.standard(
    "OpenID Back-Channel Logout", "§2.5 Spring takes the token, and ends the session that it names"
)
async def test_spring_forgets_who_signs_out_by_another_app(house, app):
    here, apps = house
    (other,) = (one for one in apps.values() if one is not app)
    async with here.browser(sites=(app.site, other.site)) as browser:
        told = await signed_in(here, browser, app.site, between.ADA)
        await signed_in(here, browser, other.site, between.ADA)
        await signed_out(browser, other.site)
        assert await between.told_of_the_end(here, app.client_id, told["sid"]) == "ok"
        seen = await browser.page(f"{app.site}/")
    assert seen.site == here.issuer
