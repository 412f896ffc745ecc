"""An app that registers itself, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp

from tests.flow.broker import CHALLENGE, Broker, Browser, Landed

INITIAL = "initial-access-token-of-some-length-0123456789"
STRANGER = "https://stranger.example/callback"
OPEN = {"registration": {"policy": "open"}}
APP: dict[str, Any] = {
    "client_name": "Stranger",
    "redirect_uris": [STRANGER],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
}


@dataclass(frozen=True)
class Told:
    """An answer of the registration endpoint."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def token(self) -> str:
        return str(self.body["registration_access_token"])

    @property
    def uri(self) -> str:
        return str(self.body["registration_client_uri"])


async def call(method: str, url: str, *, token: str | None = None, body: Any = None, **headers: str) -> Told:
    """One request; ``body`` is JSON, or bytes as they are."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    data = None if sent is None else BytesIO(sent)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=data, headers=headers) as answer,
    ):
        read = await answer.read()
        return Told(answer.status, json.loads(read) if read else None, answer.headers)


async def register(broker: Broker, *, token: str | None = None, **changes: Any) -> Told:
    """Register `APP` with these changes; None leaves a member out."""
    document = {name: value for name, value in (APP | changes).items() if value is not None}
    return await call("POST", f"{broker.issuer}/register", token=token, body=document)


async def sign_in(browser: Browser, told: Told, **changes: str | None) -> Landed:
    """A whole login at a registered app, allowing what is asked."""
    return await browser.login(**asked(told, **changes))


def asked(told: Told, **changes: str | None) -> dict[str, str | None]:
    uris = told.body["redirect_uris"]
    return {"client_id": told.body["client_id"], "redirect_uri": uris[0], "scope": "openid profile"} | changes


async def redeem(browser: Browser, told: Told, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
    """The tokens of an app without a secret."""
    form = {"client_id": told.body["client_id"], "redirect_uri": told.body["redirect_uris"][0]} | changes
    return await browser.token(code, client=None, **form)


__all__ = [
    "APP",
    "CHALLENGE",
    "INITIAL",
    "OPEN",
    "STRANGER",
    "Told",
    "asked",
    "call",
    "redeem",
    "register",
    "sign_in",
]
