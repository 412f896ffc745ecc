"""One upstream as the broker opens it from YAML, and the way through one login at it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from broker.config import load
from broker.connector import UpstreamIdentity
from broker.protocol.errors import OAuthError
from broker.protocol.flow import AuthorizeRequest, PendingLogin
from broker.protocol.reply import ReplyTo
from broker.upstreams import Started, Upstream, Upstreams
from tests.fakes.provider import FakeProvider

ISSUER = "http://127.0.0.1:8999"


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += seconds


def asking(**what: Any) -> AuthorizeRequest:
    """What a client app asked."""
    reply_to = ReplyTo(
        client_id="app",
        redirect_uri="https://app.example/",
        response_mode="query",
        state="s",
        issuer=ISSUER,
    )
    return AuthorizeRequest(client_id="app", reply_to=reply_to, scopes=("openid",), **what)


def configured(connectors: Mapping[str, Any], **more: Any) -> Any:
    """The configuration with these connectors."""
    written = {
        "issuer": ISSUER,
        "state_dir": "state",
        "outbound": {"allow_networks": ["127.0.0.0/8", "::1/128"]},
        "connectors": {name: {"name": name, **entry} for name, entry in connectors.items()},
        "clients": {
            "app": {
                "client_name": "App",
                "client_secret": "0123456789abcdefghijklmnopqrstuvwxyz",
                "redirect_uris": ["https://app.example/"],
            }
        },
        **more,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "broker.yaml"
        path.write_text(json.dumps(written), encoding="utf-8")  # JSON is YAML
        return load(path, {})


class Login:
    """One login at one upstream, step by step."""

    def __init__(self, upstream: Upstream, idp: FakeProvider, now: Clock, **asked: Any) -> None:
        self.upstream, self.idp = upstream, idp
        self.asked, self.started = asking(**asked), now()
        self.state, self.nonce, self.verifier = (secrets.token_urlsafe(33) for _ in range(3))
        self.memory: Mapping[str, str] = {}
        self.url = ""

    async def begin(self) -> str:
        departure = await self.upstream.begin(
            Started(asked=self.asked, state=self.state, nonce=self.nonce, code_verifier=self.verifier)
        )
        self.url, self.memory = departure.url, departure.memory
        return self.url

    async def at_the_upstream(self) -> dict[str, str]:
        return await self.idp.sign_in(await self.begin())

    async def finish(self, answer: Mapping[str, str]) -> UpstreamIdentity:
        pending = PendingLogin(
            asked=self.asked,
            connector=self.upstream.id,
            nonce=self.nonce,
            code_verifier=self.verifier,
            memory=self.memory,
            started_at=self.started,
        )
        return await self.upstream.finish(pending, self.state, answer)


class Stage:
    """Upstreams on one provider."""

    def __init__(self, upstreams: Upstreams, idp: FakeProvider, now: Clock) -> None:
        self.upstreams, self.idp, self.now = upstreams, idp, now

    @property
    def upstream(self) -> Upstream:
        return next(iter(self.upstreams.values()))

    def login(self, name: str | None = None, **asked: Any) -> Login:
        return Login(self.upstreams[name] if name else self.upstream, self.idp, self.now, **asked)

    async def sign_in(self, **asked: Any) -> UpstreamIdentity:
        """A whole login."""
        login = self.login(**asked)
        return await login.finish(await login.at_the_upstream())

    async def refused(self, **asked: Any) -> OAuthError:
        """A whole login that fails at its end."""
        login = self.login(**asked)
        answer = await login.at_the_upstream()
        with pytest.raises(OAuthError) as caught:
            await login.finish(answer)
        return caught.value


@asynccontextmanager
async def on_stage(idp: FakeProvider, now: Clock | None = None, **changes: Any) -> AsyncIterator[Stage]:
    """The connector `oidc` on this provider, with changes to its YAML; None leaves a key out."""
    credentials = (
        {} if idp.auth_method in {"none", "private_key_jwt"} else {"client_secret": idp.client_secret}
    )
    method = "none" if idp.auth_method == "none" else None
    entry = {
        "type": "oidc",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        **credentials,
        "token_endpoint_auth_method": method,
        **changes,
    }
    async with opened(
        idp, {"up": {key: value for key, value in entry.items() if value is not None}}, now
    ) as stage:
        yield stage


@asynccontextmanager
async def opened(
    idp: FakeProvider, connectors: Mapping[str, Any], now: Clock | None = None, **more: Any
) -> AsyncIterator[Stage]:
    """These connectors, opened."""
    clock = now or Clock()
    idp.now = clock
    upstreams = Upstreams.open(configured(connectors, **more), clock, clock=clock)
    try:
        yield Stage(upstreams, idp, clock)
    finally:
        await upstreams.close()
