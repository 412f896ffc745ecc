"""What may be used only once: a SAML assertion, a one-time code, the assertion of a client app.

Owns the families ``once`` and ``once-since``. SET NX is the whole of it: of many who name the same thing, one
is first. A name is stored as a hash, so nothing that an upstream chose is ever in a key.
"""

from __future__ import annotations

import asyncio

from broker.store.records import Room, fingerprint, milliseconds


class Onces(Room):
    """Names that were used, until they could not be used any more anyhow."""

    _began: float | None = None
    """Since when the store remembers, as this process heard last."""

    async def once(self, family: str, name: str, ttl: float) -> bool:
        """True for the first who names it, False for everybody else within ``ttl`` seconds."""
        key = self._name("once", fingerprint(family, name))
        first = await self._wire.call("SET", key, b"1", "NX", "PX", milliseconds(ttl))
        return bool(first == b"OK")

    async def used(self, family: str, name: str) -> bool:
        """Whether somebody named it, for who says so only once it is done."""
        return bool(await self._wire.call("EXISTS", self._name("once", fingerprint(family, name))))

    async def once_since(
        self, family: str, name: str, ttl: float, *, made_at: float | None, now: float, longest: float
    ) -> bool:
        """The same for what might have been used before the store was emptied: such a one is refused.

        Args:
            family: what kind of thing it is.
            name: of the thing.
            ttl: seconds until it could not be used any more anyhow.
            made_at: when it was made; None where it does not say.
            now: seconds since the epoch.
            longest: seconds that one may live at most.
        """
        first, began = await asyncio.gather(self.once(family, name, ttl), self._remembers_since(now))
        return first and (began <= now - longest if made_at is None else began < made_at)

    async def _remembers_since(self, now: float) -> float:
        """When the store was found empty by somebody who knew it full; 0 where that never was."""
        name = self._name("once-since", "")
        found = await self._read(name, float)
        if found is None:
            # New to us, it may be new altogether. Known to us before, it has forgotten what was used.
            sealed = self._seal(name, 0.0 if self._began is None else now)
            await self._wire.call("SET", name, sealed, "NX")
            found = await self._read(name, float) or 0.0
        self._began = found
        return found
