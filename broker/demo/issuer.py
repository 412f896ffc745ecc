"""What the demo's apps and API read of the issuer they trust: its discovery document and its keys.

Discovery §4 (the document must name the issuer that it was asked of), RFC 7517. Both are kept, and the keys
are asked for again when a token names one that is not among them, though not more often than `PAUSE`.
"""

from __future__ import annotations

import time
from typing import Any

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from broker.demo.web import Clock

PAUSE = 10


class IssuerUnavailable(Exception):  # names a state of the world, as the status 503 does
    """The issuer did not answer, or not with what was asked for."""


class Issuer:
    """One issuer, by its name, which is also its address."""

    def __init__(self, name: str, http: aiohttp.ClientSession, now: Clock = time.time) -> None:
        self.name = name
        self._http, self._now = http, now
        self._metadata: dict[str, Any] = {}
        self._keys = KeySet([])
        self._asked_at = float("-inf")

    async def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        if not self._metadata:
            found = await self._document(f"{self.name}/.well-known/openid-configuration")
            if found.get("issuer") != self.name:  # Discovery §4.3: or anyone could speak for anyone
                raise IssuerUnavailable(
                    f"the discovery document is {found.get('issuer')}'s, not {self.name}'s"
                )
            self._metadata = found
        return self._metadata

    async def key(self, kid: str) -> KeySet:
        """The key of that name; an empty set when the issuer has none."""
        if not self._named(kid) and self._now() - self._asked_at > PAUSE:
            self._asked_at = self._now()
            self._keys = _readable(await self._document((await self.metadata())["jwks_uri"]))
        return KeySet(self._named(kid))

    def _named(self, kid: str) -> list[Any]:
        return [key for key in self._keys.keys if key.kid == kid]

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            async with self._http.get(url, allow_redirects=False) as answer:
                document = await answer.json() if answer.ok else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise IssuerUnavailable(f"{url}: {error}") from error
        if not isinstance(document, dict):
            raise IssuerUnavailable(f"{url} answered {answer.status}")
        return document


def _readable(document: dict[str, Any]) -> KeySet:
    """The keys that this library can read: one strange key must not cost the others."""
    keys = []
    for jwk in document.get("keys", []):
        try:
            keys.append(JWKRegistry.import_key(jwk))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(keys)
