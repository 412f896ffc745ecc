"""The state store: everything that must outlive one request, in Redis, in our own words.

Owns all that is stored, and is the only room that knows Redis. Anything that speaks its protocol serves
(version 6.2 or later), or a server of our own (`broker.store.embedded`). One read or write per step; what
must be atomic is one command, or one script on keys with one hash tag; nothing is retried.

    key                                 type    ends with                        why it is there
    ──────────────────────────────────  ──────  ───────────────────────────────  ─────────────────────────
    request:<hash of id, browser>       string  lifetimes.login                  waits for our own GET
    pushed:<hash of client, reference>  string  lifetimes.par, or when answered  waits for a browser
    pushed-size:<hash of client, or     string  lifetimes.par                    nobody fills the store
        address>
    login:<hash of state, browser,      string  lifetimes.login, or when taken   is at an upstream
        connector>
    consent-page:<hash of id, browser>  string  lifetimes.login, or when taken   waits for an answer
    one-session:<hash of browser,       string  a minute                         logins in two tabs
        subject>                                                                 become one session
    session:{<sid>}:<hash of cookie>    string  lifetimes.session.idle           single sign-on
    listed:{<sid>}                      hash    the session's end, a week later  it is shown and ended without
                                                where a client app is told       its cookie, and told of
    sessions-of:<subject>               zset    the last of them to end          a person sees and ends them
    sessions-from:<hash of connector,   zset    the last of them to end          an upstream ends them
        issuer, its sid or sub>
    due:{<shard>}                       zset    a week after the last of them    a session that runs out is
                                                                                 told of
    ended:{<sid>}                       string  the longest life of its tokens   they die with the session
    grant:{<grant id>}                  hash    lifetimes.code, then the         a code and its tokens
                                                longest life of its tokens
    consents:<subject>                  hash    lifetimes.consent                what a person allowed
    held:{<held id>}                    string  the longest session and         the upstream is asked
                                                refresh token, or a refusal     again by it
    asking:{<held id>}                  string  the asker, or its deadline      one asks at a time
    explained:<correlation id>          string  lifetimes.explain                an operator asks why
    once:<hash of family, name>         string  when it could not be used        a SAML assertion is
                                                again anyhow                     accepted once
    once-since:                         string  never: when it is gone, what     an emptied store lets
                                                was used is forgotten            nothing be used again
    hand-off:<hash of connector,        string  lifetimes.login                  another program decides
        login id>                                                                a login
    logout:<hash of id, browser>        string  lifetimes.login, or when taken   a sign-out waits
    holders:<subject>                   zset    the longest session and          apps are told when all that
                                                refresh token                    a person had ends
    outbox:{outbox}                     stream  30 days after the last change,   what apps are to be told:
    outbox-notices:{outbox}             hash    when the last notice has long    now, by whom,
    outbox-later:{outbox}               zset    been delivered or given up       again later,
    outbox-dead:{outbox}                zset                                     or no more
    attempts:{<connector>}:<hash of     string  minutes, from the first one      guessing gets slow
        limit, whose>
    known:{<connector>}:<hash of        string  90 days, from the last login     somebody else's guesses
        username, place>                                                         do not lock them out
    known:{client:<hash of id>}:<hash   string  30 days                          a secret that somebody
        of a chosen secret>                                                      chose is hashed once
    ended-before:<subject>              string  the longest session and          the operator ended all
                                                refresh token                    that a person had
    device:<hash of device code>        hash    lifetimes.device, and five       a person signs a device
                                                minutes                         in
    user-code:<hash of user code>       string  lifetimes.device, or when        finds the device by what
                                                answered                        its person types
    client:<client_id>                  string  registration.unused, then       an app registered itself
                                                registration.idle after use
    clients:{all}                       zset    with the last of its names       there are never too many
    client-document:<hash of URL>       string  two hours, then 90 days after    an app is described by it
                                                use
    origin:<hash of origin>             string  as the app that runs there       its scripts may call us
    people:{<connector>}                hash    never: who is in the pool is     people sign in with a
                                                what the operator keeps there    password of ours
    usernames:{<connector>}             hash    never: the same people           a username is given once
    signing-keys                        string  never: without them no token     every host signs with
                                                of ours can be checked; the      published keys
                                                key ring lets old ones go

Each name begins with ``store.prefix``. Secrets are in names only as hashes; values are sealed with their
name (`broker.store.vault`), so no answer and no copied value is taken for another.
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

from broker.config.settings import EMBEDDED, StoreConfig
from broker.store.attempts import Attempts, Limit
from broker.store.comers import Comers, KeptDocument
from broker.store.consents import Consents
from broker.store.devices import Devices, Polled
from broker.store.embedded import Embedded, EmbeddedInUse, join_embedded, start_embedded
from broker.store.ends import Ends
from broker.store.errors import StoreCorrupt, StoreError, StoreMisconfigured, StoreRefused, StoreUnavailable
from broker.store.explanations import Explanations
from broker.store.flows import Flows
from broker.store.grants import FirstRefresh, Grants, GrantState, OpaqueAccess, Rotation, Spent, Turn
from broker.store.hand_offs import HandOff, HandOffRoom
from broker.store.helds import Helds
from broker.store.holders import Holder, Holders
from broker.store.kept import kept_secret
from broker.store.listing import SHARDS, Listed, Origin
from broker.store.logouts import Logouts
from broker.store.once import Onces
from broker.store.outbox import Counts, InHand, Look, Notice, Outbox, Posted
from broker.store.people import PoolPerson, Pools
from broker.store.pushed import PushedRequest, PushedRoom
from broker.store.registered import Registered, Registrations
from broker.store.sessions import KnownSession, Sessions
from broker.store.signing import Signing
from broker.store.vault import Vault
from broker.store.wire import Wire

__all__ = [
    "SHARDS",
    "Counts",
    "Embedded",
    "EmbeddedInUse",
    "FirstRefresh",
    "GrantState",
    "HandOff",
    "Holder",
    "InHand",
    "KeptDocument",
    "KnownSession",
    "Limit",
    "Listed",
    "Look",
    "Notice",
    "OpaqueAccess",
    "Origin",
    "Polled",
    "PoolPerson",
    "Posted",
    "PushedRequest",
    "Registered",
    "Rotation",
    "Spent",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreMisconfigured",
    "StoreRefused",
    "StoreUnavailable",
    "Turn",
    "open_store",
    "start_embedded",
]

_log = logging.getLogger(__name__)
_MAY_NOT_ASK = frozenset({"noperm", "err"})
"""What a server says of a command that our user may not give, or that it does not have."""


class Store(
    Flows,
    Sessions,
    Grants,
    Consents,
    Signing,
    Onces,
    Explanations,
    Helds,
    Pools,
    HandOffRoom,
    Attempts,
    Ends,
    PushedRoom,
    Devices,
    Registrations,
    Comers,
    Holders,
    Outbox,
    Logouts,
):
    """All that is stored. Every method may raise `StoreUnavailable` and `StoreCorrupt`."""

    def __init__(self, wire: Wire, vault: Vault, prefix: str) -> None:
        if "{" in prefix or "}" in prefix:
            raise StoreMisconfigured("bad_prefix", "store.prefix: braces are for what must lie together")
        super().__init__(wire, vault, prefix)

    @property
    def wire(self) -> Wire:
        """Its connections, for another part of the same store."""
        return self._wire

    @property
    def handle_keys(self) -> tuple[bytes, ...]:
        """For `protocol.handles`: the first key tags, all are accepted."""
        return self._vault.handle_keys

    @property
    def nonce_keys(self) -> tuple[bytes, ...]:
        """For the nonces of `protocol.dpop`: the first makes them, all are accepted."""
        return self._vault.nonce_keys

    @property
    def mark_key(self) -> bytes:
        """For what is kept of a secret that somebody chose."""
        return self._vault.mark_key

    async def ping(self) -> None:
        """Raises `StoreUnavailable` when the store could not serve now."""
        await self._wire.call("PING")

    async def check_it_keeps(self) -> None:
        """Look whether the server keeps what it is given until its time.

        Of one that evicts, a mark that something was used or ended could vanish, and it would be good again.
        A server that does not let us look is trusted, and the log says so.

        Raises:
            StoreMisconfigured: its ``maxmemory-policy`` is another than ``noeviction``.
        """
        try:
            told: bytes = await self._wire.call("INFO", "memory")
        except StoreRefused as error:
            if error.reason not in _MAY_NOT_ASK:
                raise
            _log.warning("store: cannot see whether it evicts (INFO: %s): it must not", error.reason)
            return
        policy = re.search(rb"^maxmemory_policy:([\w-]+)", told, re.MULTILINE)
        if policy is not None and policy[1] != b"noeviction":
            found = policy[1].decode()
            raise StoreMisconfigured("evicts", f"store: its maxmemory-policy is {found}, must be noeviction")

    async def close(self) -> None:
        """Close the connections, and the embedded server if this is its owner, unless others share them."""
        await self._wire.close()


async def open_store(config: StoreConfig, state_dir: Path, *, beside: Store | None = None) -> Store:
    """The store that the configuration names. Redis itself is first spoken to by the first command.

    With the embedded store this joins the server that runs in ``state_dir``, or starts one that ends with
    `Store.close`; a broker with workers calls `start_embedded` before, and owns it.

    ``beside`` is another part of the same store, opened before: its connections serve this one too.

    Raises:
        StoreMisconfigured: the settings cannot work.
    """
    home = config.home or state_dir
    if beside is not None:
        return Store(beside.wire.shared(), _vault(config, home), config.prefix)
    url, owned = _embedded(home) if config.url == EMBEDDED else (config.url, None)
    try:
        wire = Wire(url, at_close=owned.stop if owned else None)
        return Store(wire, _vault(config, home), config.prefix)
    except StoreMisconfigured:
        if owned is not None:
            owned.stop()
        raise


def _vault(config: StoreConfig, home: Path) -> Vault:
    # Empty with the embedded store only, which may be known by the URL that its owner passes on.
    keys = config.encryption_keys or (kept_secret(home / "store-key"),)
    return Vault(keys, workspace=config.workspace)


def _embedded(state_dir: Path) -> tuple[str, Embedded | None]:
    """Join, or start. It blocks for those 50 ms: the server ends with the thread that starts it."""
    end = time.monotonic() + 5.0
    while True:
        url = join_embedded(state_dir)
        if url is not None:
            return url, None
        try:
            owned = start_embedded(state_dir)
        except EmbeddedInUse:
            # Another process was faster, and its server is not ready yet.
            if time.monotonic() > end:
                raise
        else:
            return owned.url, owned
