"""Which keys there are, and what each is for at an instant: plain values, nothing of keys' insides.

Owns the life of a signing key. It is told by instants that are written once, so every worker on every host
comes to the same answer by its own clock, and nobody has to act at the moment of a change:

    next     published, signs nothing yet: whoever caches our JWK set shall have it before it signs
    current  signs
    old      published as long as anything that it signed is good

OpenID Connect Core §10.1.1 (rotation of asymmetric signing keys); RFC 7517 §4.5 (one ``kid``, one key).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

State = Literal["next", "current", "old"]
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key and its instants, in seconds since the epoch."""

    kid: str
    alg: str
    made_at: float
    signs_from: float
    stops_at: float | None = None
    """When its successor takes over; None as long as there is none."""
    jwk: str = field(repr=False)
    """The private key."""

    def state(self, now: float) -> State:
        """What it is for at ``now``."""
        if now < self.signs_from:
            return "next"
        return "current" if self.stops_at is None or now < self.stops_at else "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All keys, old ones too. Never changed: each step makes a new one."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, document: bytes) -> Book:
        """The book that `dump` wrote; an empty document is an empty book.

        Raises:
            ValueError: it is no such document, or a later release wrote it.
        """
        if not document:
            return cls()
        try:
            written = msgspec.json.decode(document, type=_Written)
        except msgspec.DecodeError as error:
            raise ValueError(f"not a document of signing keys: {error}") from None
        if written.version != VERSION:
            raise ValueError(f"signing keys of version {written.version}; this release knows {VERSION}")
        return cls(entries=written.keys)

    def dump(self) -> bytes:
        """The document to keep."""
        return msgspec.json.encode(_Written(version=VERSION, keys=self.entries))

    def current(self, alg: str, now: float) -> Entry | None:
        """The key that signs ``alg`` at ``now``."""
        return self._latest(
            entry for entry in self.entries if entry.alg == alg and entry.state(now) == "current"
        )

    def coming(self, alg: str, now: float) -> Entry | None:
        """The key that will sign ``alg`` next."""
        return self._latest(
            entry for entry in self.entries if entry.alg == alg and entry.state(now) == "next"
        )

    def published(self, now: float, keep: float) -> tuple[Entry, ...]:
        """The keys of the JWK set: old ones until ``keep`` after they stopped signing."""
        return tuple(entry for entry in self.entries if entry.stops_at is None or now < entry.stops_at + keep)

    def next_change(self, now: float, keep: float) -> float:
        """Until when `current` and `published` answer as they do at ``now``."""
        instants = [entry.signs_from for entry in self.entries]
        for entry in self.entries:
            if entry.stops_at is not None:
                instants += [entry.stops_at, entry.stops_at + keep]
        return min((instant for instant in instants if instant > now), default=float("inf"))

    def adding(self, fresh: Entry) -> Book:
        """With a key that takes over, from the moment when it signs."""
        stopped = tuple(
            replace(entry, stops_at=fresh.signs_from)
            if entry.alg == fresh.alg and entry.stops_at is None
            else entry
            for entry in self.entries
        )
        return Book(entries=(*stopped, fresh))

    def without(self, kid: str, now: float) -> Book:
        """Without a key. What was to follow it signs at once; what it was to follow goes on."""
        gone = next((entry for entry in self.entries if entry.kid == kid), None)
        if gone is None:
            return self
        left: list[Entry] = []
        for entry in self.entries:
            kept = entry
            if entry.alg == gone.alg and gone.state(now) == "current" and entry.signs_from == gone.stops_at:
                kept = replace(entry, signs_from=now)
            if entry.alg == gone.alg and gone.state(now) == "next" and entry.stops_at == gone.signs_from:
                kept = replace(entry, stops_at=gone.stops_at)
            if entry.kid != kid:
                left.append(kept)
        return Book(entries=tuple(left))

    def pruned(self, now: float, keep: float) -> Book:
        """Without the keys of which nothing is good any more."""
        return Book(entries=self.published(now, keep))

    @staticmethod
    def _latest(entries: Iterable[Entry]) -> Entry | None:
        return max(entries, key=lambda entry: entry.signs_from, default=None)


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    keys: tuple[Entry, ...]
