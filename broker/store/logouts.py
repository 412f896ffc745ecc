"""Sign-outs under way: requests that wait for a GET of ours, for an answer, or for the way back.

Owns the family ``logout``. A record is named by a hash over the id that travels and the browser's own cookie,
like those of logins (`broker.store.flows`): an id from elsewhere finds nothing in this browser.
"""

from __future__ import annotations

from broker.protocol.logout import PendingLogout
from broker.store.records import Room, fingerprint


class Logouts(Room):
    """Records that live for the minutes of one sign-out."""

    async def put_logout(self, logout_id: str, browser: str, pending: PendingLogout, ttl: float) -> None:
        """Keep it until the browser comes back."""
        await self._put(self._logout(logout_id, browser), pending, ttl)

    async def read_logout(self, logout_id: str, browser: str) -> PendingLogout | None:
        """As it is; a page may be loaded again."""
        return await self._read(self._logout(logout_id, browser), PendingLogout)

    async def take_logout(self, logout_id: str, browser: str) -> PendingLogout | None:
        """The one that is being answered; once."""
        return await self._take(self._logout(logout_id, browser), PendingLogout)

    def _logout(self, logout_id: str, browser: str) -> str:
        return self._name("logout", fingerprint("logout", logout_id, browser))
