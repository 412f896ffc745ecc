"""What is kept of apps that are described by a document of their own, and where strangers' scripts run.

Owns the families ``client-document`` and ``origin``. A document that was read is shared by all workers, so
that one fetch serves them, and lives on while its app is used; one that nobody signs in by is gone soon.
OAuth Client ID Metadata Document; Fetch standard §3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

_PROLONG = Script("""
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
return {KEYS[1]}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """A document that described a client app, as it was read."""

    metadata: Mapping[str, Any] = field(repr=False)
    fetched_at: float
    fresh_until: float
    used_at: float | None = None
    """When its app last got a token, to the day."""
    grants_since: float = 0.0
    """What was granted before is over: the app hears of people by other names since."""


class Comers(Room):
    """Documents by their URL, origins by themselves."""

    async def put_client_document(self, url: str, document: KeptDocument, ttl: float) -> None:
        """Keep what was read."""
        await self._put(self._document(url), document, ttl)

    async def read_client_document(self, url: str) -> KeptDocument | None:
        """What was read last."""
        return await self._read(self._document(url), KeptDocument)

    async def drop_client_document(self, url: str) -> None:
        """It is no document of an app any more."""
        await self._wire.call("DEL", self._document(url))

    async def remember_origin(self, origin: str, ttl: float) -> None:
        """A public app of a stranger runs there; known for at least so long."""
        await self._run(_PROLONG, self._origin(origin), milliseconds(ttl))

    async def knows_origin(self, origin: str) -> bool:
        """Whether one does."""
        return bool(await self._wire.call("EXISTS", self._origin(origin)))

    def _document(self, url: str) -> str:
        return self._name("client-document", fingerprint("client-document", url))

    def _origin(self, origin: str) -> str:
        return self._name("origin", fingerprint("origin", origin))
