"""Client secrets that people chose, and whoever guesses at secrets.

Owns the limits of client authentication by secret. A secret that is right is never counted against anybody:
one that was generated is known by its digest, one that somebody chose by what is kept of it since it was
right for the first time. Only what is wrong, or was never right before, is counted, by client and address; so
nobody is locked out by others, and a guesser waits longer and longer (RFC 6749 §2.3.1, §10.10). A
``client_id`` that nobody has is counted and takes as long as one that somebody has.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from broker.connector import Secret, UpstreamUnavailable
from broker.endpoints import about
from broker.endpoints.attempts import network_of
from broker.protocol.client_auth import Credentials
from broker.protocol.errors import TemporarilyUnavailable, TooManyAttempts
from broker.protocol.handles import digest
from broker.services import SERVICES, Services
from broker.store import Limit
from broker.upstreams.passwords import Hashing, matches

_QUARTER, _HOUR, _DAY = 900, 3600, 86_400
_REMEMBERED: Final = 30 * _DAY
"""For how long after its last use a chosen secret that was right needs not be hashed again."""
_BUCKETS: Final = 3
"""Hex digits of what a ``client_id`` is counted as: names that nobody has must not fill the store."""
_HASHING: Final = Hashing()


async def is_one_of(request: web.Request, presented: Credentials, hashes: Sequence[str]) -> bool:
    """Whether the secret is one of those that were hashed; it is counted unless it is.

    Raises:
        TooManyAttempts: too many were wrong from there.
        TemporarilyUnavailable: too many are being looked at.
    """
    services = request.app[SERVICES]
    who = f"client:{digest(presented.client_id)[:_BUCKETS]}"
    mark = _mark(services, presented)
    for kept in hashes:
        if await services.store.stays_known(who, kept, mark, _REMEMBERED):
            return True
    limits = _limits(presented.client_id, network_of(about.client_address(request)))
    wait, _ = await services.store.spend_attempt(who, limits)
    if wait:
        raise TooManyAttempts(reason="client_secret_guessed", wait=wait)
    right = await _hashed(services, presented.secret, hashes)
    if right is None:
        return False
    await services.store.give_back_attempt(who, limits)
    await services.store.remember_known(who, right, [mark], _REMEMBERED)
    return True


async def _hashed(services: Services, secret: str, hashes: Sequence[str]) -> str | None:
    """The hash that is this secret's. Where any app has one, nobody's takes as long as somebody's."""
    if not services.hashes_secrets:
        return None
    found = None
    try:
        for kept in hashes or (None,):
            if await matches(_HASHING, Secret(secret), kept):
                found = kept
    except UpstreamUnavailable as error:
        raise TemporarilyUnavailable(reason="client_secrets_busy", detail=error.detail) from error
    return found


def _limits(client_id: str, address: str) -> tuple[Limit, ...]:
    who = digest(client_id)[:_BUCKETS]
    where = (who, address)
    return (
        Limit("secret", where, 20, _QUARTER),
        Limit("secret_hour", where, 50, _HOUR),
        Limit("secret_day", where, 120, _DAY),
        Limit(
            "secret_anywhere", (who,), 500, _HOUR
        ),  # a guesser with many addresses; nobody right is counted
    )


def _mark(services: Services, presented: Credentials) -> str:
    """What is kept of a secret: without a key of ours it tells nothing, however short the secret is."""
    said = f"{len(presented.client_id)} {presented.client_id} {presented.secret}"
    return hmac.digest(services.store.mark_key, said.encode(), "sha256").hex()
