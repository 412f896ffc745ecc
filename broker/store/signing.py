"""The signing keys' home, where hosts share a store.

Owns the key ``signing-keys``, the one without a TTL: tokens are good for as long as the key that signed
them can be found, and the key ring itself lets go of old keys. Sealed like everything else; replaced only
by whoever has seen what stands there, so that two hosts do not both make keys.
"""

from __future__ import annotations

from typing import Any

from broker.store.errors import alarm
from broker.store.records import Room
from broker.store.wire import Script

_REPLACE = Script("""
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return {KEYS[1], 0} end
redis.call('SET', KEYS[1], ARGV[2])
return {KEYS[1], 1}
""")


class Signing(Room):
    """One document, and the edition it was read as."""

    async def read_signing_keys(self) -> tuple[bytes, bytes]:
        """The document and its edition; both empty where none was ever written."""
        name = self._signing()
        edition: Any = await self._wire.call("GET", name)
        if edition is None:
            return b"", b""
        if not isinstance(edition, bytes):
            raise alarm("wrong_answer", f"the answer for {name} is not a value")
        return self._vault.open(name, edition), edition

    async def replace_signing_keys(self, seen: bytes, document: bytes) -> bool:
        """Write ``document`` if the edition ``seen`` still stands; whether it did."""
        name = self._signing()
        (written,) = await self._run(_REPLACE, name, seen, self._vault.seal(name, document))
        return bool(written)

    def _signing(self) -> str:
        return f"{self._prefix}signing-keys"
