"""The people of a pool, until the operator removes them.

Owns the families ``people`` and ``usernames``: two hashes for each pool, of people by id and of ids by a hash
of the username, so that a username is given once and a person is found by it without being named in a key.
Both are changed in one step, and a person only over what was read: of two changes none undoes the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.store.errors import StoreUnavailable, alarm
from broker.store.records import TRIES, Room, fingerprint
from broker.store.wire import Script

# KEYS: usernames, people. ARGV: the username's hash, the id, the sealed person.
_ADD = Script("""
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return {KEYS[1], 0} end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {KEYS[1], 1}
""")
# KEYS: people. ARGV: the id, what was read, what shall be.
_CHANGE = Script("""
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return {KEYS[1], 0} end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {KEYS[1], 1}
""")
# KEYS: usernames, people. ARGV: the username's hash, the id.
_REMOVE = Script("""
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return {KEYS[1], redis.call('HDEL', KEYS[2], ARGV[2])}
""")
_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPerson:
    """Somebody who signs in with a password that we keep the hash of."""

    id: str
    """Random: their subject hangs on it, so it is never given again."""
    username: str
    """As its owner writes it."""
    password_hash: str = field(repr=False)
    """In the form of the hash function itself, its parameters included."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    enabled: bool = True
    totp_secret: str | None = field(default=None, repr=False)
    """Base32 (RFC 6238)."""
    since: float
    password_since: float


class Pools(Room):
    """People by pool. A pool is named after its connector; ``username`` is in its canonical form."""

    async def add_person(self, pool: str, username: str, person: PoolPerson) -> bool:
        """Keep a new person; False where the username is somebody's."""
        people = self._people(pool)
        sealed = self._seal(_field(people, person.id), person)
        names = [self._usernames(pool), people]
        (added,) = await self._run(_ADD, names, fingerprint("username", username), person.id, sealed)
        return bool(added)

    async def read_person(self, pool: str, person_id: str) -> PoolPerson | None:
        """The person of this id."""
        people = self._people(pool)
        sealed = await self._wire.call("HGET", people, person_id)
        return self._open(_field(people, person_id), PoolPerson, sealed)

    async def find_person(self, pool: str, username: str) -> PoolPerson | None:
        """The person of this username."""
        name = fingerprint("username", username)
        found: Any = await self._wire.call("HGET", self._usernames(pool), name)
        if found is None:
            return None
        if not isinstance(found, bytes):
            raise alarm("wrong_answer", f"the answer for {self._usernames(pool)} is not a value")
        return await self.read_person(pool, found.decode())

    async def change_person(
        self, pool: str, person_id: str, change: Callable[[PoolPerson], PoolPerson]
    ) -> PoolPerson | None:
        """Write what ``change`` makes of the person; None where there is none.

        ``change`` is asked again where somebody else was faster, so it must do nothing but answer. It leaves
        the id and the username as they are.
        """
        people = self._people(pool)
        for _ in range(TRIES):
            before: bytes | None = await self._wire.call("HGET", people, person_id)
            person = self._open(_field(people, person_id), PoolPerson, before)
            if person is None or before is None:
                return None
            changed = change(person)
            sealed = self._seal(_field(people, person_id), changed)
            (written,) = await self._run(_CHANGE, people, person_id, before, sealed)
            if written:
                return changed
        raise StoreUnavailable("contended", "too many changes of one person at once")

    async def remove_person(self, pool: str, username: str, person_id: str) -> bool:
        """Forget somebody; whether they were there. The username may be given again, the id is not."""
        names = [self._usernames(pool), self._people(pool)]
        (removed,) = await self._run(_REMOVE, names, fingerprint("username", username), person_id)
        return bool(removed)

    async def list_people(self, pool: str) -> AsyncIterator[PoolPerson]:
        """Everybody, in no order; who is added meanwhile may be missed."""
        people, cursor, told = self._people(pool), b"0", set[bytes]()
        while True:
            answer: Any = await self._wire.call("HSCAN", people, cursor, "COUNT", _AT_ONCE)
            cursor, entries = answer
            for person_id, sealed in zip(entries[::2], entries[1::2], strict=True):
                if person_id not in told:  # a scan may tell an entry twice
                    told.add(person_id)
                    person = self._open(_field(people, person_id.decode()), PoolPerson, sealed)
                    if person is not None:
                        yield person
            if cursor == b"0":
                return

    def _people(self, pool: str) -> str:
        return self._name("people", f"{{{pool}}}")

    def _usernames(self, pool: str) -> str:
        return self._name("usernames", f"{{{pool}}}")


def _field(name: str, person_id: str) -> str:
    return f"{name}\0{person_id}"
