"""What may be used only once: a SAML assertion, a one-time code.

Owns the family ``once``. SET NX is the whole of it: of many who name the same thing, one is first. A name is
stored as a hash, so nothing that an upstream chose is ever in a key.
"""

from __future__ import annotations

from broker.store.records import Room, fingerprint, milliseconds


class Onces(Room):
    """Names that were used, until they could not be used any more anyhow."""

    async def once(self, family: str, name: str, ttl: float) -> bool:
        """True for the first who names it, False for everybody else within ``ttl`` seconds."""
        key = self._name("once", fingerprint(family, name))
        first = await self._wire.call("SET", key, b"1", "NX", "PX", milliseconds(ttl))
        return bool(first == b"OK")
