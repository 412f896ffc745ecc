"""How a test of the kit says what is wrong. Not by ``assert``, which Python may leave out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from broker.connector import UpstreamDetour, UpstreamIdentity
from broker.protocol.errors import OAuthError

T = TypeVar("T")

_AT_ONCE = 9
"""Providers that run at one time; each has a key of its own, and keys take long to make."""


@dataclass(frozen=True)
class Refusal:
    """How a login was refused."""

    error: str
    """What a client app hears; ``detour`` where the login is to begin once more."""
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.error} ({self.reason}: {self.detail})"


def must(holds: object, otherwise: str) -> None:
    """Fail the test with these words, unless it holds."""
    if not holds:
        raise AssertionError(otherwise)


async def refusal(login: Awaitable[object], case: str) -> Refusal:
    """How this login was refused, as a good connector refuses.

    It failed by an error that the contract knows, and what the client app hears tells nothing of it.
    """
    try:
        identity = await login
    except UpstreamDetour as detour:
        return Refusal("detour", detour.detour)
    except OAuthError as error:
        told = Refusal(error.error, error.reason, error.detail)
        must(error.reason != "connector_failed", f"{case}: raised {error.detail}, not an UpstreamError")
        must(error.reason not in error.description, f"{case}: the reason is told to the client app")
        return told
    named = f": {identity.subject} signed in" if isinstance(identity, UpstreamIdentity) else ""
    raise AssertionError(f"{case}: the login was not refused{named}")


async def all_of(cases: Iterable[T], run: Callable[[T], Awaitable[None]]) -> None:
    """Every case, several at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(case: T) -> None:
        async with places:
            await run(case)

    for problem in await asyncio.gather(*(one(case) for case in cases), return_exceptions=True):
        if isinstance(problem, BaseException):
            raise problem


@asynccontextmanager
async def naming(case: object) -> AsyncIterator[None]:
    """Say in which case it was that an unexpected error came."""
    try:
        yield
    except OAuthError as error:
        raise AssertionError(f"{case}: {error.error} ({error.reason}: {error.detail})") from error
