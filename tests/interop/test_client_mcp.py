"""MCP clients that come without an operator: from a 401 at an MCP server to a token for that server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from tests.interop import between
from tests.interop.between import Person
from tests.interop.browser import Arrival
from tests.interop.processes import Talking, free_port, running
from tests.interop.strangers import PYTHON, SERVERS
from tests.tls import Authority

APPS = SERVERS.parent / "apps"
APP = "http://127.0.0.1:9/notes"
SCOPE = "notes.read offline_access"
SCOPES = {"notes.read": {"description": "Read your notes"}}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(between.missing() is not None, reason=str(between.missing())),
    pytest.mark.skipif(
        not PYTHON.exists(), reason="no environment for apps in Python (.ci/machine makes it)"
    ),
]


@dataclass(frozen=True)
class House:
    """The broker, and an MCP server that takes its tokens."""

    here: between.Between
    server: str
    document: str
    """The URL by which an app is known that nobody registered."""


@contextlib.asynccontextmanager
async def document(folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """The URL of a document by which an app describes itself, and whom its certificate is from."""
    authority, described = Authority(folder), {}

    async def describe(_: web.Request) -> web.Response:
        return web.json_response(described)

    served = web.Application()
    served.router.add_get("/notes.json", describe)
    runner = web.AppRunner(served)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=authority.server()).start()
    url = f"https://localhost:{port}/notes.json"
    described |= {
        "client_id": url,
        "client_name": "Notes from elsewhere",
        "redirect_uris": [APP],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    try:
        yield url, authority.ca
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """A broker where anybody may register, and apps may describe themselves; it has no client of its own."""
    folder, port = tmp_path_factory.mktemp("mcp"), free_port()
    server = f"http://127.0.0.1:{port}/mcp"
    async with document(folder) as (url, ca):
        more = {
            "scopes": SCOPES,
            "resources": {server: {"name": "Notes", "scope": "notes.read"}},
            "registration": {"policy": "open", "scope": SCOPE},
            "client_id_metadata_documents": {"enabled": True, "scope": SCOPE, "ca": str(ca)},
        }
        async with between.serving(folder, acme, {}, **more) as here:
            asked = json.dumps({"issuer": here.issuer, "port": port})
            async with running(PYTHON, APPS / "mcp_server.py", asked) as process:
                await process.says('{"ready":true}', within=60)
                yield House(here, server, url)


@contextlib.asynccontextmanager
async def an_app(house: House, **more: Any) -> AsyncIterator[Talking]:
    """The MCP client while it calls the server."""
    asked = {"server": house.server, "redirect_uri": APP, **more}
    async with running(PYTHON, APPS / "mcp_app.py", json.dumps(asked)) as process:
        yield process


async def sent_through(house: House, app: Talking, person: Person) -> dict[str, list[str]]:
    """She goes where the app sends her; what it asked the broker for."""
    url = json.loads(await app.says('{"open"', within=60))["open"]
    async with house.here.browser(APP) as browser:
        arrived = await between.sign_in(house.here, browser, await browser.open(url), person)
    assert isinstance(arrived, Arrival)
    assert "code" in arrived.answer, arrived.answer
    await app.tell(arrived.url)
    return parse_qs(urlsplit(url).query)


@between.AT_BOTH
@pytest.mark.standard("RFC 7591", "§3 an MCP client registers itself, and comes with what it was given")
@pytest.mark.standard("RFC 8707", "§2 a token for the MCP server that was named, and for no other")
@pytest.mark.standard("RFC 9728", "§5 from the metadata of an MCP server to ours")
@pytest.mark.standard("RFC 9207", "§2.4 the issuer in the answer, which the MCP SDK compares")
@pytest.mark.standard("RFC 6749", "§6 the MCP SDK refreshes a token that is over")
async def test_an_mcp_client_registers_itself_and_gets_a_token_for_the_server(house, person: Person):
    async with an_app(house, calls=2) as app:
        asked = await sent_through(house, app, person)
        first = json.loads(await app.says('{"call": 1', within=60))
        second = json.loads(await app.says('{"call": 2', within=60))
    assert asked["resource"] == [house.server]
    assert asked["code_challenge_method"] == ["S256"]
    assert first["told"]["client_id"] == first["client"]["client_id"]
    assert first["client"]["redirect_uris"] == [APP]
    assert "notes.read" in first["told"]["scopes"]
    assert second["told"] == first["told"]
    assert second["tokens"]["access_token"] != first["tokens"]["access_token"]


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
@pytest.mark.standard("RFC 7591", "§2 an MCP client registers the method by which it then proves itself")
@pytest.mark.standard("RFC 6749", "§2.3.1 Basic, with the client_id in the body as well")
async def test_an_mcp_client_registers_how_it_proves_itself(house, method):
    async with an_app(house, method=method, calls=2) as app:
        await sent_through(house, app, between.ADA)
        second = json.loads(await app.says('{"call": 2', within=60))
    assert second["client"]["token_endpoint_auth_method"] == method
    assert ("client_secret" in second["client"]) is (method != "none")


@between.AT_BOTH
@pytest.mark.standard("CIMD", "§3 an MCP client whose id is the URL of its own description")
async def test_an_mcp_client_that_describes_itself_needs_no_registration(house, person: Person):
    async with an_app(house, document=house.document, calls=2) as app:
        asked = await sent_through(house, app, person)
        second = json.loads(await app.says('{"call": 2', within=60))
    assert asked["client_id"] == [house.document]
    assert second["told"]["client_id"] == house.document
