"""Django sites at both upstreams, by django-allauth and by mozilla-django-oidc: an account a person."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop import between, broker, node, strangers
from tests.interop.between import Between, Person
from tests.interop.browser import Browser, Page
from tests.interop.processes import STARTS, free_port, running

PROGRAM = node.HERE / "apps" / "django_site.py"
CALLBACKS = {"allauth": "/accounts/oidc/acme/login/callback/", "mozilla": "/accounts/callback/"}

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(not strangers.PYTHON.exists(), reason="no environment for apps in Python"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the addresses of the sites."""
    ports = {by: free_port() for by in CALLBACKS}
    sites = {by: f"http://127.0.0.1:{port}" for by, port in ports.items()}
    clients = {
        by: {
            **broker.TRUSTED_APP,
            "redirect_uris": [f"{sites[by]}{callback}"],
            "grant_types": ["authorization_code"],
            "scope": "openid profile email staff",
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": "ES256" if by == "mozilla" else "RS256",
        }
        for by, callback in CALLBACKS.items()
    }
    folder = tmp_path_factory.mktemp("django")
    async with between.serving(folder, acme, clients) as here, contextlib.AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(_site(folder, here, by, ports[by])) for by in sites]
        for app in apps:
            await app.says('{"listens"', within=STARTS)
        yield here, sites


def _site(folder: Path, here: Between, by: str, port: int) -> Any:
    asked = {
        "by": by,
        "issuer": here.issuer,
        "client_id": by,
        "client_secret": broker.APP_SECRET,
        "port": port,
        "database": str(folder / f"{by}.sqlite"),
    }
    return running(strangers.PYTHON, PROGRAM, json.dumps(asked))


async def log_in(here: Between, site: str, by: str, browser: Browser, person: Person) -> dict[str, Any]:
    """Whom the site takes the person for, once she is back."""
    if by == "allauth":
        seen = await browser.submit(await browser.page(f"{site}/accounts/oidc/acme/login/"))
    else:
        seen = await browser.open(f"{site}/accounts/authenticate/")
    back = await between.sign_in(here, browser, seen, person)
    assert isinstance(back, Page)
    assert (back.url, back.status) == (f"{site}/", 200)
    known: dict[str, Any] = json.loads(back.text)
    return known


async def twice(house: tuple[Between, dict[str, str]], by: str, person: Person) -> dict[str, Any]:
    """What is the same after a second login from another browser."""
    here, sites = house
    known = []
    for _ in range(2):
        async with here.browser(sites=(sites[by],)) as browser:
            known.append(await log_in(here, sites[by], by, browser, person))
    first, second = known
    assert first == second
    assert (first["name"], first["email"]) == (person.name, person.email)
    assert sorted(first["groups"]) == sorted(person.groups)
    assert first["sub"] not in ("", person.username)
    return first


@between.AT_BOTH
@pytest.mark.standard("RFC 6749", "§2.3.1 a client secret in the body, from django-allauth")
async def test_allauth_makes_an_account_for_the_person_and_finds_it_again(house, person: Person):
    known = await twice(house, "allauth", person)
    assert known["verified"] is True
    assert known["username"] == person.username


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§3.1.3.7 an ID Token by ES256, as mozilla-django-oidc checks it")
async def test_mozilla_django_oidc_keeps_the_person_by_her_sub(house, person: Person):
    known = await twice(house, "mozilla", person)
    assert known["username"] == known["sub"]
