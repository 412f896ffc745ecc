"""Client apps that registered themselves, until they are not used any more.

Owns the families ``client`` and ``clients``. Each registration is a record of its own that ends by itself;
beside them all stands one list of their names with the ends, so that there are never more than the operator
lets there be and an operator can see which. A name in the list whose record is gone counts for nothing. RFC
7591 §5; RFC 7592.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.store.errors import StoreUnavailable
from broker.store.records import TRIES, Room, milliseconds
from broker.store.wire import Script

# ARGV: now, the name, its end, the most there may be. What has ended leaves the list first.
_ENTER = Script("""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if not redis.call('ZSCORE', KEYS[1], ARGV[2]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return {KEYS[1], 0}
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[1], string.format('%d', tonumber(last[2]) - tonumber(ARGV[1])))
return {KEYS[1], 1}
""")
# ARGV: what was read, what shall be, TTL. Only over what was read.
_CHANGE = Script("""
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return {KEYS[1], 0} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {KEYS[1], 1}
""")
_A_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One registration as it stands."""

    client_id: str
    metadata: Mapping[str, Any] = field(repr=False)
    """As it is told back."""
    token_digest: str
    """What the store knows of the registration access token (RFC 7592 §3)."""
    secret_digest: bytes | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    """The secret itself, only where assertions are signed with it (client_secret_jwt); sealed like all of
    this."""
    issued_at: float
    used_at: float | None = None
    """When it last got a token, to the day; None where it never did."""
    grants_since: float = 0.0
    """What was granted before is over: the registration says something else since."""
    attested: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What its software statement says: nothing that the app says of itself later changes that."""
    lookalike: str = ""
    """The name of another app that its own can be taken for; empty where there is none."""


class Registrations(Room):
    """Registrations by ``client_id``."""

    async def enter_client(self, client: Registered, *, now: float, ttl: float, most: int) -> bool:
        """Keep a new one; False where there are as many as there may be."""
        if not await self._entered(client.client_id, now=now, ttl=ttl, most=most):
            return False
        await self._put(self._client(client.client_id), client, ttl)
        return True

    async def read_client(self, client_id: str) -> Registered | None:
        """As it is registered now."""
        return await self._read(self._client(client_id), Registered)

    async def change_client(
        self, client_id: str, change: Callable[[Registered], Registered], *, now: float, ttl: float
    ) -> Registered | None:
        """Write what ``change`` makes of it, and let it live so long from now; None where there is none.

        ``change`` is asked again where somebody else was faster, so it must do nothing but answer.
        """
        name = self._client(client_id)
        for _ in range(TRIES):
            before: bytes | None = await self._wire.call("GET", name)
            found = self._open(name, Registered, before)
            if found is None:
                return None
            changed = change(found)
            arguments = (before or b"", self._seal(name, changed), milliseconds(ttl))
            (written,) = await self._run(_CHANGE, name, *arguments)
            if written:
                await self._entered(client_id, now=now, ttl=ttl)
                if not await self._wire.call("EXISTS", name):  # dropped meanwhile: it takes no place
                    await self._wire.call("ZREM", self._clients, client_id)
                return changed
        raise StoreUnavailable("contended", "too many changes of one registration at once")

    async def drop_client(self, client_id: str) -> bool:
        """Forget it, and with it every token and code that it has; whether there was one."""
        removed = await self._wire.call("DEL", self._client(client_id))
        await self._wire.call("ZREM", self._clients, client_id)
        return bool(removed)

    async def list_clients(self) -> list[Registered]:
        """All that there are, those first that end first."""
        found: list[Registered] = []
        start = 0
        while names := await self._wire.call("ZRANGE", self._clients, start, start + _A_PAGE - 1):
            read = [await self.read_client(name.decode()) for name in names]
            found += [client for client in read if client is not None]
            start += _A_PAGE
        return found

    async def _entered(self, client_id: str, *, now: float, ttl: float, most: int = 2**31) -> bool:
        end = int(now * 1000) + milliseconds(ttl)
        (entered,) = await self._run(_ENTER, self._clients, int(now * 1000), client_id, end, most)
        return bool(entered)

    def _client(self, client_id: str) -> str:
        return self._name("client", client_id)

    @property
    def _clients(self) -> str:
        return self._name("clients", "{all}")
