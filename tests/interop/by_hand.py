"""The client app `billing` without a library: where it sends a browser, and what it makes of a code."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.flow.broker import CHALLENGE, VERIFIER, claims
from tests.interop import broker


def authorize_url(issuer: str, connector: str, **asked: str) -> str:
    """A request for a login at this connector."""
    query = {
        "client_id": "billing",
        "redirect_uri": broker.APP,
        "response_type": "code",
        "scope": "openid profile email staff",
        "nonce": "n",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "connector": connector,
    }
    return f"{issuer}/authorize?{urlencode(query | asked)}"


async def redeem(issuer: str, code: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The claims of the ID Token, and the userinfo answer."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": broker.APP,
        "code_verifier": VERIFIER,
    }
    headers = {"Authorization": aiohttp.encode_basic_auth("billing", broker.APP_SECRET)}
    async with aiohttp.ClientSession() as app:
        async with app.post(f"{issuer}/token", data=form, headers=headers) as answer:
            tokens = await answer.json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        async with app.get(f"{issuer}/userinfo", headers=bearer) as answer:
            return claims(tokens["id_token"]), await answer.json()
