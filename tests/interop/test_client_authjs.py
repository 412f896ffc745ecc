"""Auth.js on Express 5 at both upstreams: PKCE alone, and all that it knows is from the ID Token."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from tests.interop import between, broker, node
from tests.interop.between import Between, Person
from tests.interop.browser import Browser, Page
from tests.interop.processes import STARTS, free_port

pytestmark = between.MARKS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the app's address while it serves."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    client = {
        **broker.TRUSTED_APP,
        "redirect_uris": [f"{site}/auth/callback/acme"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile email staff",
        "id_token_claims": True,
    }
    folder = tmp_path_factory.mktemp("authjs")
    async with between.serving(folder, acme, {"letters": client}) as here:
        asked = {
            "issuer": here.issuer,
            "clientId": "letters",
            "clientSecret": broker.APP_SECRET,
            "port": port,
        }
        async with node.program("apps/authjs.mjs", json.dumps(asked)) as app:
            await app.says('{"listens"', within=STARTS)
            yield here, site


async def sign_in(here: Between, site: str, browser: Browser, person: Person) -> Page:
    """From the app's own page of providers to where it sends her afterwards."""
    page = await browser.page(f"{site}/auth/signin")
    button = await browser.submit(page, {"csrfToken": page.forms[0].fields[0][1]})
    back = await between.sign_in(here, browser, button, person)
    assert isinstance(back, Page)
    return back


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§5.4 claims in the ID Token for an app that reads nothing else")
async def test_authjs_knows_the_person_from_her_id_token(house, person):
    here, site = house
    async with here.browser(sites=(site,)) as browser:
        back = await sign_in(here, site, browser, person)
        session = json.loads((await browser.page(f"{site}/")).text)

    assert back.site == site
    assert session["user"]["name"] == person.name
    assert session["user"]["email"] == person.email
    assert sorted(session["groups"]) == sorted(person.groups)
    assert session["sub"] not in ("", person.username)
