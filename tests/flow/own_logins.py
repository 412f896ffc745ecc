"""Brokers whose people answer on a page of ours, and how a person answers there."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from broker.protocol.usernames import canonical
from broker.store import PoolPerson
from broker.upstreams.passwords import hash_password
from tests.flow.broker import Broker, Browser, Landed, leaving

PASSWORD = "correct horse battery staple"
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HASHED = hash_password(PASSWORD)

POOL: dict[str, Any] = {"type": "pool", "name": "Members"}
ALONE = {"billing": {"connectors": ["members"]}}


def only(entry: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration in which `billing` allows this one connector, beside the upstream of the others."""
    return {"top": {"connectors": {"members": entry}}, **more}


async def person(broker: Broker, username: str = "ada", **changes: Any) -> PoolPerson:
    """Somebody in the pool `members`."""
    made = PoolPerson(
        id=changes.pop("id", f"id-of-{username}"),
        username=username,
        password_hash=changes.pop("password_hash", HASHED),
        claims=changes.pop("claims", {"name": "Ada Example", "email": "ada@people.example"}),
        since=broker.clock(),
        password_since=broker.clock(),
        **changes,
    )
    assert await broker.services.store.add_person("members", canonical(username) or "", made)
    return made


def hidden(page: Landed, name: str) -> str:
    return page.field(name)


async def type_in(browser: Browser, page: Landed, **typed: str) -> Landed:
    """Fill the form of a login page in and send it; follow our own redirects and the way back to the app."""
    action = re.search(r'<form method="post" action="([^"]+)"', page.body)
    assert action, page.body[:2000]
    data = {"csrf": hidden(page, "csrf"), "state": hidden(page, "state"), **typed}
    landed = await browser.step("POST", browser.broker.issuer + unescape(action[1]), data=data)
    if landed.status in (302, 303):
        target = landed.url if "://" in landed.url else browser.broker.issuer + landed.url
        assert urlsplit(target).netloc == urlsplit(browser.broker.issuer).netloc
        return await browser.go(target)
    return leaving(landed)


async def sign_in(
    browser: Browser, username: str = "ada", password: str = PASSWORD, **asked: str | None
) -> Landed:
    """To the login page, and through it with a password."""
    page = await browser.authorize(**asked)
    return await type_in(browser, page, username=username, password=password)


Start = AbstractAsyncContextManager[Broker]
