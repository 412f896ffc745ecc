"""Which client apps there are: the operator's, and those that came without one.

    registered     those that registered themselves     keys            their public keys, as anybody's
    documents      those that a document describes      certificates    what they show by TLS

Owns `Clients`, the one place where a ``client_id`` becomes a `Client`. The configuration is looked at first
and costs nothing; whatever else knows clients (registrations, documents of their own) is a `ClientSource`,
asked in turn. RFC 6749 §2.2; RFC 7591.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from broker.protocol.client import Client
from broker.protocol.lookalikes import looks


class ClientSource(Protocol):
    """Somewhere that client apps come from beside the configuration."""

    async def find(self, client_id: str) -> Client | None:
        """The client app of this name as it is now, or None where there is none here."""

    async def used(self, client: Client) -> None:
        """The client app got a token, which keeps some of them from being forgotten."""


class Clients:
    """All client apps of one issuer."""

    def __init__(self, configured: Mapping[str, Client], sources: Sequence[ClientSource] = ()) -> None:
        self.configured = configured
        """Those of the operator, and the broker's own."""
        self._sources = tuple(sources)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What the operator's apps are called, as `lookalikes.looks` has it: there may be thousands."""
        return looks(client.client_name for client in self.configured.values())

    async def find(self, client_id: str) -> Client | None:
        """The client app of this name, enabled or not; None where there is none."""
        known = self.configured.get(client_id)
        if known is not None:
            return known
        for source in self._sources:
            found = await source.find(client_id)
            if found is not None:
                return found
        return None

    async def used(self, client: Client) -> None:
        """The client app got a token."""
        if client.registered_itself:
            for source in self._sources:
                await source.used(client)
