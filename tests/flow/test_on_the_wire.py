"""What comes over the wire before it is anybody's request: framing, floods, and paths that name files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web_protocol
from aiohttp.http_parser import HttpRequestParserPy

from broker import pages
from broker.cli import worker
from broker.endpoints import http as endpoints_http
from broker.keys import AHEAD, CACHED
from tests.flow.broker import Broker
from tests.flow.conftest import Start
from tests.patience import PATIENCE, skip

PAGES = Path(pages.__file__).parent
HEAD = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=["as it is installed", "in plain Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the two parsers that read requests here."""
    if request.param == "in plain Python":
        monkeypatch.setattr(web_protocol, "HttpRequestParser", HttpRequestParserPy)


async def heard(broker: Broker, *parts: bytes) -> bytes:
    """All that is answered to these bytes, until we are cut off."""
    where = urlsplit(broker.issuer)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        async with asyncio.timeout(PATIENCE):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


MALFORMED = {
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 0\r\n\r\na=b",
    "a list of lengths": HEAD + b"Content-Length: 3, 0\r\n\r\na=b",
    "a length with a sign": HEAD + b"Content-Length: +3\r\n\r\na=b",
    "a negative length": HEAD + b"Content-Length: -3\r\n\r\na=b",
    "a length in other digits": HEAD + "Content-Length: ٣\r\n\r\na=b".encode(),
    "a length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\na=b",
    "another coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not the last coding": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "codings twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 3\r\n\r\na=b",
    "a NUL in a name": HEAD + b"X\x00Y: z\r\nContent-Length: 3\r\n\r\na=b",
    "a NUL in a value": HEAD + b"X: \x00\r\nContent-Length: 3\r\n\r\na=b",
    "a line that goes on": HEAD + b"X: y\r\n Content-Length: 3\r\n\r\n",
    "a chunk size with a sign": HEAD + b"Transfer-Encoding: chunked\r\n\r\n+3\r\na=b\r\n0\r\n\r\n",
    "a chunk size with a prefix": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\na=b\r\n0\r\n\r\n",
    "a chunk that is longer than it says": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na=b\r\n0\r\n\r\n",
    "a request line of four": b"GET /healthz HTTP/1.1 x\r\nHost: x\r\n\r\n",
    "another version": b"GET /healthz HTTP/1.1.1\r\nHost: x\r\n\r\n",
    "a name that is none": HEAD + b"X(Y): z\r\nContent-Length: 3\r\n\r\na=b",
}


@pytest.mark.row("WB-11")
@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.usefixtures("parser")
async def test_a_request_that_two_could_read_differently_is_refused_and_cut_off(
    broker: Broker, kind: str
) -> None:
    answer = await heard(broker, MALFORMED[kind] + SMUGGLED)
    assert answer.count(b"Server: broker") == 1, answer  # what stands behind it is nobody's request
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer
    assert b"Location:" not in answer


@pytest.mark.row("DS-07")
@pytest.mark.usefixtures("parser")
async def test_a_body_in_very_small_pieces_or_with_trailers_without_end_costs_nobody_else(
    broker: Broker,
) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    small = [b"1\r\na\r\n" * 1000] * 20
    trailers = [b"X-Trailer: y\r\n" * 1000] * 200
    answers = await asyncio.gather(
        heard(broker, chunked, *small, b"0\r\n\r\n"), heard(broker, chunked, b"0\r\n", *trailers)
    )
    assert answers[0].split(b" ")[1] in {b"400", b"401", b"413"}
    assert not answers[1] or answers[1].split(b" ")[1] in {b"400", b"413", b"431"}
    async with broker.browser() as browser:
        assert "code" in (await browser.login()).params


@pytest.mark.row("DS-05")
async def test_a_body_that_does_not_come_is_not_waited_for(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = HEAD + b"Content-Length: 100\r\nConnection: close\r\n\r\n"
    with monkeypatch.context() as soon:
        soon.setattr(endpoints_http, "_BODY_DEADLINE", 0.2)
        answers = await asyncio.gather(*(heard(broker, unfinished, b"a=") for _ in range(50)))
    assert {answer.split(b" ")[1] for answer in answers} == {b"400"}
    assert "body_incomplete" in broker.reasons()
    async with broker.browser() as browser:
        assert "code" in (await browser.login()).params


@pytest.mark.row("DS-06")
async def test_requests_that_are_sent_ahead_and_never_read_wait_outside(broker: Broker) -> None:
    assert broker.runner is not None
    assert broker.runner.server is not None
    where = urlsplit(broker.issuer)
    _, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        for _ in range(200):
            writer.write(GET * 500)  # and nothing of what is answered is read
        async with broker.browser() as browser:
            assert "code" in (await browser.login()).params
        waiting = [len(one._messages) for one in broker.runner.server.connections]
        assert max(waiting) <= 1000
    finally:
        writer.transport.abort()


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.row("DS-05")
@pytest.mark.usefixtures("parser")
async def test_who_sends_no_request_or_never_its_end_is_cut_off(start: Start) -> None:
    broker = await start(server={"keepalive_timeout": worker._KEEP_ALIVE})
    assert worker._KEEP_ALIVE <= 75
    where = urlsplit(broker.issuer)
    begun = [b"", b"GET / HT", HEAD, GET, GET + b"GET / HT", b"GET / HTTP/1.1\r\nX-Long: "]
    connections = [await asyncio.open_connection(where.hostname, where.port) for _ in begun]
    for (_, writer), one in zip(connections, begun, strict=True):
        writer.write(one)
    answers = [await connections[place][0].readuntil(b"\r\n\r\n") for place in (3, 4)]
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    # The last goes on, byte by byte, and has no more time for that than the others.
    async with broker.browser() as browser:
        for _ in range(2):
            connections[-1][1].write(b"x")
            await browser.step("GET", f"{broker.issuer}/healthz")  # by then it has been read
            skip(worker._KEEP_ALIVE / 2 + 1)
    async with asyncio.timeout(worker._KEEP_ALIVE / 4):  # less than a byte would have won
        assert not any([b"HTTP/1.1 200" in await rest(reader) for reader, _ in connections])
    for _, writer in connections:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until we are cut off."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


# ── Paths that name files, and files that are answers ─────────────────────────────────────────


@pytest.mark.row("WB-13")
@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../../../etc/passwd",
        "/static/..\\..\\windows\\win.ini",
        "/static/C:/windows/win.ini",
        "/static//etc/passwd",
        "/static/page.css%00.js",
        "/static/page.css",
        "/static/",
        "/static/.",
        "/static/__init__.py",
        "/..%2f..%2fetc/passwd",
    ],
)
async def test_nothing_is_a_file_but_what_we_gave_a_name_to(broker: Broker, path: str) -> None:
    answer = await heard(broker, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in {b"404", b"400"}, answer
    assert b"root:" not in answer


@pytest.mark.row("WB-14")
@pytest.mark.parametrize(
    "path",
    [
        "/userinfo/x.css",
        "/userinfo;.js",
        "/userinfo%2fx.css",
        "/account/x.css",
        "/account;.js",
        "/account.css",
        "/account%3bx.js",
        "/account/receipts/x.js",
        "/session;.js",
        "/consent/x.png",
    ],
)
async def test_no_answer_about_a_person_is_found_under_the_name_of_a_file(broker: Broker, path: str) -> None:
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.login()).code)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = await browser.step("GET", broker.issuer + path, headers=headers)
        assert answer.status == 404
        assert "ada@people.example" not in answer.body
        assert "no-store" in answer.headers["Cache-Control"]
        for kept in ("/account", "/userinfo"):
            known = await browser.step("GET", broker.issuer + kept, headers=headers)
            assert "no-store" in known.headers["Cache-Control"]


@pytest.mark.row("WB-18")
async def test_no_page_of_ours_speaks_to_another_window(broker: Broker) -> None:
    scripts = [path.read_text() for path in PAGES.rglob("*.js")]
    assert scripts
    assert not [script for script in scripts if "postMessage" in script or '"message"' in script]
    async with broker.browser() as browser:
        said = await browser.step("GET", f"{broker.issuer}/.well-known/openid-configuration")
        assert "check_session_iframe" not in said.body
        assert (await browser.step("GET", f"{broker.issuer}/check_session")).status == 404
        landed = await browser.authorize(response_mode="web_message")
        assert landed.params["error"] == "invalid_request"


# ── What is told of us ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("KY-14")
async def test_the_keys_may_be_kept_no_longer_than_a_next_one_is_published_before_it_signs(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        url = f"{broker.issuer}/jwks"
        seen = [await browser.step("GET", url) for _ in range(3)]
        assert len({one.body for one in seen}) == 1
        assert len(seen[0].body) < 16_384
        control = seen[0].headers["Cache-Control"]
        assert control == f"public, max-age={CACHED}"
        assert CACHED < AHEAD
        assert (await browser.step("HEAD", url)).status == 200
        assert json.loads(seen[0].body)["keys"]


@pytest.mark.row("LG-05")
async def test_nothing_that_is_printed_of_the_configuration_has_a_secret_in_it(broker: Broker) -> None:
    config, services = broker.services.config, broker.services
    secrets = [key.reveal() for key in config.store.encryption_keys]
    secrets += ["a-subject-key-that-is-long-enough-for-this-test", "billing-secret-of-some-length"]
    secrets.append(broker.idp.client_secret)
    for thing in (
        config,
        services,
        services.store,
        services.keys,
        services.clients.configured,
        config.connectors,
    ):
        told = repr(thing) + str(thing)
        assert not [one for one in secrets if one in told], type(thing)
    async with broker.browser() as browser:
        for path in ("/debug", "/config", "/dump", "/env", "/support", "/debug/pprof"):
            assert (await browser.step("GET", broker.issuer + path)).status == 404
        for path in ("/metrics", "/readyz", "/healthz"):
            told = (await browser.step("GET", broker.issuer + path)).body
            assert not [one for one in secrets if one in told]
