"""The way to one upstream: whom it trusts, what it shows, which proxy it takes. Real TLS, a real proxy."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from cryptography.hazmat.primitives import serialization

from broker.config import OutboundConfig
from broker.connector import Secret, UpstreamInvalid, UpstreamUnavailable
from broker.kit.loop_clock import by_hand
from broker.outbound import Outbound, Way, messages
from tests.outbound.proxies import Proxy, proxying
from tests.patience import PATIENCE
from tests.tls import Authority

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Upstream:
    """An https server that says who came."""

    def __init__(self) -> None:
        self.url, self.shown, self.asked = "", [], 0
        self.slow = asyncio.Event()
        self.slow.set()
        self.heard = asyncio.Semaphore(0)
        """One for each request that came."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                self.heard.release()
                certificate = writer.get_extra_info("peercert")
                self.shown.append(certificate and dict(part[0] for part in certificate["subject"]))
                await self.slow.wait()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, host, 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    upstream.url = f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/"
    try:
        yield upstream
    finally:
        upstream.slow.set()
        server.close()


@asynccontextmanager
async def going(networks=LOOPBACK, **way):
    outbound = Outbound(OutboundConfig(timeout=PATIENCE, allow_networks=networks))
    try:
        yield outbound.client("up", Way(**way))
    finally:
        await outbound.close()


def seeing_clients(authority: Authority) -> ssl.SSLContext:
    """A server that takes a client's certificate, and a client without one."""
    context = authority.server(wants_client=True)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def shown(authority: Authority) -> tuple[Path, Path]:
    """The broker's certificate and key."""
    pair = authority.pair("broker", client=True)
    return pair.certificate, pair.key


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def test_the_authority_that_is_named_is_believed_and_the_systems_roots_are_not(authority, tmp_path):
    another = tmp_path / "another"
    another.mkdir()
    async with serving(authority.server()) as upstream:
        async with going(ca=authority.ca) as client:
            assert (await client.get(upstream.url)).status == 200
        async with going() as client:
            with pytest.raises(UpstreamUnavailable, match="certificate that is not believed"):
                await client.get(upstream.url)
        async with going(ca=Authority(another).ca) as client:
            with pytest.raises(UpstreamUnavailable, match="certificate that is not believed"):
                await client.get(upstream.url)
    assert upstream.asked == 1


async def test_the_name_of_a_certificate_is_checked_too(authority):
    async with going(ca=authority.ca) as client:
        async with serving(authority.server()) as upstream:
            assert (await client.get(upstream.url.replace("127.0.0.1", "localhost"))).status == 200
        async with serving(authority.server(), "127.0.0.2") as upstream:
            with pytest.raises(UpstreamUnavailable, match="certificate that is not believed"):
                await client.get(upstream.url)


async def test_a_client_certificate_is_shown_and_without_one_none(authority):
    certificate, key = shown(authority)
    async with serving(seeing_clients(authority)) as upstream:
        async with going(ca=authority.ca, certificate=certificate, key=key) as client:
            await client.get(upstream.url)
        async with going(ca=authority.ca) as client:
            await client.get(upstream.url)
    assert upstream.shown == [{"commonName": "broker"}, None]


async def test_the_files_are_read_once(authority):
    certificate, key = shown(authority)
    async with (
        serving(seeing_clients(authority)) as upstream,
        going(ca=authority.ca, certificate=certificate, key=key) as client,
    ):
        await client.get(upstream.url)
        for file in (certificate, key, authority.ca):
            file.unlink()
        await client.get(upstream.url)
    assert upstream.asked == 2


@pytest.mark.parametrize("spoil", ["no certificate", "another key", "a passphrase", "no authority", "gone"])
async def test_files_that_do_not_fit_are_told_and_nobody_is_asked_for_a_passphrase(authority, spoil):
    certificate, key = shown(authority)
    if spoil == "no certificate":
        certificate.write_text("rubbish")
    elif spoil == "another key":
        key = authority.pair("other", client=True).key
    elif spoil == "a passphrase":
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        locked = serialization.BestAvailableEncryption(b"p")
        key.write_bytes(
            private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        )
    elif spoil == "no authority":
        authority.ca.write_text("rubbish")
    elif spoil == "gone":
        key.unlink()
    async with going(ca=authority.ca, certificate=certificate, key=key) as client:
        with pytest.raises(UpstreamInvalid) as caught:
            await client.get("https://127.0.0.1:1/")
    assert caught.value.reason == "tls_files_unusable"


async def test_https_goes_through_the_proxy_and_is_still_checked_end_to_end(authority):
    async with (
        proxying(Proxy()) as proxy,
        serving(authority.server()) as upstream,
    ):
        async with going(ca=authority.ca, proxy=Secret(proxy.url)) as client:
            assert (await client.get(upstream.url)).status == 200
        async with going(proxy=Secret(proxy.url)) as client:
            with pytest.raises(UpstreamUnavailable, match="certificate that is not believed"):
                await client.get(upstream.url)
    target = upstream.url.removeprefix("https://").rstrip("/")
    assert [head.split("\r\n")[0] for head in proxy.heads] == [f"CONNECT {target} HTTP/1.1"] * 2
    assert "authorization" not in proxy.heads[0].lower()


async def test_a_proxy_is_told_its_own_password_and_no_secret_of_ours(authority):
    async with proxying(Proxy()) as proxy, serving(authority.server()) as upstream:
        told = proxy.url.replace("http://", "http://us%40acme:p%3Aw@")
        async with going(ca=authority.ca, proxy=Secret(told)) as client:
            await client.post(upstream.url, {"code": "c"}, basic=("broker", Secret("of-ours")))
    assert "Proxy-Authorization: Basic dXNAYWNtZTpwOnc=" in proxy.heads[0]
    assert "broker" not in proxy.heads[0].replace("federation-broker", "")


async def test_a_proxy_that_says_no_is_an_upstream_that_cannot_be_reached(authority):
    async with (
        proxying(Proxy("407 Proxy Authentication Required")) as proxy,
        serving(authority.server()) as upstream,
        going(ca=authority.ca, proxy=Secret(proxy.url)) as client,
    ):
        with pytest.raises(UpstreamUnavailable, match="the proxy answered 407"):
            await client.get(upstream.url)


@pytest.mark.row("UP-03")
async def test_the_guard_looks_at_the_proxy_and_at_every_address_that_is_spelled_out(authority):
    async with proxying(Proxy()) as proxy, serving(authority.server()) as upstream:
        async with going(networks=(), ca=authority.ca, proxy=Secret(proxy.url)) as client:
            with pytest.raises(UpstreamInvalid) as caught:
                await client.get("https://idp.example/")
            assert caught.value.reason == "address_not_allowed"
        async with going(networks=LOOPBACK, ca=authority.ca, proxy=Secret(proxy.url)) as client:
            for host in ("169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]", "[fd00::1]"):
                with pytest.raises(UpstreamInvalid) as caught:
                    await client.get(f"https://{host}/")
                assert caught.value.reason == "address_not_allowed"
    assert proxy.heads == []
    assert upstream.asked == 0


@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0xa9.254.169.254",
        "0x7f.1.",
        "localhost",
        "LocalHost.",
        "idp.localhost",
        "[::1]",
        "[::127.0.0.1]",
    ],
)
async def test_an_address_in_another_spelling_is_not_left_to_the_proxy(host):
    async with (
        proxying(Proxy()) as proxy,
        going(networks=(ip_network("127.0.0.1/32"),), proxy=Secret(proxy.url)) as client,
    ):
        with pytest.raises(UpstreamInvalid) as caught:
            await client.get(f"https://{host}/")
        assert caught.value.reason in {"address_not_allowed", "bad_url"}
    assert proxy.heads == []


async def test_plain_http_on_this_machine_goes_past_the_proxy(authority):
    async with (
        proxying(Proxy()) as proxy,
        serving(None) as upstream,
        going(proxy=Secret(proxy.url)) as client,
    ):
        assert (await client.get(upstream.url)).status == 200
    assert proxy.heads == []


async def test_a_deadline_of_its_own_holds_through_the_proxy_too(authority):
    async with proxying(Proxy()) as proxy, serving(authority.server()) as upstream:
        upstream.slow.clear()
        for way in ({}, {"proxy": Secret(proxy.url)}):
            with by_hand() as clock:
                async with going(ca=authority.ca, timeout=0.3, **way) as client:
                    asking = asyncio.ensure_future(client.get(upstream.url))
                    await upstream.heard.acquire()
                    await clock.until(asking, within=0.5)
                    with pytest.raises(UpstreamUnavailable, match="in time"):
                        await asking


async def test_a_proxy_where_nobody_listens_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and kept, so that nobody else takes it
        port = free.getsockname()[1]
        async with going(proxy=Secret(f"http://127.0.0.1:{port}")) as client:
            with pytest.raises(
                UpstreamUnavailable, match="cannot be connected to: its proxy does not answer"
            ):
                await client.get("https://idp.example/")


async def test_where_nobody_listens_an_operator_reads_that_it_was_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        async with going() as client:
            with pytest.raises(UpstreamUnavailable, match="cannot be connected to: connection refused"):
                await client.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (aiohttp.ClientConnectorDNSError, "its name is not found"),
        (aiohttp.ClientConnectorSSLError, "no TLS is agreed on"),
    ],
)
def test_why_there_is_no_connection_is_said_in_words(kind, why):
    place = "https://idp.example/"
    there = ConnectionKey("idp.example", 443, True, True, None, None, None)
    told = messages.ours(kind(there, OSError(-2, "anything")), place)
    assert told.detail == f"{place} cannot be connected to: {why}"
