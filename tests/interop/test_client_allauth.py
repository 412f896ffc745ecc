"""django-allauth at both upstreams: its secret in the body, PKCE, and an account for each person."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from tests.interop import between, broker, node, strangers
from tests.interop.between import Person
from tests.interop.browser import Page
from tests.interop.processes import free_port, running

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(between.missing() is not None, reason=str(between.missing())),
    pytest.mark.skipif(not strangers.PYTHON.exists(), reason="no environment for apps in Python"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the address of the site."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    client = {
        **broker.TRUSTED_APP,
        "redirect_uris": [f"{site}/accounts/oidc/acme/login/callback/"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile email staff",
        "token_endpoint_auth_method": "client_secret_post",
    }
    folder = tmp_path_factory.mktemp("allauth")
    async with between.serving(folder, acme, {"shop": client}) as here:
        asked = {
            "issuer": here.issuer,
            "client_id": "shop",
            "client_secret": broker.APP_SECRET,
            "port": port,
            "database": str(folder / "site.sqlite"),
        }
        program = node.HERE / "apps" / "allauth_site.py"
        async with running(strangers.PYTHON, program, json.dumps(asked)) as app:
            await app.says('{"listens"', within=60)
            yield here, site


@between.AT_BOTH
@pytest.mark.standard("RFC 6749", "§2.3.1 a client secret in the body")
async def test_allauth_makes_an_account_for_the_person_and_finds_it_again(house, person: Person):
    here, site = house
    known = []
    for _ in range(2):
        async with here.browser(sites=(site,)) as browser:
            page = await browser.page(f"{site}/accounts/oidc/acme/login/")
            back = await between.sign_in(here, browser, await browser.submit(page), person)
            assert isinstance(back, Page)
            assert (back.url, back.status) == (f"{site}/", 200)
            known.append(json.loads(back.text))

    first, second = known
    assert first == second
    assert (first["name"], first["email"], first["verified"]) == (person.name, person.email, True)
    assert first["username"] == person.username
    assert sorted(first["groups"]) == sorted(person.groups)
    assert first["iss"] == here.issuer
    assert first["uid"] not in ("", person.username)
