"""Logins under way: requests that wait, people at an upstream, consent pages.

Owns the families ``request``, ``login`` and ``consent-page``. Each record is named by a hash over the id
that travels and the browser's own cookie (and the connector), so a ``state`` alone finds nothing, and
what comes from another browser or connector consumes nothing (RFC 9700 §4.7; OpenID Connect Core §3.1.2.7).
And ``one-session``: the ``sid`` on which the logins of one browser agree that come back at the same moment.
"""

from __future__ import annotations

from broker.protocol.flow import PendingConsent, PendingLogin, PendingRequest
from broker.store.records import Room, fingerprint, milliseconds


class Flows(Room):
    """Records that live for the minutes of one login."""

    async def put_request(self, request_id: str, browser: str, pending: PendingRequest, ttl: float) -> None:
        """Keep a request until the browser comes back to it."""
        await self._put(self._request(request_id, browser), pending, ttl)

    async def read_request(self, request_id: str, browser: str) -> PendingRequest | None:
        """The request, which stays: a page may be loaded again."""
        return await self._read(self._request(request_id, browser), PendingRequest)

    async def put_login(self, state: str, browser: str, pending: PendingLogin, ttl: float) -> None:
        """Keep a login while the person is at the upstream."""
        await self._put(self._login(state, browser, pending.connector), pending, ttl)

    async def take_login(self, state: str, browser: str, connector: str) -> PendingLogin | None:
        """The login that this browser began at this connector; once."""
        return await self._take(self._login(state, browser, connector), PendingLogin)

    async def read_login(self, state: str, browser: str, connector: str) -> PendingLogin | None:
        """The same login, which stays: a login page of ours may be loaded again, and answered wrongly."""
        return await self._read(self._login(state, browser, connector), PendingLogin)

    async def go_on_with_login(self, state: str, browser: str, pending: PendingLogin) -> bool:
        """Put a login that has come a step further in its own place; whether it was still there.

        It ends when it would have ended: whoever answers slowly gets no more time.
        """
        name = self._login(state, browser, pending.connector)
        written = await self._wire.call("SET", name, self._seal(name, pending), "XX", "KEEPTTL")
        return bool(written == b"OK")

    async def put_consent_page(self, page_id: str, browser: str, pending: PendingConsent, ttl: float) -> None:
        """Keep a consent page until it is answered."""
        await self._put(self._page(page_id, browser), pending, ttl)

    async def read_consent_page(self, page_id: str, browser: str) -> PendingConsent | None:
        """The page, which stays: it may be loaded again."""
        return await self._read(self._page(page_id, browser), PendingConsent)

    async def take_consent_page(self, page_id: str, browser: str) -> PendingConsent | None:
        """The page that is being answered; once."""
        return await self._take(self._page(page_id, browser), PendingConsent)

    async def agreed_sid(self, browser: str, subject: str, sid: str, ttl: float) -> str:
        """The sid that this person's logins in one browser share: that of the first who came with one."""
        name = self._name("one-session", fingerprint("one-session", browser, subject))
        first = await self._wire.call("SET", name, self._seal(name, sid), "NX", "PX", milliseconds(ttl))
        return sid if first == b"OK" else (await self._read(name, str)) or sid

    def _request(self, request_id: str, browser: str) -> str:
        return self._name("request", fingerprint("request", request_id, browser))

    def _login(self, state: str, browser: str, connector: str) -> str:
        return self._name("login", fingerprint("login", state, browser, connector))

    def _page(self, page_id: str, browser: str) -> str:
        return self._name("consent-page", fingerprint("consent-page", page_id, browser))
