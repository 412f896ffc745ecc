"""The broker under test, and a browser that is nobody's but the test's."""

from __future__ import annotations

import json
import re
import socket
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from broker.app import SERVER, Surroundings, build
from broker.config import StoreConfig, load
from broker.services import SERVICES, Services
from broker.store import StoreUnavailable
from tests.fakes.provider import FakeProvider

CALLBACK = "https://billing.example/callback"
SECRET = "billing-secret-of-some-length-0123456789"
VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
OUTBOUND = {"allow_networks": ["127.0.0.0/8"], "timeout": "60s"}
"""Whoever is called is given time enough on a busy machine; where somebody is given up, the test skips it."""
GIVEN_UP = 61
"""Seconds after which nobody is waited for any more (`tests.patience.skip`)."""
ASKED = {
    "client_id": "billing",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid profile email",
    "state": "state-of-the-client",
    "nonce": "nonce-of-the-client",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
"""A good request, however it is sent."""


class Clock:
    """Time, as the test wants it."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._stands: float | None = None

    def __call__(self) -> float:
        return (time.time() if self._stands is None else self._stands) + self.offset

    def stand(self) -> None:
        """Go on only by being put forward, where a test is about seconds."""
        self._stands = time.time()

    def forward(self, seconds: float) -> None:
        self.offset += seconds

    def step(self, seconds: int) -> None:
        """Forward to where the next step of so many seconds begins, so that none ends meanwhile."""
        self.forward(seconds - self() % seconds)


def config_text(issuer: str, idp: FakeProvider, store: StoreConfig, changes: dict[str, Any]) -> str:
    """The YAML of the broker under test."""
    connector = {
        "type": "oidc",
        "name": "Staff login",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
        "get_user_info": True,
        "scope": "openid profile email",
        "claims": {
            "claims": {
                "name": {"from": ["name"]},
                "email": {"from": ["email"]},
                "email_verified": {"from": ["email_verified"], "default": False},
                "groups": {"from": ["groups"], "cast": "list", "prefix": "staff:"},
            }
        },
    }
    client = {
        "client_name": "Billing",
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access groups",
        "access_token_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256",
    }
    document: dict[str, Any] = {
        "issuer": issuer,
        "listen": urlsplit(issuer).netloc,
        "store": {
            "url": store.url,
            "prefix": store.prefix,
            "encryption_keys": [key.reveal() for key in store.encryption_keys],
        },
        "subject_key": "a-subject-key-that-is-long-enough-for-this-test",
        "outbound": OUTBOUND,
        "scopes": {"groups": {"description": "See your groups", "claims": ["groups"]}},
        "connectors": {"staff": connector | changes.get("connector", {})},
        "clients": {
            "billing": client | changes.get("client", {}),
            "trusted": client
            | {"client_name": "Trusted", "trusted": True, "redirect_uris": ["https://trusted.example/cb"]}
            | changes.get("trusted", {}),
            "spa": {
                "client_name": "Web app",
                "token_endpoint_auth_method": "none",
                "redirect_uris": ["https://spa.example/"],
                "scope": "openid profile email offline_access",
                "grant_types": ["authorization_code", "refresh_token"],
            },
        },
    }
    for name, entry in changes.get("connectors", {}).items():
        document["connectors"][name] = connector | entry
    document["connectors"] |= changes.get("own_logins", {})
    for name, entry in changes.get("clients", {}).items():
        document["clients"][name] = {k: v for k, v in (client | entry).items() if v is not None}
    document |= changes.get("top", {})
    return json.dumps(document, indent=2)  # JSON is YAML, and has no aliases


@dataclass
class Broker:
    """A running broker."""

    issuer: str
    app: web.Application
    clock: Clock
    idp: FakeProvider
    log: list[bytes] = field(default_factory=list)
    runner: web.AppRunner | None = None
    """What serves it, for a test that opens another door."""

    @property
    def services(self) -> Services:
        return self.app[SERVICES]

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield Browser(self, session)

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log]
        return [event for event in found if name is None or event["event"] == name]

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.events() if "reason" in event]


@asynccontextmanager
async def running_broker(
    idp: FakeProvider, store: StoreConfig, folder: Path, **changes: Any
) -> AsyncIterator[Broker]:
    """A broker from a real configuration file, on a free port."""
    async with AsyncExitStack() as stack:
        # Held from now on: the issuer is in the configuration, and nobody else may take the port meanwhile.
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        issuer = f"http://127.0.0.1:{port}"
        path = folder / f"broker-{port}.yaml"
        path.write_text(config_text(issuer, idp, store, changes))
        clock, log = Clock(), list[bytes]()
        on_log = changes.pop("on_log", lambda _line: None)

        def write(line: bytes) -> None:
            log.append(line)
            on_log(line)

        around = Surroundings(now=clock, clock=changes.pop("clock", time.monotonic), log=write)
        app = await build(load(path, {}), around=around)
        runner = web.AppRunner(app, **SERVER, **changes.pop("server", {}))
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        broker = Broker(issuer, app, clock, idp, log, runner)
        yield broker
        nothing_secret_was_logged(broker)
        await every_key_ends_by_itself(broker)


LONG = re.compile(r"[A-Za-z0-9_-]{40,}")


def nothing_secret_was_logged(broker: Broker) -> None:
    """Asked after every test: no code, token, cookie, state or address, whatever the test did."""
    canaries = ("correct horse", SECRET, VERIFIER, "people.example", "Ada Example", broker.idp.client_secret)
    for event in broker.events():
        told = [str(value) for name, value in event.items() if name != "subject"]
        assert not [value for value in told if LONG.search(value)], event
        assert not [canary for canary in canaries if canary in " ".join(told)], event


async def every_key_ends_by_itself(broker: Broker) -> None:
    """Asked after every test: whatever it left in the store has an end, but for signing keys and people."""
    endless = (b"signing-keys", b"once-since:", b"people:{members}", b"usernames:{members}")
    store = broker.services.store
    try:
        for key in await store._wire.call("KEYS", f"{store._prefix}*"):
            ttl = await store._wire.call("PTTL", key)
            assert ttl != -1 or key.endswith(endless), key
    except StoreUnavailable:
        return  # the test has taken it away


@dataclass(frozen=True)
class Landed:
    """Where the browser is: an answer of ours, or an address it was sent to."""

    status: int
    url: str
    body: str
    headers: Any

    @property
    def params(self) -> dict[str, str]:
        """What the client app was told."""
        return dict(parse_qsl(urlsplit(self.url).query))

    @property
    def code(self) -> str:
        return self.params["code"]

    def link(self, holding: str) -> str:
        """The whole address of the first link that holds this."""
        for href in re.findall(r'href="([^"]*)"', self.body):
            if holding in unescape(href):
                return urljoin(self.url, unescape(href))
        raise AssertionError(f"no link with {holding}")

    def field(self, name: str) -> str:
        """The value of a hidden field of a form."""
        match = re.search(rf'name="{name}"[^>]*value="([^"]*)"', self.body) or re.search(
            rf'value="([^"]*)"[^>]*name="{name}"', self.body
        )
        assert match, f"no field {name}"
        return unescape(match[1])


class Browser:
    """Follows redirects between broker and upstream, and stops where the client app begins."""

    def __init__(self, broker: Broker, session: aiohttp.ClientSession) -> None:
        self.broker = broker
        self.session = session

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    async def step(self, method: str, url: str, **kwargs: Any) -> Landed:
        """One request, no redirect followed."""
        async with self.session.request(method, url, allow_redirects=False, **kwargs) as answer:
            body = await answer.text()
            where = answer.headers.get("Location", "")
            return Landed(answer.status, where or str(answer.url), body, answer.headers)

    async def go(self, url: str) -> Landed:
        """Follow redirects until a page, or an address that is neither the broker's nor the upstream's."""
        for _ in range(20):
            landed = await self.step("GET", URL(url, encoded=True))
            if landed.status not in (302, 303):
                return landed
            base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
            url = landed.url if "://" in landed.url else base + landed.url
            if not url.startswith((self.broker.issuer, self.broker.idp.issuer)):
                return Landed(landed.status, url, landed.body, landed.headers)
        raise AssertionError("the browser is sent in circles")

    def authorize_url(self, **changes: str | None) -> str:
        asked = {name: value for name, value in (ASKED | changes).items() if value is not None}
        return f"{self.broker.issuer}/authorize?" + urlencode(asked)

    async def authorize(self, **changes: str | None) -> Landed:
        return await self.go(self.authorize_url(**changes))

    async def answer_consent(
        self, page: Landed, answer: str = "allow", scopes: list[str] | None = None
    ) -> Landed:
        """Submit the consent page, and follow the page that leads back to the client app."""
        boxes = re.findall(r'name="scope"[^>]*value="([^"]*)"', page.body)
        data = [("csrf", page.field("csrf")), ("flow", page.field("flow")), ("answer", answer)]
        data += [("scope", scope) for scope in (boxes if scopes is None else scopes)]
        landed = await self.step("POST", f"{self.broker.issuer}/consent", data=data)
        return leaving(landed)

    async def login(self, **changes: str | None) -> Landed:
        """A whole login, allowing what is asked."""
        landed = await self.authorize(**changes)
        if 'name="answer"' in landed.body:
            landed = await self.answer_consent(landed)
        return landed

    async def token(
        self, code: str, *, client: str = "billing", **changes: str | None
    ) -> tuple[int, dict[str, Any]]:
        return await self.post("/token", code_form(code, **changes), client=client)

    async def refresh(
        self, token: str, *, client: str = "billing", **changes: str
    ) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "refresh_token", "refresh_token": token} | changes
        return await self.post("/token", form, client=client)

    async def post(
        self, path: str, form: Mapping[str, str | None], *, client: str | None = "billing"
    ) -> tuple[int, dict[str, Any]]:
        data = {name: value for name, value in form.items() if value is not None}
        headers = {}
        if client is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(client, SECRET)
        url = self.broker.issuer + path
        async with self.session.post(url, data=data, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
            return answer.status, json.loads(body) if body else {}

    async def userinfo(self, token: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.get(f"{self.broker.issuer}/userinfo", headers=headers) as answer:
            return answer.status, await answer.json()


def code_form(code: str, **changes: str | None) -> dict[str, str]:
    """What redeems a code; a member that is None is left out."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changes
    return {name: value for name, value in form.items() if value is not None}


def leaving(landed: Landed) -> Landed:
    """The page that carries the browser to the client app, as the address it leads to."""
    match = re.search(r'http-equiv="refresh"[^>]*content="0;\s*url=([^"]*)"', landed.body)
    return Landed(landed.status, unescape(match[1]), landed.body, landed.headers) if match else landed


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)
