"""A man in the middle of Redis: holds answers back, swaps two, cuts the line; when, the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio.connection import parse_url


def frame_end(data: bytes, start: int = 0) -> int | None:
    """Where the RESP value that begins at ``start`` ends; None when it is not whole yet."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, size, end = data[start : start + 1], data[start + 1 : line], line + 2
    if kind == b"$" and int(size) >= 0:
        end += int(size) + 2
    elif kind == b"*":
        for _ in range(max(int(size), 0)):
            inner = frame_end(data, end)
            if inner is None:
                return None
            end = inner
    return end if end <= len(data) else None


class Proxy:
    """Listens on TCP, speaks to the server's Unix socket."""

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        self._path = parse_url(url)["path"]
        self._tls = tls
        self.answers = asyncio.Event()
        """Answers pass while it is set."""
        self.answers.set()
        self.swap_next_two = False
        self.cut_at_next_answer = False
        self.commands = 0
        """Writes that came from the client."""
        self.connections = 0
        self.received = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        up_reader, up_writer = await asyncio.open_unix_connection(self._path)
        down = asyncio.create_task(self._answers(up_reader, writer))
        try:
            while data := await reader.read(65_536):
                self.commands += 1
                up_writer.write(data)
                await up_writer.drain()
                self.received.set()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            down.cancel()
            up_writer.close()
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            await up_writer.wait_closed()
            self._tasks.discard(task)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := await reader.read(65_536):
                data += more
                while (end := frame_end(data)) is not None:
                    frame, data = data[:end], data[end:]
                    await self.answers.wait()
                    if self.cut_at_next_answer:
                        self.cut_at_next_answer = False
                        writer.transport.abort()
                        return
                    for out in self._order(frame):
                        writer.write(out)
            writer.close()

    def _order(self, frame: bytes) -> list[bytes]:
        if not self.swap_next_two:
            return [frame]
        self._held.append(frame)
        if len(self._held) < 2:
            return []
        first, second = self._held
        self._held, self.swap_next_two = [], False
        return [second, first]


def certificate(folder: Path) -> ssl.SSLContext:
    """A server context for localhost; its self-signed certificate is in ``cert.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
