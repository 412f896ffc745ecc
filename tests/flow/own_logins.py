"""Brokers whose people answer on a page of ours, and how a person answers there."""

from __future__ import annotations

import re
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


async def type_in(browser: Browser, page: Landed, *, at: str | None = None, **typed: str) -> Landed:
    """Fill the form of a login page in and send it; follow our own redirects and the way back to the app.

    ``at`` is the address that a trusted proxy says it came from.
    """
    action = re.search(r'<form method="post" action="([^"]+)"', page.body)
    assert action, page.body[:2000]
    headers = {"X-Forwarded-For": at} if at else {}
    data = {"csrf": page.field("csrf"), "state": page.field("state"), **typed}
    landed = await browser.step(
        "POST", browser.broker.issuer + unescape(action[1]), data=data, headers=headers
    )
    if landed.status in (302, 303):
        target = landed.url if "://" in landed.url else browser.broker.issuer + landed.url
        assert urlsplit(target).netloc == urlsplit(browser.broker.issuer).netloc
        return await browser.go(target)
    return leaving(landed)


async def sign_in(
    browser: Browser,
    username: str = "ada",
    password: str = PASSWORD,
    *,
    at: str | None = None,
    **asked: str | None,
) -> Landed:
    """To the login page, and through it with a password."""
    page = await browser.authorize(**asked)
    return await type_in(browser, page, username=username, password=password, at=at)
