"""The load driver: many browsers and one client app, in a process of their own.

    python -m tests.bench.driver '{"broker": …, "stub": …, …}'

Each line on standard input, ``{"logins": 1000, "in_flight": 32}``, is one window; each is answered by one
line of JSON. With ``"seconds"`` it lasts so long, with neither until nobody listens any more; ``"tell_at"``
asks for a line when so many logins are done, for whoever wants to meddle while it runs. Every login is a
fresh browser: /authorize, to the stub (which is skipped: the code is the nonce), /callback with the cookies,
and /token. It counts only when the ID Token says the right nonce.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import msgspec
import uvloop

from tests.bench.wire import Answer, Connection, Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    broker: str
    stub: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str = "openid profile email"
    more: Mapping[str, str] = field(default_factory=dict)
    """Further parameters of each request."""
    refresh: bool = False
    """Whether each login is followed by a refresh (the scope must hold offline_access)."""


class Browser:
    """One login at a time, each with no cookies at first, over one keep-alive connection."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        at = urlsplit(plan.broker)
        self.connection = Connection(at.hostname or "", at.port or 80)
        self._host = at.netloc
        self._base = at.path
        basic = b64encode(f"{quote(plan.client_id)}:{quote(plan.client_secret)}".encode()).decode()
        self._token_head = (
            f"POST {self._base}/token HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Basic {basic}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        )
        self._cookies: dict[str, str] = {}

    async def login(self) -> None:
        self._cookies = {}
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        code = await self._to_code(state, nonce, verifier)
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._plan.redirect_uri,
            "code_verifier": verifier,
        }
        told = self._tokens(await self._post(body))
        if told[1].get("nonce") != nonce or not told[1].get("sub"):
            raise Lost("token: another nonce")
        if self._plan.refresh:
            body = {"grant_type": "refresh_token", "refresh_token": told[0]["refresh_token"]}
            self._tokens(await self._post(body))

    async def _to_code(self, state: str, nonce: str, verifier: str) -> str:
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._plan.client_id,
            "redirect_uri": self._plan.redirect_uri,
            "scope": self._plan.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **self._plan.more,
        }
        upstream = await self._follow(f"{self._base}/authorize?{urlencode(query)}", until=self._plan.stub)
        asked = dict(parse_qsl(urlsplit(upstream).query))
        answer = {"code": asked["nonce"], "state": asked["state"], "iss": self._plan.stub}
        target = f"{urlsplit(asked['redirect_uri']).path}?{urlencode(answer)}"
        home = await self._follow(target, until=self._plan.redirect_uri)
        told = parse_qs(urlsplit(home).query)
        if told.get("state") != [state] or "code" not in told:
            raise Lost(f"callback: {' '.join(told.get('error', ['?']) + told.get('error_description', []))}")
        return told["code"][0]

    async def _follow(self, target: str, *, until: str) -> str:
        for _ in range(4):
            answer = await self.connection.request(self._get(target))
            self._remember(answer)
            location = answer.header("location")
            if answer.status not in {302, 303} or not location:
                raise Lost(f"{urlsplit(target).path}: {answer.status}")
            if location.startswith(until):
                return location
            target = location.removeprefix(
                self._plan.broker[: -len(self._base)] if self._base else self._plan.broker
            )
            if not target.startswith("/"):
                raise Lost(f"sent to another place: {location[:60]}")
        raise Lost("sent round in circles")

    def _get(self, target: str) -> bytes:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        line = f"Cookie: {cookies}\r\n" if cookies else ""
        return f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\nAccept: text/html\r\n{line}\r\n".encode()

    def _remember(self, answer: Answer) -> None:
        for line in answer.headers("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value

    async def _post(self, form: dict[str, str]) -> Answer:
        body = urlencode(form)
        return await self.connection.request(
            f"{self._token_head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    @staticmethod
    def _tokens(answer: Answer) -> tuple[dict[str, str], dict[str, object]]:
        if answer.status != 200:
            raise Lost(f"token: {answer.status} {answer.body[:80]!r}")
        body = msgspec.json.decode(answer.body)
        payload = body["id_token"].split(".")[1]
        return body, msgspec.json.decode(urlsafe_b64decode(payload + "=="))


@dataclass(slots=True)
class Tally:
    done: int = 0
    lost: int = 0


async def window(
    browsers: list[Browser], logins: int, seconds: float | None, tell_at: int = 0
) -> dict[str, object]:
    """So many logins, or as many as there are in so many seconds, or until nobody listens."""
    tally, why, took = Tally(), Counter[str](), list[float]()
    lines = [browser.connection for browser in browsers]
    for line in lines:
        line.count_anew()
    turns = itertools.repeat(None, logins) if logins else itertools.repeat(None)
    until_gone = not logins and seconds is None
    began = time.perf_counter()

    async def work(browser: Browser) -> None:
        for _ in turns:
            start = time.perf_counter()
            if seconds is not None and start - began > seconds:
                return
            try:
                await browser.login()
                tally.done += 1
                if tally.done == tell_at:
                    tell({"done": tally.done})
            except (Lost, OSError, TimeoutError, KeyError, ValueError) as error:
                if until_gone and isinstance(error, ConnectionRefusedError):
                    return
                tally.lost += 1
                why[f"{type(error).__name__}: {error}"] += 1
                browser.connection.close()
            took.append(time.perf_counter() - start)

    await asyncio.gather(*map(work, browsers))
    took.sort()
    return {
        "done": tally.done,
        "lost": tally.lost,
        "why": dict(why.most_common(5)),
        "seconds": time.perf_counter() - began,
        "p50_ms": 1000 * took[len(took) // 2] if took else 0,
        "p99_ms": 1000 * took[len(took) * 99 // 100] if took else 0,
        "sent": sum(line.sent for line in lines),
        "received": sum(line.received for line in lines),
        "requests": sum(line.requests for line in lines),
        "resent": sum(line.resent for line in lines),
        "opened": sum(line.opened for line in lines),
    }


def tell(what: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(plan: Plan) -> None:
    loop = asyncio.get_running_loop()
    pool: list[Browser] = []
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        while len(pool) < asked["in_flight"]:
            pool.append(Browser(plan))
        browsers = pool[: asked.pop("in_flight")]
        tell(await window(browsers, **asked))


if __name__ == "__main__":
    uvloop.run(main(Plan(**json.loads(sys.argv[1]))))
