"""Passwords as they are kept: hashed with Argon2id, a few at a time, away from the event loop.

RFC 9106 §3.1; the parameters are OWASP's for a server that many people sign in at (19 MiB, two passes, one
lane). A hash carries its own parameters, so old ones go on working and are renewed at the next login. Whoever
does not exist costs the same work as somebody with another password. The library is loaded with the first
password: most brokers never see one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from broker.connector import Secret, UpstreamUnavailable
from broker.protocol.usernames import prepared_password

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

_AT_ONCE = max(1, min(4, os.cpu_count() or 1))
_IN_THE_ROW = 64
"""So many passwords may wait for their turn; whoever comes then hears to come back."""


def hash_password(password: str) -> str:
    """A fresh hash, to be kept. It takes some ten milliseconds.

    Raises:
        ValueError: this cannot be a password.
    """
    prepared = prepared_password(password)
    if prepared is None:
        raise ValueError("a password has no control characters, and at most 1024 others")
    return _hasher().hash(prepared)


def is_right(password: str, kept: str | None) -> bool:
    """Whether this is the password of a hash; without one, False after the same work."""
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    prepared = prepared_password(password)
    try:
        right = _hasher().verify(kept or _nobodys(), prepared or "-")
    except (VerificationError, InvalidHashError):
        return False
    return right and kept is not None and prepared is not None


def is_old(kept: str) -> bool:
    """Whether a hash was made with other parameters than one would be now."""
    return _hasher().check_needs_rehash(kept)


class Hashing:
    """A few threads for one process; Argon2 lets go of the interpreter while it works."""

    def __init__(self) -> None:
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in its turn.

        Raises:
            UpstreamUnavailable: too many wait already.
        """
        if self._waiting >= _IN_THE_ROW:
            raise UpstreamUnavailable("too many passwords at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_threads(), work)
        finally:
            self._waiting -= 1


async def matches(hashing: Hashing, password: Secret, kept: str | None) -> bool:
    """`is_right`, in its turn."""
    return await hashing.run(lambda: is_right(password.reveal(), kept))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="passwords")


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher, Type  # noqa: PLC0415

    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)


@cache
def _nobodys() -> str:
    """A hash that nothing matches."""
    return _hasher().hash(secrets.token_urlsafe(32))
