"""go-oidc with x/oauth2 at both upstreams: with and without PKCE, and a refresh by its token source."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop import between, broker
from tests.interop.between import Person
from tests.interop.browser import Page
from tests.interop.processes import STARTS, free_port, running

PROGRAM = Path(__file__).parent / "apps" / "golang" / "build" / "app"
SCOPE = "openid profile email staff offline_access"

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(not PROGRAM.exists(), reason="the program in Go is not built (.ci/machine does)"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and the addresses of two apps: one with PKCE, and one without."""
    ports = {"modern": free_port(), "old": free_port()}
    clients = {
        name: {
            **broker.TRUSTED_APP,
            "redirect_uris": [f"http://127.0.0.1:{port}/callback"],
            "scope": SCOPE,
            "require_pkce": name == "modern",
        }
        for name, port in ports.items()
    }
    folder = tmp_path_factory.mktemp("go")
    async with between.serving(folder, acme, clients) as here, contextlib.AsyncExitStack() as apps:
        for name, port in ports.items():
            asked = {
                "issuer": here.issuer,
                "client_id": name,
                "client_secret": broker.APP_SECRET,
                "port": port,
                "scopes": SCOPE.split(),
                "pkce": name == "modern",
            }
            app = await apps.enter_async_context(running(PROGRAM, json.dumps(asked)))
            await app.says('{"listens"', within=STARTS)
        yield here, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


@between.AT_BOTH
@pytest.mark.parametrize("app", ["modern", "old"])
@pytest.mark.standard("OpenID Core", "§3.1 a whole code flow, as go-oidc checks it")
@pytest.mark.standard("RFC 6749", "§6 a refresh by the token source of x/oauth2")
async def test_go_oidc_knows_the_person_with_and_without_pkce(house, person: Person, app: str):
    here, sites = house
    async with here.browser(sites=(sites[app],)) as browser:
        back = await between.sign_in(here, browser, await browser.open(f"{sites[app]}/"), person)
    assert isinstance(back, Page)
    assert back.status == 200, back.text
    known = json.loads(back.text)

    assert (known["name"], known["email"], known["email_verified"]) == (person.name, person.email, True)
    assert sorted(known["groups"]) == sorted(person.groups)
    assert known["sub"] not in ("", person.username)
