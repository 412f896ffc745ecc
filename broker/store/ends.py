"""People whom the operator has ended everything of, by subject.

Owns the family ``ended-before``: the moment up to which whatever began is over, for one subject. It is asked
only where the people are our own, so nobody else's requests pay for it.
"""

from __future__ import annotations

from broker.store.records import Room


class Ends(Room):
    """Moments by subject."""

    async def end_everything(self, subject: str, before: float, ttl: float) -> None:
        """End all sessions and grants of a person that began up to ``before``.

        ``ttl`` is the longest that any of them could live.
        """
        await self._put(self._ended_before(subject), before, ttl)

    async def ended_before(self, subject: str) -> float | None:
        """Up to when everything is over; None where nothing was ended."""
        return await self._read(self._ended_before(subject), float)

    def _ended_before(self, subject: str) -> str:
        return self._name("ended-before", subject)
