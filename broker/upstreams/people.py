"""The pool of one connector: whose password it is, and whose one-time code.

See `broker.connector.People`, which `StoredPeople` is. RFC 6238 §5.2: a code is good once, and one step of
thirty seconds before and after its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from broker.connector import Person, Secret, UpstreamUnavailable
from broker.protocol.usernames import canonical
from broker.store import PoolPerson, Store, StoreUnavailable
from broker.upstreams.passwords import Hashing, hash_password, is_old, matches

T = TypeVar("T")
STEP = 30
"""Seconds that a code is of (RFC 6238 §4.1)."""


class StoredPeople:
    """People in the store."""

    def __init__(self, store: Store, pool: str, now: Callable[[], float], hashing: Hashing) -> None:
        self._store, self._pool, self._now, self._hashing = store, pool, now, hashing

    async def check_password(self, username: str, password: Secret) -> Person | None:
        """The person whose password this is."""
        name = canonical(username)
        found = None if name is None else await reached(self._store.find_person(self._pool, name))
        right = await matches(self._hashing, password, found.password_hash if found else None)
        if found is None or not right or not found.enabled:
            return None
        if is_old(found.password_hash):
            await self._renew(found, password)
        return _told(found)

    async def check_totp(self, person_id: str, code: str) -> Person | None:
        """The person, where this is a code of theirs that nobody has used."""
        found = await reached(self._store.read_person(self._pool, person_id))
        if found is None or not found.enabled or found.totp_secret is None:
            return None
        step = matching_step(found.totp_secret, code, self._now())
        if step is None:
            return None
        used = f"totp\0{person_id}\0{step}"
        fresh = await reached(self._store.once(self._pool, used, 4 * STEP))
        return _told(found) if fresh else None

    async def person(self, person_id: str) -> Person | None:
        """Who that is now."""
        found = await reached(self._store.read_person(self._pool, person_id))
        return None if found is None or not found.enabled else _told(found)

    async def _renew(self, person: PoolPerson, password: Secret) -> None:
        """Hash the password that was right with the parameters of now."""
        fresh = await self._hashing.run(lambda: hash_password(password.reveal()))

        def renewed(before: PoolPerson) -> PoolPerson:
            same = before.password_hash == person.password_hash
            return replace(before, password_hash=fresh) if same else before

        await reached(self._store.change_person(self._pool, person.id, renewed))


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The step that the code is of: this one, or one beside it (RFC 6238 §5.2); all are looked at."""
    from pyotp import TOTP  # noqa: PLC0415  (not many brokers have people of their own)

    totp, step = TOTP(secret, interval=STEP), int(now) // STEP
    digits = "".join(code.split())
    found = None
    for candidate in (step - 1, step + 1, step):
        if hmac.compare_digest(totp.at(candidate * STEP).encode(), digits.encode()):
            found = candidate
    return found


def _told(person: PoolPerson) -> Person:
    claims = {"preferred_username": person.username, **person.claims}
    totp = person.totp_secret is not None
    return Person(id=person.id, username=person.username, claims=claims, totp=totp)


async def reached(answer: Awaitable[T]) -> T:
    """The store's answer; where it is away, so is the upstream that hangs on it."""
    try:
        return await answer
    except StoreUnavailable as error:
        raise UpstreamUnavailable(f"the store: {error}") from error
