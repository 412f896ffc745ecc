"""Requests that client apps pushed to us, until a browser brings their names.

Owns the families ``pushed`` and ``pushed-size``. RFC 9126 §2.2: a request is named by a reference that nobody
can guess, and found only together with the client that pushed it; so another client's reference is as good as
none (§2.4). What one client can have here at once is bounded in bytes (§7.2), since anybody may speak for one
that has no secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.protocol.params import Params
from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

MOST_BYTES = 32 * 1024 * 1024
"""What one client may push within the life of one request."""
MOST_BYTES_OF_AN_ADDRESS = 1024 * 1024
"""What may come from one address for clients that prove nothing, or that nobody has looked at."""

# KEYS: counter. ARGV: size, the most there may be, life in ms. Answers the ms to wait, or 0.
_COUNT = Script("""
if tonumber(redis.call('GET', KEYS[1]) or '0') + tonumber(ARGV[1]) > tonumber(ARGV[2]) then
  return {KEYS[1], math.max(redis.call('PTTL', KEYS[1]), 1)}
end
redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {KEYS[1], 0}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedRequest:
    """A request that is valid as it was pushed; it is looked at again when a browser brings its name."""

    params: Params
    signed: bool
    """Whether its client app signed it (RFC 9101)."""


class PushedRoom(Room):
    """Pushed requests by client and reference."""

    async def put_pushed(
        self, client_id: str, reference: str, pushed: PushedRequest, ttl: float, *, address: str = ""
    ) -> float:
        """Keep a request; or, where there is too much here already, the seconds to wait.

        Args:
            client_id: who pushed it.
            reference: the secret part of its name.
            pushed: the request.
            ttl: for how many seconds.
            address: where it came from, if anybody could have pushed it: then that is counted too.
        """
        name = self._pushed(client_id, reference)
        sealed = self._seal(name, pushed)
        # An address is counted for all such clients together: of those anybody may bring any number.
        limits = [("address", address, MOST_BYTES_OF_AN_ADDRESS)] if address else []
        for of, whose, most in (*limits, ("client", client_id, MOST_BYTES)):
            counter = self._name("pushed-size", fingerprint("pushed-size", of, whose))
            (wait,) = await self._run(_COUNT, counter, len(sealed), most, milliseconds(ttl))
            if wait:
                return float(wait) / 1000
        await self._wire.call("SET", name, sealed, "PX", milliseconds(ttl))
        return 0.0

    async def read_pushed(self, client_id: str, reference: str) -> PushedRequest | None:
        """The request, which stays: a page may be loaded again."""
        return await self._read(self._pushed(client_id, reference), PushedRequest)

    async def drop_pushed(self, client_id: str, reference: str) -> None:
        """The request has been answered."""
        await self._wire.call("DEL", self._pushed(client_id, reference))

    def _pushed(self, client_id: str, reference: str) -> str:
        return self._name("pushed", fingerprint("pushed", client_id, reference))
