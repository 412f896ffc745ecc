"""Calls to upstreams: one try, one deadline, one size, no redirects, no cookies, no forbidden address."""

import asyncio
import gzip
import json
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import pytest

from broker.config import OutboundConfig
from broker.connector import Secret, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from broker.kit.loop_clock import by_hand
from broker.outbound import Outbound, UpstreamClient, http, messages
from tests.patience import PATIENCE
from tests.tls import Authority

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SECRET = "a-secret-that-stays-at-home"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def said(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Server:
    """A server of bytes: it answers each request with what a test wrote, and counts."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.heads, self.bodies, self.connections = list(answers), [], [], 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.closing = False
        self.writers: list[asyncio.StreamWriter] = []
        self.heard = asyncio.Semaphore(0)
        """One for each request that came."""

    def answer(self, head: str) -> bytes:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = [line for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                self.bodies.append(await reader.readexactly(int(length[0].split(":")[1])) if length else b"")
                self.heard.release()
                await self.hold.wait()
                if self.closing:
                    return
                writer.write(self.answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


class Echo(Server):
    """It says which path was asked for."""

    def answer(self, head: str) -> bytes:
        return said(body=json.dumps(head.split(" ")[1]).encode())


class Dripping(Server):
    """It never ends, and never stops."""

    dripped = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.heard.release()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        heard = b"?"
        while heard:
            writer.write(b"x")
            self.dripped += 1
            try:
                heard = await asyncio.wait_for(reader.read(1 << 16), 0.02)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        writer.close()


@asynccontextmanager
async def serving(
    server: Server, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    try:
        yield f"http://{host}:{listening.sockets[0].getsockname()[1]}"
    finally:
        server.hold.set()
        listening.close()
        for writer in server.writers:
            writer.close()
        await listening.wait_closed()


@asynccontextmanager
async def calling(*, limit: float = PATIENCE, allow=LOOPBACK) -> AsyncIterator[UpstreamClient]:
    outbound = Outbound(OutboundConfig(timeout=limit, allow_networks=allow))
    try:
        yield outbound.client("up")
    finally:
        await outbound.close()


async def refused(call: Awaitable[object], kind: type[UpstreamError] = UpstreamInvalid) -> str:
    with pytest.raises(kind) as caught:
        await call
    assert SECRET not in f"{caught.value!r} {caught.value.detail} {caught.value.__cause__!r}"
    return getattr(caught.value, "reason", "unavailable")


# ── What is sent ──────────────────────────────────────────────────────────────────────────────


async def test_a_get_sends_what_it_was_given_and_little_else():
    server = Server(said(body=b'{"a": 1}'))
    async with serving(server) as url, calling() as upstream:
        answer = await upstream.get(f"{url}/userinfo?x=%20a", bearer="token")
    assert (answer.status, answer.content_type, answer.json()) == (200, "application/json", {"a": 1})
    lines = server.heads[0].split("\r\n")
    assert lines[0] == "GET /userinfo?x=%20a HTTP/1.1"
    assert {line.split(":")[0] for line in lines[1:] if line} == {
        "Host", "Accept", "Authorization", "Accept-Encoding", "User-Agent",
    }  # fmt: skip
    assert "Accept-Encoding: identity" in lines


async def test_a_client_secret_is_form_encoded_before_it_goes_into_the_header():
    server = Server(said())
    async with serving(server) as url, calling() as upstream:
        await upstream.post(url, {"code": "a b&c=ü"}, basic=("my:id", Secret("s/+ é:")))
    header = next(line for line in server.heads[0].split("\r\n") if line.startswith("Authorization"))
    assert b64decode(header.split(" ")[2]) == b"my%3Aid:s%2F%2B+%C3%A9%3A"
    assert server.bodies == [b"code=a+b%26c%3D%C3%BC"]


@pytest.mark.parametrize("token", ["a\r\nX: y", "a\0b", "ä"])
async def test_a_bearer_token_cannot_write_headers(token):
    async with calling() as upstream:
        assert await refused(upstream.get("http://127.0.0.1:1/", bearer=token)) == "bad_token"


async def test_connections_are_kept_and_used_again():
    server = Server(said())
    async with serving(server) as url, calling() as upstream:
        for _ in range(5):
            await upstream.post(url, {})
    assert server.connections == 1


# ── Where it may go ───────────────────────────────────────────────────────────────────────────


@pytest.mark.row("UP-02")
@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    "url",
    [
        "", "/token", "//127.0.0.1/", "token", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/",
        "unix:/run/x", "https://user@idp.example/", "https://user:pw@idp.example/", "https://@idp.example/",
        "https://good.example@127.0.0.1/", "https://idp.example/#x", "https://idp.example/#", "https://",
        "https:///x", "https://[::1/", "https://idp.example:99999/", "https://idp.example:x/",
        "https://idp.example\\@evil/", "https://idp.example/ x", "https://idp.example/\n", "https://ídp.example/",
        "https://127。0。0。1/",
        "javascript:x", "https://" + "a" * 5000,
    ],
)  # fmt: skip
async def test_what_is_no_plain_url_is_not_asked(url):
    async with calling() as upstream:
        assert await refused(upstream.get(url)) == "bad_url"
        assert await refused(upstream.post(url, {"secret": SECRET})) == "bad_url"


@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0.0.0.0",
        "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "127.0.0.1.",
        "10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::7f00:1]", "192.168.1.1",
        "100.64.0.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_of_a_private_address_is_connected_to(scheme, host):
    server = Server(said())
    async with serving(server) as url, calling(allow=()) as upstream:
        port = url.rpartition(":")[2]
        call = upstream.post(f"{scheme}://{host}:{port}/", {"secret": SECRET})
        with pytest.raises(UpstreamError) as caught:
            await call
        # What is no address at all cannot be resolved; what is one is refused as such.
        assert getattr(caught.value, "reason", "unresolved") in {
            "address_not_allowed",
            "unresolved",
            "bad_url",
        }
    assert server.connections == 0


@pytest.mark.row("UP-03")
async def test_the_address_counts_and_not_the_name():
    server = Server(said())
    async with serving(server) as url, calling(allow=(ip_network("::1/128"),)) as upstream:
        port = url.rpartition(":")[2]
        assert await refused(upstream.get(f"http://127.0.0.1:{port}/")) == "address_not_allowed"
    async with serving(server) as url, calling() as upstream:
        port = url.rpartition(":")[2]
        assert (await upstream.get(f"http://localhost:{port}/")).status == 200
    assert server.connections == 1


async def test_plain_http_leaves_this_machine_under_no_setting():
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    async with calling(allow=everything) as upstream:
        assert await refused(upstream.get("http://10.0.0.1/")) == "address_not_allowed"
        assert await refused(upstream.get("http://192.0.2.1/")) == "address_not_allowed"


# ── What comes back ───────────────────────────────────────────────────────────────────────────


@pytest.mark.row("CB-37")
@pytest.mark.row("UP-05")
@pytest.mark.parametrize(
    "status",
    ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent", "304 Same", "300 Choose"],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_redirect_is_not_followed(status, method):
    elsewhere = Server(said())
    async with serving(elsewhere) as target:
        server = Server(said(status, b"", f"Location: {target}/"))
        async with serving(server) as url, calling() as upstream:
            call = upstream.get(url, bearer=SECRET) if method == "get" else upstream.post(url, {"s": SECRET})
            assert await refused(call) == "redirect"
    assert elsewhere.connections == 0
    assert len(server.heads) == 1


@pytest.mark.row("UP-07")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(body=b"x" * (messages.MAX_BODY + 1)), "too_large"),
        (said(body=b"{}").replace(b"Content-Length: 2", b"Content-Length: 999999999999"), "too_large"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 40,
            "too_large",
        ),
        (said("200 OK", gzip.compress(b"x" * 10_000_000), "Content-Encoding: gzip"), "bad_encoding"),
        (said("200 OK", b"{}", "Content-Encoding: zstd"), "bad_encoding"),
        (said("200 OK", b"{}", *(f"X-{n}: y" for n in range(5000))), "bad_http"),
        (said("200 OK", b"{}", "X: " + "y" * 200_000), "bad_http"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "bad_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}", "bad_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "bad_http"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "bad_http"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:30].decode("latin-1"),
)
async def test_an_answer_that_is_too_large_or_no_http_is_refused(answer, reason):
    async with serving(Server(answer)) as url, calling() as upstream:
        assert await refused(upstream.get(url, bearer=SECRET)) == reason


@pytest.mark.row("UP-07")
async def test_an_answer_of_the_largest_size_is_read_whole():
    body = b"[" + b" " * (messages.MAX_BODY - 2) + b"]"
    async with serving(Server(said(body=body))) as url, calling() as upstream:
        assert (await upstream.get(url)).json() == []


@pytest.mark.parametrize("status", ["429 Slow Down", "500 Oops", "502 Bad", "503 Later", "599 Odd"])
async def test_an_upstream_that_says_later_is_unavailable(status):
    server = Server(said(status, b"{}", "Retry-After: 99999999999"))
    async with serving(server) as url, calling() as upstream:
        assert await refused(upstream.post(url, {"s": SECRET}), UpstreamUnavailable) == "unavailable"
    assert len(server.heads) == 1


@pytest.mark.parametrize("status", ["200 OK", "201 Made", "400 Bad", "401 Who", "403 No", "404 Where"])
async def test_what_a_caller_can_use_is_theirs_to_read(status):
    async with serving(Server(said(status, b'{"error": "x"}'))) as url, calling() as upstream:
        answer = await upstream.post(url, {})
    assert answer.status == int(status[:3])
    assert answer.json() == {"error": "x"}


async def test_json_is_read_strictly():
    async with serving(Server(said(body=b'{"sub": "a", "sub": "b"}'))) as url, calling() as upstream:
        answer = await upstream.get(url)
    with pytest.raises(UpstreamInvalid) as caught:
        answer.json()
    assert caught.value.reason == "not_json"


# ── When nothing comes back ───────────────────────────────────────────────────────────────────


@pytest.mark.row("UP-06")
async def test_an_upstream_that_never_answers_is_given_up():
    server = Server(said())
    server.hold.clear()
    with by_hand() as clock:
        async with serving(server) as url, calling(limit=0.3) as upstream:
            asking = asyncio.ensure_future(refused(upstream.post(url, {"s": SECRET}), UpstreamUnavailable))
            await server.heard.acquire()
            await clock.until(asking, within=0.5)
            await asking
    assert len(server.heads) == 1


@pytest.mark.row("UP-06")
@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 90],
    ids=["nothing", "half a header", "nine tenths"],
)
async def test_an_upstream_that_stalls_is_given_up_wherever_it_stalls(start):
    server = Server(start)
    with by_hand() as clock:
        async with serving(server) as url, calling(limit=0.3) as upstream:
            asking = asyncio.ensure_future(refused(upstream.get(url, bearer=SECRET), UpstreamUnavailable))
            await server.heard.acquire()
            await clock.until(asking, within=0.5)
            await asking


@pytest.mark.row("UP-06")
async def test_a_byte_now_and_then_does_not_extend_the_deadline():
    server = Dripping(b"")
    with by_hand() as clock:
        async with serving(server) as url, calling(limit=1.0) as upstream:
            asking = asyncio.ensure_future(refused(upstream.get(url), UpstreamUnavailable))
            await server.heard.acquire()
            await clock.until(asking, within=1.5)
            await asking
    assert server.dripped > 5


async def test_a_port_where_nobody_listens_is_unavailable():
    async with serving(Server(said())) as url:
        pass
    async with calling() as upstream:
        assert await refused(upstream.get(url), UpstreamUnavailable) == "unavailable"


async def test_a_certificate_is_checked(tmp_path):
    server = Server(said())
    async with serving(server, tls=Authority(tmp_path).server()) as url, calling() as upstream:
        https = url.replace("http:", "https:")
        assert await refused(upstream.post(https, {"s": SECRET}), UpstreamUnavailable) == "unavailable"
    assert server.heads == []


@pytest.mark.row("UP-15")
async def test_a_post_whose_connection_breaks_is_not_sent_again():
    server = Server(said())
    server.closing = True
    async with serving(server) as url, calling() as upstream:
        await refused(upstream.post(url, {"code": SECRET}), UpstreamUnavailable)
    assert len(server.bodies) == 1


@pytest.mark.row("UP-15")
async def test_a_post_on_a_kept_connection_that_breaks_is_not_sent_again():
    server = Server(said())
    async with serving(server) as url, calling() as upstream:
        await upstream.post(url, {"n": "1"})
        server.closing = True  # it reads the next request and hangs up without a word
        await refused(upstream.post(url, {"n": "2"}), UpstreamUnavailable)
        server.closing = False
        assert (await upstream.post(url, {"n": "3"})).status == 200
    assert server.bodies == [b"n=1", b"n=2", b"n=3"]


@pytest.mark.row("UP-21")
async def test_what_follows_an_answer_is_not_the_next_answer():
    smuggled = said(body=b'{"sub": "ann"}') + said(body=b'{"sub": "evil"}')
    server = Server(smuggled)
    async with serving(server) as url, calling() as upstream:
        first = await upstream.get(url)
        second = await upstream.get(url)
    assert [first.json(), second.json()] == [{"sub": "ann"}, {"sub": "ann"}]


class Announcing(Server):
    """It says without end that there will be an answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
                await writer.drain()


@pytest.mark.row("UP-21")
@pytest.mark.row("UP-06")
async def test_an_answer_that_is_only_announced_again_and_again_is_not_waited_for():
    async with serving(Announcing(b"")) as url, calling() as upstream:
        assert await refused(upstream.get(url)) == "bad_http"


@pytest.mark.parametrize("times", [1, 15])
async def test_an_answer_may_be_announced(times):
    announced = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * times + said(body=b'{"sub": "ann"}')
    async with serving(Server(announced)) as url, calling() as upstream:
        for _ in range(3):
            assert (await upstream.get(url)).json() == {"sub": "ann"}


@pytest.mark.row("UP-10")
async def test_a_dead_upstream_costs_the_others_nothing(monkeypatch):
    monkeypatch.setattr(http, "MAX_WAITING", 20)
    dead, alive = Server(said()), Server(said())
    dead.hold.clear()
    outbound = Outbound(OutboundConfig(timeout=30, allow_networks=LOOPBACK))
    async with serving(dead) as bad, serving(alive) as good:
        waiting = [asyncio.create_task(outbound.client("dead").get(bad)) for _ in range(20)]
        for _ in waiting:
            await dead.heard.acquire()
        with pytest.raises(UpstreamUnavailable, match="too many"):
            await outbound.client("dead").get(bad)
        assert (await outbound.client("alive").get(good)).status == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        dead.hold.set()
        assert (await outbound.client("dead").get(bad)).status == 200
        await outbound.close()


@pytest.mark.row("UP-14")
async def test_each_caller_gets_their_own_answer():
    async with serving(Echo(b"")) as url, calling() as upstream:
        answers = await asyncio.gather(*(upstream.get(f"{url}/{n}") for n in range(300)))
    assert [answer.json() for answer in answers] == [f"/{n}" for n in range(300)]


@pytest.mark.row("UP-14")
@pytest.mark.row("UP-21")
async def test_an_answer_that_nobody_asked_for_is_nobodys():
    asked, planted = 0, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                writer.write(said(body=b'{"asked": %d}' % asked))
                await writer.drain()
                if asked == 1:
                    await planted.wait()
                    writer.write(said(body=b'{"planted": true}'))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with calling() as upstream:
        assert (await upstream.get(url)).json() == {"asked": 1}
        (idle,) = upstream._sessions.get("http").connector._conns.values()
        planted.set()
        while not idle[0][0].should_close:  # noqa: ASYNC110 - nobody tells when what was planted has come
            await asyncio.sleep(0)
        for times in (2, 3):
            assert (await upstream.get(url)).json() == {"asked": times}
    server.close()
    await server.wait_closed()


# ── Documents ─────────────────────────────────────────────────────────────────────────────────


async def test_a_document_is_cached_as_its_server_says():
    server = Server(said("200 OK", b'{"a": 1}', "Cache-Control: max-age=600"), said(body=b'{"a": 2}'))
    time = [0.0]
    outbound = Outbound(OutboundConfig(allow_networks=LOOPBACK), clock=lambda: time[0])
    async with serving(server) as url:
        client = outbound.client("up")
        assert await client.document(url) == await client.document(url) == {"a": 1}
        time[0] = 600 + 3600 + 1
        assert await client.document(url) == {"a": 2}
    await outbound.close()
    assert len(server.heads) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said("404 Not Found", b"{}"), "bad_status"),
        (said(body=b"[]"), "not_json"),
        (said(body=b"<html>"), "not_json"),
        (said("302 Found", b"", "Location: /x"), "redirect"),
    ],
)
async def test_what_is_no_document_is_refused(answer, reason):
    async with serving(Server(answer)) as url, calling() as upstream:
        assert await refused(upstream.document(url)) == reason


async def test_closing_ends_a_fetch_that_is_under_way():
    server = Server(said())
    server.hold.clear()
    outbound = Outbound(OutboundConfig(timeout=30, allow_networks=LOOPBACK))
    async with serving(server) as url:
        waiting = asyncio.create_task(outbound.client("up").document(url))
        await server.heard.acquire()
        await outbound.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_nothing_is_opened_before_it_is_used():
    outbound = Outbound(OutboundConfig())
    outbound.client("up")
    await outbound.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
