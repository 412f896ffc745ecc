"""What a connector may keep in the broker's store: names used once, hand-offs, the people of a pool.

Owns `Keeping` and its one real maker. Each connector has rooms of its own: nothing that one of them names is
found by another. What the store cannot do now is an upstream that is not there now, and costs one login.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from broker.connector import HandOffs, Json, Once, People, Person, Secret, UpstreamUnavailable
from broker.store import HandOff, Store
from broker.upstreams.passwords import Hashing
from broker.upstreams.people import StoredPeople, reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The rooms of one connector."""

    once: Once
    people: People
    hand_offs: HandOffs


Keeper = Callable[[str], Keeping]
"""Makes the rooms for the connector of this id."""


def in_store(store: Store, now: Callable[[], float], *, login: float) -> Keeper:
    """Rooms in the broker's store; ``login`` is the seconds that a login may take."""
    hashing = Hashing()

    def keeping(connector: str) -> Keeping:
        return Keeping(
            once=StoredOnce(store, connector),
            people=StoredPeople(store, connector, now, hashing),
            hand_offs=StoredHandOffs(store, connector, login),
        )

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


class StoredHandOffs:
    """See `broker.connector.HandOffs`, which this is."""

    def __init__(self, store: Store, connector: str, ttl: float) -> None:
        self._store, self._connector, self._ttl = store, connector, ttl

    async def open(self, asked: Mapping[str, Json], *, back: str) -> tuple[str, str]:
        """A new one."""
        login_id, login_state = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        hand_off = HandOff(login_state=login_state, asked=asked, back=back)
        await reached(self._store.put_hand_off(self._connector, login_id, hand_off, self._ttl))
        return login_id, login_state

    async def take(self, login_id: str) -> Mapping[str, Json] | None:
        """What was decided, once."""
        return await reached(self._store.take_hand_off(self._connector, login_id))


class Nowhere:
    """Every room at once, and none of them is there."""

    async def __call__(self, name: str, *, ttl: float) -> bool:  # noqa: ARG002
        """Nobody is first where nothing is remembered."""
        raise _away()

    async def open(self, asked: Mapping[str, Json], *, back: str) -> tuple[str, str]:  # noqa: ARG002
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
