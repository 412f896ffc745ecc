"""Connectors as the broker opens them from YAML, at fake providers, and the way through one login.

Owns `Stage` and `Login`, the clock that stands still, and `Standin`, which sends what is meant for a vendor's
own host to the fake that stands in for it. Everything else between the two is real: the configuration, the
HTTP client with its limits, the keys and their cache.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from broker.config import Config, ConnectorConfig, load
from broker.connector import Answer, Json, UpstreamHTTP, UpstreamIdentity
from broker.kit.provider import FakeProvider
from broker.protocol.errors import OAuthError
from broker.protocol.flow import AuthorizeRequest, PendingLogin
from broker.protocol.reply import ReplyTo
from broker.upstreams import Started, Upstream, Upstreams
from broker.upstreams.keeping import Keeper, nowhere

ISSUER = "http://127.0.0.1:8999"


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.time

    def forward(self, seconds: float) -> None:
        """Let some pass."""
        self.time += seconds


class Standin:
    """HTTP to a vendor, answered by the fakes that stand in for its hosts."""

    def __init__(self, http: UpstreamHTTP, fakes: Sequence[FakeProvider]) -> None:
        self._http, self._fakes = http, fakes

    async def get(self, url: str, **how: Any) -> Answer:
        """GET."""
        return await self._http.get(self._reached(url), **how)

    async def post(self, url: str, form: Mapping[str, str], **how: Any) -> Answer:
        """POST a form."""
        return await self._http.post(self._reached(url), form, **how)

    async def post_json(self, url: str, body: Json, **how: Any) -> Answer:
        """POST a JSON document."""
        return await self._http.post_json(self._reached(url), body, **how)

    async def document(self, url: str) -> Mapping[str, Json]:
        """A JSON object that rarely changes."""
        return await self._http.document(self._reached(url))

    async def newer_document(self, url: str) -> Mapping[str, Json]:
        """The same, asked for anew."""
        return await self._http.newer_document(self._reached(url))

    async def file(self, url: str) -> bytes:
        """A file that rarely changes."""
        return await self._http.file(self._reached(url))

    async def newer_file(self, url: str) -> bytes:
        """The same, asked for anew."""
        return await self._http.newer_file(self._reached(url))

    def _reached(self, url: str) -> str:
        for fake in self._fakes:
            url = fake.reached(url)
        return url


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


def configured(connectors: Mapping[str, Any], folder: Path | None = None, **more: Any) -> Config:
    """The configuration with these connectors; paths in it are relative to the folder."""
    written = {
        "issuer": ISSUER,
        "state_dir": "state",
        # As patient as a configuration can be: whoever answers does so in time on the slowest machine too.
        "outbound": {"allow_networks": ["127.0.0.0/8", "::1/128"], "timeout": "60s"},
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
    with TemporaryDirectory() as made:
        path = (folder or Path(made)) / "broker.yaml"
        path.write_text(json.dumps(written), encoding="utf-8")  # JSON is YAML
        return load(path, {})


class Login:
    """One login at one upstream, step by step."""

    def __init__(
        self, upstream: Upstream, idp: FakeProvider, now: Clock, *, detour: str = "", **asked: Any
    ) -> None:
        self.upstream, self.idp = upstream, idp
        self.asked, self.started = asking(**asked), now()
        self.state, self.nonce, self.verifier = (secrets.token_urlsafe(33) for _ in range(3))
        self.memory: Mapping[str, str] = {}
        self.url = ""
        self.form: Mapping[str, str] | None = None
        self.detour = detour

    async def begin(self) -> str:
        """The way out: where the browser goes."""
        departure = await self.upstream.begin(
            Started(
                asked=self.asked,
                state=self.state,
                nonce=self.nonce,
                code_verifier=self.verifier,
                detour=self.detour,
            )
        )
        self.url, self.memory, self.form = departure.url, departure.memory, departure.form
        return self.url

    async def at_the_upstream(self) -> dict[str, str]:
        """The way out and through: what the browser brings back."""
        return await self.idp.sign_in(await self.begin())

    async def finish(self, answer: Mapping[str, str]) -> UpstreamIdentity:
        """The way back: who it is."""
        return await self.upstream.finish(self.pending, self.state, answer)

    @property
    def pending(self) -> PendingLogin:
        """What the broker kept of this login."""
        return PendingLogin(
            asked=self.asked,
            connector=self.upstream.id,
            nonce=self.nonce,
            code_verifier=self.verifier,
            memory=self.memory,
            started_at=self.started,
            detour=self.detour,
        )


class Stage:
    """Upstreams on one provider."""

    def __init__(self, upstreams: Upstreams, idp: FakeProvider, now: Clock, config: Config) -> None:
        self.upstreams, self.idp, self.now, self._config = upstreams, idp, now, config

    @property
    def upstream(self) -> Upstream:
        """The first."""
        return next(iter(self.upstreams.values()))

    @property
    def config(self) -> ConnectorConfig:
        """What the operator wrote about the first, as it was read."""
        return self._config.connectors[self.upstream.id]

    def login(self, name: str | None = None, **asked: Any) -> Login:
        """A login that is about to begin."""
        return Login(self.upstreams[name] if name else self.upstream, self.idp, self.now, **asked)

    async def sign_in(self, **asked: Any) -> UpstreamIdentity:
        """A whole login."""
        login = self.login(**asked)
        return await login.finish(await login.at_the_upstream())

    async def refused(self, **asked: Any) -> OAuthError:
        """A whole login that fails at its end."""
        login = self.login(**asked)
        answer = await login.at_the_upstream()
        try:
            identity = await login.finish(answer)
        except OAuthError as error:
            return error
        raise AssertionError(f"the login was not refused: {identity.subject} signed in")


@asynccontextmanager
async def on_stage(idp: FakeProvider, now: Clock | None = None, **changes: Any) -> AsyncIterator[Stage]:
    """The connector `oidc` on this provider, with changes to its YAML; None leaves a key out."""
    secret = None if idp.auth_method in {"none", "private_key_jwt"} else idp.client_secret
    entry = {
        "type": "oidc",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": secret,
        "token_endpoint_auth_method": "none" if idp.auth_method == "none" else None,
        **changes,
    }
    said = {key: value for key, value in entry.items() if value is not None}
    async with opened(idp, {"up": said}, now) as stage:
        yield stage


@asynccontextmanager
async def opened(
    idp: FakeProvider,
    connectors: Mapping[str, Any],
    now: Clock | None = None,
    *others: FakeProvider,
    rooms: Callable[[Clock], Keeper] | None = None,
    **more: Any,
) -> AsyncIterator[Stage]:
    """These connectors, opened, at this provider and the others.

    ``rooms`` makes what the connectors may keep, such as ``broker.upstreams.in_store``; without it they can
    keep nothing.
    """
    clock, fakes = now or Clock(), (idp, *others)
    for fake in fakes:
        fake.now = clock
    config = configured(connectors, **more)
    standing_in = any(fake.hosts for fake in fakes)
    between = (lambda http: Standin(http, fakes)) if standing_in else None
    keeper = nowhere if rooms is None else rooms(clock)
    upstreams = Upstreams.open(config, clock, clock=clock, keeper=keeper, between=between)
    try:
        yield Stage(upstreams, idp, clock, config)
    finally:
        await upstreams.close()
