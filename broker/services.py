"""What an endpoint may reach: one typed record for each issuer, under one key of its application."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from broker.clients import Clients
from broker.clients.certificates import Authorities
from broker.clients.keys import PublicKeys
from broker.clients.registered import RegisteredClients
from broker.config import Config
from broker.events import Events
from broker.keys import KeyRing
from broker.logout import Endings
from broker.outbound import Outbound
from broker.pages import Pages
from broker.protocol import base64url, subject
from broker.protocol.authorize import Rules
from broker.protocol.client import Client, ScopeRule
from broker.protocol.flow import AuthenticationContext
from broker.store import Store
from broker.upstreams import Upstreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One issuer's parts. ``now`` and ``chance`` are here so that a test can hold them still."""

    config: Config
    rules: Rules
    clients: Clients
    registered: RegisteredClients
    """Those of them that registered themselves."""
    scopes: Mapping[str, ScopeRule]
    upstreams: Upstreams
    store: Store
    keys: KeyRing
    strangers: Outbound
    """Whoever is called on a client app's word."""
    public_keys: PublicKeys
    """What client apps, and whoever else signs for them, sign with and are encrypted to."""
    authorities: Authorities
    """Whose client certificates are believed."""
    pages: Pages
    events: Events
    endings: Endings
    """How sessions end, and who is told."""
    hashes_secrets: bool = False
    """Whether any app has a secret that somebody chose: every wrong one then takes as long as theirs."""
    takes_strangers: bool = False
    """Whether apps may come without an operator."""
    grant_types: frozenset[str] = frozenset({"authorization_code", "refresh_token"})
    """What any app here may redeem."""
    base: str = ""
    """The path of the issuer, without a slash at its end; what our own paths stand behind for a browser."""
    mount: str = ""
    """What of it is still there when a request comes to us: a proxy in front may take the host's own away."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    chance: Callable[[int], bytes] = os.urandom
    """So many fresh random bytes."""

    def fresh(self) -> str:
        """A secret that nobody can guess: 256 bits of chance as 43 characters."""
        return base64url.encoded(self.chance(32))

    def fresh_name(self) -> str:
        """A name that nothing else has, and that opens nothing: 128 bits of chance as 22 characters.

        An operator may type it (``broker sessions end``), so it does not begin like an option.
        """
        name = base64url.encoded(self.chance(16))
        return f"_{name[1:]}" if name.startswith("-") else name

    @property
    def issuer(self) -> str:
        """Our issuer identifier."""
        return self.config.issuer

    def picture(self, client: Client) -> str | None:
        """Where a browser finds the logo of a client app, if there is one."""
        return None if client.logo is None else self.at(client.logo)

    def sub(self, who: AuthenticationContext, client: Client) -> str:
        """The ``sub`` of somebody as this client app hears it (Core §8.1); that of an app is its name."""
        if not who.connector:
            return who.subject
        return subject.for_client(who.subject, client, self.keys.subject_key)

    def sid(self, sid: str, client: Client) -> str:
        """The ``sid`` of a session as this client app hears it; everybody's where its subjects are public."""
        return subject.session_for_client(sid, client, self.keys.subject_key)

    def at(self, path: str) -> str:
        """A path of ours as a browser must ask for it: behind the path of the issuer, if it has one."""
        return self.base + path


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
