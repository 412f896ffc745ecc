"""How a record gets in and out of Redis: as sealed JSON of its frozen type, under a name of its own.

Owns names, TTLs and serialisation for the rooms of the store. Unknown members are ignored and new
ones have defaults, so two releases can share a store while one replaces the other.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from broker.store.errors import alarm
from broker.store.vault import Vault
from broker.store.wire import Run, Script, Wire

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_LONGEST_TTL = 10 * 366 * 86_400
"""Ten years. A TTL of nonsense must not overflow into one that never ends."""
TRIES = 16
"""How often a change is made anew where somebody else's came between its look and its step."""
# ARGV: milliseconds that it stays from now on, if that is longer
_PROLONG = Script("""
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {KEYS[1]}
""")

_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


def milliseconds(ttl: float) -> int:
    """A TTL for PX: at least one millisecond, since Redis refuses none at all."""
    return max(1, min(int(ttl * 1000), _LONGEST_TTL * 1000))


def fingerprint(family: str, *parts: str) -> str:
    """A name made of secrets that does not give them away. Different parts give different names.

    Each part goes in with its length, so ("ab", "c") and ("a", "bc") differ.
    """
    hashed = sha256()
    for part in (family, *parts):
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()


class Room:
    """What every room of the store works with."""

    def __init__(self, wire: Wire, vault: Vault, prefix: str) -> None:
        self._wire = wire
        self._vault = vault
        self._prefix = prefix

    def _name(self, family: str, rest: str) -> str:
        return f"{self._prefix}{family}:{rest}"

    def _seal(self, name: str, record: object) -> bytes:
        return self._vault.seal(name, _encode(record))

    def _open(self, name: str, kind: type[T], sealed: Any) -> T | None:
        """The record, or None where there was nothing.

        Raises:
            StoreCorrupt: what came back is not what was put under this name.
        """
        if sealed is None:
            return None
        if not isinstance(sealed, bytes):
            raise alarm("wrong_answer", f"the answer for {name} is not a value")
        try:
            return _decoder(kind).decode(self._vault.open(name, sealed))
        except msgspec.DecodeError as error:
            raise alarm("not_a_record", f"the value of {name} is no {kind.__name__}: {error}") from None

    async def _put(self, name: str, record: object, ttl: float) -> None:
        await self._putting(name, record, ttl)

    def _putting(self, name: str, record: object, ttl: float) -> Future[Any]:
        return self._wire.call("SET", name, self._seal(name, record), "PX", milliseconds(ttl))

    async def _read(self, name: str, kind: type[T]) -> T | None:
        return self._open(name, kind, await self._wire.call("GET", name))

    async def _take(self, name: str, kind: type[T]) -> T | None:
        """Read and delete in one step, so that of many who take, one has it."""
        return self._open(name, kind, await self._wire.call("GETDEL", name))

    async def _prolong(self, name: str, ttl: float) -> None:
        """Keep it for so long from now on, if that is longer; what is gone stays gone."""
        await self._run(_PROLONG, name, str(milliseconds(ttl)))

    async def _run(self, script: Script, names: str | list[str], *arguments: str | bytes | int) -> list[Any]:
        """Run a script, which says the name of its first key first in its answer.

        An outcome is not sealed like a record, so that name shows that the answer is to our question.

        Raises:
            StoreCorrupt: it is to another.
        """
        keys = [names] if isinstance(names, str) else names
        return self._about(keys, await self._wire.run(script, keys, arguments))

    async def _run_together(self, *runs: Run) -> list[list[Any]]:
        """Run several scripts in one trip, wherever their keys lie; what each answers, in this order.

        No step hangs on another's. Raises what the first that failed raised, once all have been answered.
        """
        answers = await self._wire.run_together(runs)
        return [self._about(run[1], answer) for run, answer in zip(runs, answers, strict=True)]

    def _about(self, keys: Sequence[str], answer: Any) -> list[Any]:
        if not isinstance(answer, list) or not answer or answer[0] != keys[0].encode():
            raise alarm("wrong_answer", f"the answer of a script on {keys[0]} is about something else")
        return answer[1:]
