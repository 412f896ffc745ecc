"""A host of client documents: https, with a certificate of an authority of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.tls import Authority

CALLBACK = "https://app.example/callback"


@dataclass
class Host:
    """Serves documents by their path, and counts who asks."""

    origin: str = ""
    ca: Path = Path()
    documents: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, web.Response] = field(default_factory=dict)
    """What is answered instead of a document."""
    asked: list[str] = field(default_factory=list)
    cache_control: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nobody is answered before it is set."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody has asked."""

    def document(self, path: str = "/app.json", **changes: Any) -> str:
        """Put a document there; gives its URL, which is the ``client_id``."""
        url = self.origin + path
        said = {
            "client_id": url,
            "client_name": "Described",
            "redirect_uris": [CALLBACK, "http://127.0.0.1/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        self.documents[path] = {name: value for name, value in (said | changes).items() if value is not None}
        return url

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.arrived.set()
        await self.gate.wait()
        if request.path in self.answers:
            said = self.answers[request.path]
            return web.Response(status=said.status, headers=said.headers, body=said.body)
        if request.path not in self.documents:
            raise web.HTTPNotFound
        answer = web.json_response(self.documents[request.path])
        if self.cache_control:
            answer.headers["Cache-Control"] = self.cache_control
        return answer


@asynccontextmanager
async def hosting(folder: Path) -> AsyncIterator[Host]:
    """The host, on a free port."""
    authority, host = Authority(folder), Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", host.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server()).start()
    host.origin, host.ca = f"https://127.0.0.1:{runner.addresses[0][1]}", authority.ca
    host.gate.set()
    try:
        yield host
    finally:
        host.gate.set()
        await runner.cleanup()
