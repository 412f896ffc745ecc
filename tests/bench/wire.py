"""The cheapest HTTP/1.1 that is still HTTP: a client connection for the driver, a server for the stub.

Both are raw asyncio protocols, so that on a small machine nearly all of the time is the broker's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple


class Lost(Exception):
    """A request that got no answer, or not the one it should have got."""


class Answer(NamedTuple):
    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        return next(iter(self.headers(name)), "")

    def headers(self, name: str) -> list[str]:
        start = f"{name.lower()}:"
        lines = self.head.split("\r\n")
        return [line[len(start) :].strip() for line in lines if line.lower().startswith(start)]


class Connection(asyncio.Protocol):
    """One keep-alive connection, used as a careful client would use it.

    A connection seen closed is replaced before anything is sent. A GET whose connection closes before a
    byte of the answer came is sent again, once, as browsers do (RFC 9110 §9.2.2); a POST never is.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answered = 0
        self._waiting: asyncio.Future[Answer] | None = None
        self.count_anew()

    def count_anew(self) -> None:
        self.sent = self.received = self.requests = self.resent = self.opened = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._buffer = b""
        self._answered = 0

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            age = "in use" if self._answered else "fresh"
            detail = f"a connection {age} closed after {len(self._buffer)} bytes"
            self._waiting.set_exception(ConnectionResetError(detail))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None or self._waiting.done():
            return
        head = self._buffer[:end].decode("latin-1")
        low = head.lower()
        at = low.find("content-length:")
        length = int(low[at + 15 :].split("\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
        self.received += end + 4 + length
        if "connection: close" in low:
            self.close()
        self._answered += 1
        self._waiting.set_result(Answer(int(head[9:12]), head, body))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    async def request(self, data: bytes) -> Answer:
        """Send one request and wait for its answer."""
        self.requests += 1
        self.sent += len(data)
        try:
            return await self._once(data)
        except ConnectionError:
            if not data.startswith(b"GET ") or self._buffer:
                raise
            self.resent += 1
            return await self._once(data)

    async def _once(self, data: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self.opened += 1
            await loop.create_connection(lambda: self, self._host, self._port)
        if self._transport is None:
            raise ConnectionResetError("closed at once")
        self._waiting = loop.create_future()
        self._transport.write(data)
        async with asyncio.timeout(20):
            return await self._waiting


Handler = Callable[[str, str, bytes], tuple[int, str, bytes]]
"""(method, target, body) → (status, content type, body)."""


class Server(asyncio.Protocol):
    """Answers each request from memory, on connections that stay open."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].decode("latin-1")
            at = head.lower().find("content-length:")
            length = int(head[at + 15 :].split("\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            status, kind, answer = self._handler(method, target, body)
            start = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(answer)}\r\n\r\n"
            if self._transport is not None:
                self._transport.write(start.encode() + answer)
