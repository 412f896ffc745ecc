"""A client app that wants to be told of the end of sessions, and believes nothing that it has not checked."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from broker.jose import KeySet, read
from tests.patience import PATIENCE

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class ClientApp:
    """Listens for logout tokens at ``backchannel_logout_uri``."""

    origin: str = ""
    told: list[str] = field(default_factory=list)
    """The tokens as they came, whether they were answered well or not."""
    answers: list[int] = field(default_factory=list)
    """Status codes of the next answers; without any 200."""
    hangs: asyncio.Event | None = None
    """While this is there, it answers when it is set."""
    huge: bool = False
    refuses: frozenset[str] = frozenset()
    """The ``jti`` of tokens that it cannot deal with, and answers 500."""
    elsewhere: int = 0
    """Requests that came by way of a redirect."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def backchannel_logout_uri(self) -> str:
        return f"{self.origin}/backchannel"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[ClientApp]:
        app, server = cls(), web.Application()
        server.router.add_post("/backchannel", app._backchannel)
        server.router.add_route("*", "/elsewhere", app._elsewhere)
        runner = web.AppRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        app.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield app
        finally:
            await runner.cleanup()

    async def hears(self, count: int = 1) -> list[str]:
        """The tokens, once so many have come."""
        async with self._news, asyncio.timeout(PATIENCE):
            await self._news.wait_for(lambda: len(self.told) >= count)
            return list(self.told)

    async def checked(self, token: str, *, issuer: str, client_id: str) -> dict[str, Any]:
        """The claims of a logout token, checked as Back-Channel Logout §2.6 wants it, and a little more."""
        async with aiohttp.ClientSession() as session, session.get(f"{issuer}/jwks") as answer:
            keys = KeySet.from_jwks(await answer.json())
        signed = read(token, keys, algorithms=["ES256", "RS256", "PS256"], typ={"logout+jwt"})
        claims: dict[str, Any] = dict(signed.claims)
        assert claims["iss"] == issuer
        assert claims["aud"] == client_id
        assert 0 < claims["exp"] - claims["iat"] <= 120
        assert len(claims["jti"]) >= 22
        assert claims["events"] == {EVENT: {}}
        assert "nonce" not in claims
        assert claims.keys() <= {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
        assert claims.keys() & {"sub", "sid"}
        return claims

    async def _backchannel(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert request.content_type == "application/x-www-form-urlencoded"
        assert list(form) == ["logout_token"]
        async with self._news:
            self.told.append(str(form["logout_token"]))
            self._news.notify_all()
        if self.hangs is not None:
            await self.hangs.wait()
        status = self.answers.pop(0) if self.answers else 200
        if payload(str(form["logout_token"]))["jti"] in self.refuses:
            status = 500
        headers = {"Location": f"{self.origin}/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers, body=b"x" * (2 << 20) if self.huge else b"")

    async def _elsewhere(self, _request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()


def header(token: str) -> dict[str, Any]:
    """The header of a JWT, unverified."""
    return _part(token, 0)


def payload(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified; none where it is encrypted."""
    return _part(token, 1) if token.count(".") == 2 else {"jti": None}


def _part(token: str, place: int) -> dict[str, Any]:
    part = token.split(".")[place]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found
