"""How logins came out, for some minutes: the family ``explained``, found by the id that the log shows."""

from __future__ import annotations

from asyncio import Future
from typing import Any

from broker.protocol.explained import Explained
from broker.store.records import Room


class Explanations(Room):
    """Records by correlation id. A later step of the same login takes the place of an earlier one."""

    def put_explained(self, told: Explained, ttl: float) -> Future[Any]:
        """Keep it for an operator who may ask. It is on its way at once; the future says that it is kept."""
        return self._putting(self._explained(told.correlation_id), told, ttl)

    async def read_explained(self, correlation_id: str) -> Explained | None:
        """The login, if it is not long ago."""
        return await self._read(self._explained(correlation_id), Explained)

    def _explained(self, correlation_id: str) -> str:
        return self._name("explained", correlation_id)
