"""A device of the test's own, and the person in front of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from broker.protocol.client import DEVICE_CODE
from tests.flow.broker import SECRET, Broker, Browser, Landed

TV = {
    "client_name": "Television",
    "client_secret": None,
    "token_endpoint_auth_method": "none",
    "redirect_uris": None,
    "grant_types": [DEVICE_CODE, "refresh_token"],
    "scope": "openid profile email offline_access",
}
"""A public client for devices alone."""


@dataclass
class Device:
    """What a device holds after it has asked."""

    broker: Broker
    session: aiohttp.ClientSession
    client_id: str
    asked: dict[str, Any] = field(default_factory=dict)

    async def ask(self, scope: str | None = "openid profile", **more: str) -> int:
        form = {"client_id": self.client_id, "scope": scope} | more
        status, self.asked = await self._post("/device_authorization", form)
        return status

    async def poll(self, *, client_id: str | None = None, **more: str) -> tuple[int, dict[str, Any]]:
        form: dict[str, str | None] = {
            "client_id": client_id or self.client_id,
            "grant_type": DEVICE_CODE,
            "device_code": self.asked["device_code"],
        }
        return await self._post("/token", form | more)

    async def later(self, seconds: float = 6) -> tuple[int, dict[str, Any]]:
        """The next question, after the interval."""
        self.broker.clock.forward(seconds)
        return await self.poll()

    @property
    def user_code(self) -> str:
        return str(self.asked["user_code"])

    async def _post(self, path: str, form: dict[str, str | None]) -> tuple[int, dict[str, Any]]:
        data = {name: value for name, value in form.items() if value is not None}
        async with self.session.post(self.broker.issuer + path, data=data) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, json.loads(await answer.read())


async def type_code(browser: Browser, user_code: str, *, link: bool = False, **headers: str) -> Landed:
    """Type a code at /device; what comes of it: the page again, or the page that leads on."""
    query = f"?user_code={user_code}" if link else ""
    page = await browser.step("GET", f"{browser.broker.issuer}/device{query}", headers=headers)
    data = {"csrf": page.field("csrf"), "user_code": page.field("user_code") if link else user_code}
    action = "/device/link" if link else "/device"
    assert f'action="{urlsplit(browser.broker.issuer).path}{action}"' in page.body
    return await browser.step("POST", browser.broker.issuer + action, data=data, headers=headers)


async def to_confirm(browser: Browser, user_code: str, *, link: bool = False) -> Landed:
    """From the code to the page that asks, signing in on the way."""
    onward = await type_code(browser, user_code, link=link)
    assert onward.status == 200, onward.body
    return await browser.go(onward.link("/continue"))


async def answer(browser: Browser, page: Landed, answer: str = "allow") -> Landed:
    """Answer the page that asks."""
    return await browser.answer_consent(page, answer)


def basic(client_id: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(client_id, SECRET)}
