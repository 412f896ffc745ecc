"""What a connector may keep in the broker's store: names used once, hand-offs, the people of a pool.

Owns `Keeping` and its one real maker. Each connector has rooms of its own: nothing that one of them names is
found by another. What the store cannot do now is an upstream that is not there now, and costs one login.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from broker.connector import HandOffs, Json, Once, People, Person, Secret, UpstreamUnavailable
from broker.store import Store, StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The rooms of one connector."""

    once: Once
    people: People
    hand_offs: HandOffs


Keeper = Callable[[str], Keeping]
"""Makes the rooms for the connector of this id."""


def in_store(store: Store) -> Keeper:
    """Rooms in the broker's store."""

    def keeping(connector: str) -> Keeping:
        nowhere = Nowhere()
        return Keeping(once=StoredOnce(store, connector), people=nowhere, hand_offs=nowhere)

    return keeping


def nowhere(_connector: str) -> Keeping:
    """No rooms: for a look at upstreams without a store, as the command line takes it."""
    rooms = Nowhere()
    return Keeping(once=rooms, people=rooms, hand_offs=rooms)


class StoredOnce:
    """See `broker.connector.Once`, which this is."""

    def __init__(self, store: Store, connector: str) -> None:
        self._store, self._connector = store, connector

    async def __call__(self, name: str, *, ttl: float) -> bool:
        """True for the first who names it."""
        return await reached(self._store.once(self._connector, name, ttl))


async def reached(answer: Awaitable[T]) -> T:
    """The store's answer; where it is away, so is the upstream that hangs on it."""
    try:
        return await answer
    except StoreUnavailable as error:
        raise UpstreamUnavailable(f"the store: {error}") from error


class Nowhere:
    """Every room at once, and none of them is there."""

    async def __call__(self, name: str, *, ttl: float) -> bool:  # noqa: ARG002
        """Nobody is first where nothing is remembered."""
        raise _away()

    async def open(self, asked: Mapping[str, Json]) -> tuple[str, str]:  # noqa: ARG002
        """Nothing can be handed off."""
        raise _away()

    async def take(self, login_id: str) -> Mapping[str, Json] | None:  # noqa: ARG002
        """Nothing was handed off."""
        raise _away()

    async def check_password(self, username: str, password: Secret) -> Person | None:  # noqa: ARG002
        """There is nobody."""
        raise _away()

    async def check_totp(self, person_id: str, code: str) -> Person | None:  # noqa: ARG002
        """There is nobody."""
        raise _away()

    async def person(self, person_id: str) -> Person | None:  # noqa: ARG002
        """There is nobody."""
        raise _away()


def _away() -> UpstreamUnavailable:
    return UpstreamUnavailable("there is no store here")
