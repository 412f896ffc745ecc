"""Devices that wait for a person: by the code they hold, and by the code the person types.

Owns the families ``device`` and ``user-code``. A device is named by a hash of its ``device_code``, which
opens it; that name alone opens nothing, so it may stand beside a login. The answer is written once: of two
people who answer, one does (RFC 8628 §3.3, §3.5). What was answered or has run out stays a while, so that the
device hears why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from broker.protocol.device import INTERVAL, SLOWER, DeviceAnswer, DeviceRequest
from broker.store.records import Room, fingerprint, milliseconds
from broker.store.wire import Script

# ARGV: TTL, the sealed request.
_PUT = Script("""
redis.call('HSET', KEYS[1], 'device', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {KEYS[1]}
""")
# ARGV: now, the usual interval and how much slower in ms, the forbearance. Says whether it came too soon.
_POLL = Script("""
local found = redis.call('HMGET', KEYS[1], 'device', 'answer', 'interval', 'not_before')
if not found[1] then return {KEYS[1], '', '', 'gone'} end
if found[2] then return {KEYS[1], found[1], found[2], 'answered'} end
local now, interval = tonumber(ARGV[1]), tonumber(found[3] or ARGV[2])
local early = found[4] and now < tonumber(found[4])
if early then interval = interval + tonumber(ARGV[3]) end
redis.call('HSET', KEYS[1], 'interval', string.format('%d', interval),
           'not_before', string.format('%d', now + interval - tonumber(ARGV[4])))
return {KEYS[1], found[1], '', early and 'slow_down' or 'pending'}
""")
# ARGV: the sealed answer. Nothing is written where nothing is.
_ANSWER = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 0} end
return {KEYS[1], redis.call('HSETNX', KEYS[1], 'answer', ARGV[1])}
""")
_FORBEARANCE = 1000
"""Milliseconds by which a question may come early: a network is not a clock."""
_AFTERWARDS = 300.0
"""Seconds that a device is remembered after its end, so that it hears that it has expired."""

Poll = Literal["gone", "answered", "slow_down", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """A device that asks how it stands."""

    turn: Poll
    device: DeviceRequest | None = None
    answer: DeviceAnswer | None = None


class Devices(Room):
    """Devices by id."""

    def device_id(self, device_code: str) -> str:
        """The name of the device that holds this code."""
        return fingerprint("device", device_code)

    async def put_device(self, device_id: str, device: DeviceRequest, *, now: float) -> bool:
        """Keep a device until it has expired; False where its user code is taken, and another is needed."""
        ttl = device.expires_at - now
        name, typed = self._device(device_id), self._user_code(device.user_code)
        first = await self._wire.call(
            "SET", typed, self._seal(typed, device_id), "NX", "PX", milliseconds(ttl)
        )
        if first != b"OK":
            return False
        sealed = self._seal(f"{name}\0device", device)
        await self._run(_PUT, name, milliseconds(ttl + _AFTERWARDS), sealed)
        return True

    async def find_device(self, user_code: str) -> str | None:
        """The name of the device that shows this code, if nobody has answered it."""
        name = self._user_code(user_code)
        return self._open(name, str, await self._wire.call("GET", name))

    async def read_device(self, device_id: str) -> Polled:
        """How a device stands, without counting as its own question."""
        name = self._device(device_id)
        sealed, answer = await self._wire.call("HMGET", name, "device", "answer")
        turn: Poll = "gone" if sealed is None else "answered" if answer is not None else "pending"
        return self._polled(name, turn, sealed, answer)

    async def poll_device(self, device_id: str, *, now: float) -> Polled:
        """How a device stands, asked by itself: too soon makes it wait longer from then on."""
        name = self._device(device_id)
        arguments = (int(now * 1000), INTERVAL * 1000, SLOWER * 1000, _FORBEARANCE)
        sealed, answer, turn = await self._run(_POLL, name, *arguments)
        return self._polled(name, turn.decode(), sealed or None, answer or None)

    async def answer_device(self, device_id: str, user_code: str, answer: DeviceAnswer) -> bool:
        """Answer for it; False where somebody did before, or it is gone."""
        name = self._device(device_id)
        (written,) = await self._run(_ANSWER, name, self._seal(f"{name}\0answer", answer))
        await self._wire.call("DEL", self._user_code(user_code))
        return bool(written)

    def _polled(self, name: str, turn: Poll, sealed: bytes | None, answer: bytes | None) -> Polled:
        return Polled(
            turn=turn,
            device=self._open(f"{name}\0device", DeviceRequest, sealed),
            answer=self._open(f"{name}\0answer", DeviceAnswer, answer),
        )

    def _device(self, device_id: str) -> str:
        return self._name("device", device_id)

    def _user_code(self, user_code: str) -> str:
        return self._name("user-code", fingerprint("user-code", user_code))
