"""What the proxy examples are tried with: a certificate, a tiny backend, and a client that sends anything."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "login.acme.example"


@dataclass(frozen=True)
class Certificate:
    """Two files, and a client context that trusts them and nothing else."""

    chain: Path
    key: Path

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.chain))


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for the name in the examples."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(tmp_path / "fullchain.pem", tmp_path / "privkey.pem")
    made.chain.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


class Backend:
    """Stands where the broker would, and keeps what reached it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, list[tuple[str, str]]]] = []
        self.bodies: list[bytes] = []
        """Only those that came whole."""
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        self.requests.append((request.path_qs, headers))
        self.bodies.append(await request.read())
        return web.Response(text="from the backend")


@pytest_asyncio.fixture
async def backend():
    """A backend that listens on loopback."""
    standing = Backend()
    app = web.Application(client_max_size=2**20)
    app.router.add_route("*", "/{anything:.*}", standing.answer)
    async with TestServer(app) as server:
        standing.port = server.port
        yield standing


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs with one of our examples."""

    port: int
    trusted: ssl.SSLContext

    async def ask(
        self, target: str, *headers: str, method: str = "GET", body: bytes = b""
    ) -> tuple[int, str]:
        """One request over TLS, its headers exactly as given; the status and the rest of the answer."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.trusted, server_hostname=NAME
        )
        head = [f"{method} {target} HTTP/1.1", f"Host: {NAME}", "Connection: close", *headers]
        if body:
            head.append(f"Content-Length: {len(body)}")
        try:
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            answer = (await reader.read()).decode()
        finally:
            writer.close()
        return int(answer.split(" ", 2)[1]), answer
