"""Which TLS is spoken on the broker's own listeners."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from broker.cli.listening import tls_context
from broker.config import TlsConfig
from tests.tls import Authority

RECOMMENDED = {
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
}
"""RFC 9325 §4.2, by the names of OpenSSL."""


@pytest.fixture
def pair(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    authority = Authority(tmp_path)
    files = authority.pair("localhost")
    return tls_context(TlsConfig(certificate=files.certificate, key=files.key)), authority.ca


@pytest.mark.standard(
    "RFC 9325", "§4.2 only the recommended cipher suites of TLS 1.2, and §3.1.1 nothing older"
)
@pytest.mark.standard(
    "FAPI 2.0 Security Profile", "§5.2.1 TLS 1.2 with the cipher suites of BCP 195, or later"
)
@pytest.mark.row("CF-10")
def test_only_the_recommended_cipher_suites_are_offered(pair) -> None:
    context, _ = pair
    offered = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}
    assert offered
    assert offered <= RECOMMENDED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def shakes_hands(pair, change) -> bool:
    server_side, ca = pair
    client = ssl.create_default_context(cafile=str(ca))
    change(client)

    async def bye(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(bye, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("localhost", port, ssl=client)
    except (ssl.SSLError, ConnectionError):
        return False
    else:
        writer.close()
        return True
    finally:
        server.close()


def only(ciphers: str):
    def change(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)

    return change


@pytest.mark.standard(
    "RFC 9325", "§4.2 only the recommended cipher suites of TLS 1.2, and §3.1.1 nothing older"
)
@pytest.mark.parametrize(
    ("ciphers", "right"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", False),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("AES128-GCM-SHA256", False),
    ],
)
async def test_a_client_with_another_suite_is_not_spoken_to(pair, ciphers, right) -> None:
    assert await shakes_hands(pair, only(ciphers)) is right
