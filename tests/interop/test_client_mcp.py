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

from tests.interop import between, node
from tests.interop.between import Person
from tests.interop.browser import Arrival, Page
from tests.interop.processes import STARTS, Talking, free_port, running
from tests.interop.strangers import PYTHON, SERVERS
from tests.tls import Authority

APPS = SERVERS.parent / "apps"
APP = "http://127.0.0.1:9/notes"
SCOPE = "notes.read offline_access"
SCOPES = {"notes.read": {"description": "Read your notes"}}

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(
        not PYTHON.exists(), reason="no environment for apps in Python (.ci/machine makes it)"
    ),
]
SDKS = pytest.mark.parametrize("sdk", ["py", "mjs"], ids=["python", "typescript"])


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
                await process.says('{"ready":true}', within=STARTS)
                yield House(here, server, url)


@contextlib.asynccontextmanager
async def an_app(house: House, sdk: str = "py", **more: Any) -> AsyncIterator[Talking]:
    """The MCP client of one of the two SDKs, while it calls the server."""
    asked = {"server": house.server, "redirect_uri": APP, **more}
    program = {"py": PYTHON, "mjs": node.node()}[sdk]
    async with running(program, APPS / f"mcp_app.{sdk}", json.dumps(asked)) as process:
        yield process


async def called(app: Talking, number: int) -> Any:
    """What the app says after so many calls."""
    line = await app.says(f'{{"call":{number},')
    return json.loads(line)


async def sent_through(house: House, app: Talking, person: Person) -> dict[str, list[str]]:
    """She goes where the app sends her; what it asked the broker for."""
    url = json.loads(await app.says('{"open"'))["open"]
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
@SDKS
async def test_an_mcp_client_registers_itself_and_gets_a_token_for_the_server(house, sdk, person: Person):
    async with an_app(house, sdk, calls=2) as app:
        asked = await sent_through(house, app, person)
        first = await called(app, 1)
        if sdk == "py":  # the other one asks for no refresh token where the server's metadata does not say so
            second = await called(app, 2)
            assert second["told"] == first["told"]
            assert second["tokens"]["access_token"] != first["tokens"]["access_token"]
        else:
            assert first["client"]["token_endpoint_auth_method"] == "none"
    assert asked["resource"] == [house.server]
    assert asked["code_challenge_method"] == ["S256"]
    assert first["told"]["client_id"] == first["client"]["client_id"]
    assert first["client"]["redirect_uris"] == [APP]
    assert "notes.read" in first["told"]["scopes"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.standard("RFC 7591", "§2 an MCP client registers the method by which it then proves itself")
@pytest.mark.standard("RFC 6749", "§2.3.1 Basic, with the client_id in the body as well")
async def test_an_mcp_client_registers_how_it_proves_itself(house, method):
    async with an_app(house, method=method, calls=2) as app:
        await sent_through(house, app, between.ADA)
        second = await called(app, 2)
    assert second["client"]["token_endpoint_auth_method"] == method
    assert second["client"]["client_secret"]


@between.AT_BOTH
@pytest.mark.standard("CIMD", "§3 an MCP client whose id is the URL of its own description")
@SDKS
async def test_an_mcp_client_that_describes_itself_needs_no_registration(house, sdk, person: Person):
    async with an_app(house, sdk, document=house.document) as app:
        asked = await sent_through(house, app, person)
        first = await called(app, 1)
    assert asked["client_id"] == [house.document]
    assert first["told"]["client_id"] == house.document


# ── mcp-remote ────────────────────────────────────────────────────────────────────────────────


class Remote:
    """mcp-remote, to which a local MCP client speaks by standard input and output."""

    def __init__(self, process: Talking) -> None:
        self._process = process

    async def says(self, text: str) -> str:
        return await self._process.says(text)

    async def ask(self, number: int, method: str, **params: Any) -> None:
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self._process.tell(json.dumps(asked))

    async def answer(self, number: int) -> Any:
        line = await self._process.says(f'"id":{number}')
        return json.loads(line)["result"]

    async def who(self) -> dict[str, Any]:
        """What the tool of the server says."""
        await self._process.tell('{"jsonrpc":"2.0","method":"notifications/initialized"}')
        await self.ask(2, "tools/call", name="who", arguments={})
        told: dict[str, Any] = json.loads((await self.answer(2))["content"][0]["text"])
        return told


@contextlib.asynccontextmanager
async def remote(house: House, folder: Path, *options: str) -> AsyncIterator[Remote]:
    """mcp-remote, which has been asked to begin."""
    program = node.HERE / "node_modules" / "mcp-remote" / "dist" / "proxy.js"
    # It opens a browser by itself; ours goes where it says.
    environment = {"MCP_REMOTE_CONFIG_DIR": str(folder), "BROWSER": "/bin/true"}
    async with running(node.node(), program, house.server, *options, env=environment) as process:
        speaking = Remote(process)
        client = {"name": "a desk", "version": "1"}
        await speaking.ask(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        yield speaking


@between.AT_BOTH
@pytest.mark.standard("RFC 7591", "§2 mcp-remote registers itself as a public client on loopback")
@pytest.mark.standard("RFC 8252", "§7.3 mcp-remote listens on loopback for the answer")
async def test_mcp_remote_registers_itself_and_gets_a_token_for_the_server(house, tmp_path, person: Person):
    async with remote(house, tmp_path) as app:
        url = (await app.says("/authorize?")).strip()
        asked = parse_qs(urlsplit(url).query)
        async with house.here.browser() as browser:
            seen = await between.sign_in(house.here, browser, await browser.open(url), person)
        assert isinstance(seen, Page)
        assert seen.status == 200, seen.text
        await app.answer(1)
        told = await app.who()
    assert asked["resource"] == [house.server]
    assert told["client_id"] == asked["client_id"][0]
    assert "notes.read" in told["scopes"]
