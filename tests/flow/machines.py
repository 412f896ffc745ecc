"""Client apps that ask for tokens without a person, and APIs: their entries, and how they ask."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.flow.broker import SECRET, Browser

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"
API = "https://api.example"

SCOPES = {
    "groups": {"description": "See your groups", "claims": ["groups"]},
    "reports.read": {"description": "Read reports"},
    "reports.write": {"description": "Write reports"},
    "account.*": {"description": "Use account {value}"},
}


def entry(name: str, *grant_types: str, **changes: Any) -> dict[str, Any]:
    """An app that nobody signs in to."""
    return {
        "client_name": name,
        "redirect_uris": None,
        "grant_types": list(grant_types),
        "scope": "openid email offline_access reports.read reports.write account.*",
    } | changes


def api(name: str = "Reports", audience: str = API, **changes: Any) -> dict[str, Any]:
    """An API that introspects what is meant for it."""
    return entry(name, audience=audience, scope="openid", **changes)


async def for_itself(
    browser: Browser, client: str = "nightly", **form: str | None
) -> tuple[int, dict[str, Any]]:
    """Ask for a token by client_credentials."""
    return await browser.post("/token", {"grant_type": "client_credentials", **form}, client=client)


async def exchanged(
    browser: Browser, token: str, client: str = "gateway", kind: str = "access_token", **form: Any
) -> tuple[int, dict[str, Any]]:
    """Exchange a token; a list in ``form`` is sent as a parameter that repeats."""
    members = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": TYPE + kind,
    } | form
    pairs = [
        (name, one)
        for name, value in members.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    async with browser.session.post(
        f"{browser.broker.issuer}/token", data=pairs, headers=basic(client), allow_redirects=False
    ) as answer:
        return answer.status, await answer.json()


def basic(client: str) -> dict[str, str]:
    """How a client proves who it is."""
    return {"Authorization": aiohttp.encode_basic_auth(client, SECRET)}


async def introspected(browser: Browser, token: str, client: str) -> dict[str, Any]:
    """What this client hears of a token."""
    _, told = await browser.post("/introspect", {"token": token}, client=client)
    return told
