"""The client apps that registered themselves, as the rest of the house finds them.

Owns `RegisteredClients`, a `broker.clients.ClientSource`. Each request looks a registration up anew, once:
what was deleted is gone at that moment, and with it every grant, since all of them ask for their client
first. RFC 7591; RFC 7592 §2.3. What the operator gives to such apps now counts, not what was given when one
registered.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Final

from broker.config import RegistrationConfig
from broker.protocol import registration
from broker.protocol.client import Client
from broker.store import Registered, Store

PREFIX: Final = "broker.app."
"""Begins the name of every app that registered itself; no operator's does (`broker.config.clients.OWN`)."""
_A_DAY, _OFTEN = 86400, 24
"""How often at least it is noted within ``idle`` that an app is in use."""
_FOUND: ContextVar[dict[str, Registered | None] | None] = ContextVar("registrations", default=None)
"""What the request that is being answered has looked up."""


def for_a_new_request() -> None:
    """From here on each registration is looked up once: a request sees one state of it, and the next anew."""
    _FOUND.set({})


class RegisteredClients:
    """Registered client apps by ``client_id``."""

    def __init__(self, store: Store, config: RegistrationConfig, now: Callable[[], float]) -> None:
        self._store, self._config, self._now = store, config, now

    async def find(self, client_id: str) -> Client | None:
        """The client app, by what it registered and the operator's rules of now."""
        if not client_id.startswith(PREFIX):
            return None
        found = await self._looked_up(client_id)
        return None if found is None else self.client(found)

    async def is_gone(self, client_id: str) -> bool:
        """Whether it once registered itself, and is deleted or forgotten."""
        return client_id.startswith(PREFIX) and await self._store.read_client(client_id) is None

    def client(self, registered: Registered) -> Client:
        """The client app of a registration."""
        digest, plain = registered.secret_digest, registered.secret
        return registration.client(
            registered.client_id,
            registered.metadata,
            self._config.allowed,
            origin="registered",
            secret_digests=() if digest is None else (digest,),
            secrets=() if plain is None else (plain,),
            grants_since=registered.grants_since,
        )

    async def used(self, client: Client) -> None:
        """It got a token: it is no app that nobody uses, and lives on. Noted to the day, or oftener."""
        if client.origin != "registered":
            return
        now, noted_for = self._now(), min(_A_DAY, self._config.idle / _OFTEN)
        found = await self._looked_up(client.client_id)
        if found is None or (found.used_at is not None and now - found.used_at < noted_for):
            return

        def noted(before: Registered) -> Registered:
            return replace(before, used_at=now)

        await self._store.change_client(client.client_id, noted, now=now, ttl=self._config.idle)
        await self.remember_origins(found, self._config.idle)

    async def remember_origins(self, registered: Registered, ttl: float) -> None:
        """Let the scripts of an app without a secret call us from where it runs."""
        for origin in registration.origins(self.client(registered)):
            await self._store.remember_origin(origin, ttl)

    async def _looked_up(self, client_id: str) -> Registered | None:
        found = _FOUND.get()
        if found is None:
            return await self._store.read_client(client_id)
        if client_id not in found:
            found[client_id] = await self._store.read_client(client_id)
        return found[client_id]
