"""The driver for tokens by grant: a client app, in a process of its own, that proves keys and certificates.

    python -m tests.bench.granted '{"broker": …, "stub": …}'

Each line on standard input, ``{"what": "refresh", "how": "dpop", "count": 500, "in_flight": 32}``, prepares
what is to be spent, answers ``"ready"``, and waits for an empty line; then it runs, and answers how it went.
So what the broker does for a login is no part of what its token costs.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from broker.jose import SigningKey
from tests.bench.driver import Browser, Plan
from tests.bench.wire import Answer, Lost

REDIRECT_URI, SECRET = "https://app.acme.example/callback", "bench-secret-of-the-client-app-0123456789"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Nothing:
    """A bearer proves nothing."""

    scheme = "Bearer"

    def headers(self, method: str, url: str, token: str | None) -> str:
        return ""


@dataclass(frozen=True)
class Proofs:
    """A key, and a fresh proof for each request (RFC 9449)."""

    key: SigningKey = field(default_factory=lambda: SigningKey.generate("ES256"))
    scheme = "DPoP"

    def headers(self, method: str, url: str, token: str | None) -> str:
        jwk = {n: v for n, v in self.key.public_jwk().items() if n in {"kty", "crv", "x", "y"}}
        said: dict[str, Any] = {
            "jti": secrets.token_hex(12),
            "htm": method,
            "htu": url,
            "iat": int(time.time()),
        }
        if token is not None:
            said["ath"] = b64(sha256(token.encode()).digest())
        header = msgspec.json.encode({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
        message = f"{b64(header)}.{b64(msgspec.json.encode(said))}"
        return f"DPoP: {message}.{b64(self.key.signature(message.encode(), 'ES256'))}\r\n"


@dataclass(frozen=True)
class Certificate:
    """A certificate, as a trusted proxy passes it on (RFC 8705, RFC 9440)."""

    line: str
    scheme = "Bearer"

    @classmethod
    def made(cls) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
        now = datetime.now(UTC)
        found = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        return cls(f"Client-Cert: :{b64encode(found.public_bytes(Encoding.DER)).decode()}:\r\n")

    def headers(self, method: str, url: str, token: str | None) -> str:
        return self.line


HOW: dict[str, Callable[[], Nothing | Proofs | Certificate]] = {
    "bearer": Nothing,
    "dpop": Proofs,
    "mtls": Certificate.made,
}


class App(Browser):
    """One client app that holds one thing to spend at a time, over one connection."""

    def __init__(self, broker: str, stub: str, how: str) -> None:
        client = f"bench-{how}"
        super().__init__(
            Plan(
                broker=broker,
                stub=stub,
                client_id=client,
                client_secret=SECRET,
                redirect_uri=REDIRECT_URI,
                scope="openid profile email offline_access",
            )
        )
        self._held = HOW[how]()
        self._basic = b64encode(f"{quote(client)}:{SECRET}".encode()).decode()
        self._codes: list[tuple[str, str]] = []
        self._tokens_now: dict[str, str] = {}

    async def prepare(self, what: str, count: int) -> None:
        """Have what ``count`` of these need."""
        for _ in range(count if what == "code" else 1):
            verifier = secrets.token_urlsafe(32)
            self._cookies = {}
            code = await self._to_code(secrets.token_urlsafe(32), secrets.token_urlsafe(32), verifier)
            self._codes.append((code, verifier))
        if what != "code":
            self._tokens_now = await self._redeemed()

    async def once(self, what: str) -> None:
        """One of them."""
        await DOES[what](self)

    async def code(self) -> None:
        await self._redeemed()

    async def refresh(self) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._tokens_now["refresh_token"]}
        self._tokens_now = await self._asked("/token", form)

    async def client_credentials(self) -> None:
        await self._asked("/token", {"grant_type": "client_credentials"})

    async def introspection(self) -> None:
        told = await self._asked("/introspect", {"token": self._tokens_now["access_token"]}, proves=False)
        if told.get("active") is not True:
            raise Lost("introspection: not active")

    async def userinfo(self) -> None:
        token = self._tokens_now["access_token"]
        url = f"{self._plan.broker}/userinfo"
        lines = self._held.headers("GET", url, token)
        head = f"GET {self._base}/userinfo HTTP/1.1\r\nHost: {self._host}\r\n"
        head += f"Authorization: {self._held.scheme} {token}\r\n{lines}\r\n"
        if "sub" not in read(await self.connection.request(head.encode())):
            raise Lost("userinfo: nobody")

    async def _redeemed(self) -> dict[str, str]:
        code, verifier = self._codes.pop()
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return await self._asked("/token", form | {"redirect_uri": REDIRECT_URI})

    async def _asked(self, path: str, form: dict[str, str], *, proves: bool = True) -> dict[str, Any]:
        body = urlencode(form)
        url = f"{self._plan.broker}{path}"
        lines = self._held.headers("POST", url, None) if proves else ""
        head = (
            f"POST {self._base}{path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Basic {self._basic}\r\n{lines}"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        return read(await self.connection.request(head.encode()))


DOES: dict[str, Callable[[App], Awaitable[None]]] = {
    "code": App.code,
    "refresh": App.refresh,
    "client_credentials": App.client_credentials,
    "introspection": App.introspection,
    "userinfo": App.userinfo,
}


def read(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise Lost(f"{answer.status} {answer.body[:120]!r}")
    return dict(msgspec.json.decode(answer.body))


async def main(broker: str, stub: str) -> None:
    loop = asyncio.get_running_loop()

    async def line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    def say(told: object) -> None:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()

    pools: dict[str, list[App]] = {}
    while text := await line():
        asked = json.loads(text)
        what, how, each = asked["what"], asked["how"], asked["count"] // asked["in_flight"]
        pool = pools.setdefault(how, [])
        while len(pool) < asked["in_flight"]:
            pool.append(App(broker, stub, how))
        await asyncio.gather(*(app.prepare(what, each) for app in pool))
        say("ready")
        await line()
        say(await _window(pool, what, each))


async def _window(pool: list[App], what: str, each: int) -> dict[str, Any]:
    why, done = Counter[str](), 0

    async def work(app: App) -> int:
        good = 0
        for _ in range(each):
            try:
                await app.once(what)
                good += 1
            except (Lost, OSError, TimeoutError, KeyError, ValueError) as error:
                why[f"{type(error).__name__}: {error}"] += 1
                app.connection.close()
        return good

    began = time.perf_counter()
    done = sum(await asyncio.gather(*map(work, pool)))
    lost = sum(why.values())
    seconds = time.perf_counter() - began
    return {"done": done, "lost": lost, "why": dict(why.most_common(3)), "seconds": seconds}


if __name__ == "__main__":
    at = urlsplit(sys.argv[1])
    uvloop.run(main(f"{at.scheme}://{at.netloc}{at.path}", sys.argv[2]))
