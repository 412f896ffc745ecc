"""Documents of an upstream that rarely change: its metadata and its keys.

Owns when one is fetched: by one task at a time however many wait (and none of them can take it down with
its own cancellation), again when it is old, never again soon after a failure, and the last good edition
stands in for a day while the upstream cannot be reached. RFC 9111 §5.2.2.1 (``max-age``), within bounds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

from broker.connector import UpstreamError, UpstreamInvalid, UpstreamUnavailable

SHORTEST, USUAL, LONGEST = 300.0, 3600.0, 86400.0
"""Seconds that a document is fresh: at least, when nothing is said, at most."""
RENEWED_BEHIND = 3600.0
"""Seconds after that in which the old edition answers while a new one is fetched, so that nobody waits for an
upstream that hangs (RFC 5861 §3)."""
MAX_STALE = 86400.0
"""Seconds that an old edition stands in when no new one can be had."""
AFTER_FAILURE = 5.0
"""Seconds in which a failed fetch is not tried again."""
STRANGERS_AFTER_FAILURE = 30.0
"""The same of somebody who may be anybody: each try is a handshake, and work of the server's choosing."""
BETWEEN_RENEWALS = 60.0
"""Seconds between two fetches that only an unknown key asked for."""
MAX_DOCUMENTS = 16

D = TypeVar("D")
"""What a document is: a JSON object, or bytes."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,10})", re.IGNORECASE)
_NO_STORE = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.IGNORECASE)


def fresh_for(cache_control: str) -> float:
    """How long an answer with this header is fresh: what it says, within our bounds."""
    if _NO_STORE.search(cache_control):
        return SHORTEST
    stated = _MAX_AGE.search(cache_control)
    return min(max(float(stated[1]), SHORTEST), LONGEST) if stated else USUAL


@dataclass(slots=True)
class _Entry(Generic[D]):
    """What is known of one URL."""

    document: D | None = None
    fresh_until: float = 0.0
    failure: UpstreamError | None = None
    failed_at: float = 0.0
    renewed_at: float | None = None
    fetching: asyncio.Task[None] | None = None


class Documents(Generic[D]):
    """The documents of one upstream.

    ``fetch`` gets a URL now: the document, and what ``Cache-Control`` said. ``clock`` only ever goes forward.
    ``missed`` hears of everybody who gets nothing but a failure of a moment ago, which is not tried again for
    a ``pause`` of so many seconds.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[tuple[D, str]]],
        clock: Callable[[], float],
        missed: Callable[[UpstreamError], None] = lambda _failure: None,
        *,
        pause: float = AFTER_FAILURE,
    ) -> None:
        self._fetch, self._clock, self._missed, self._pause = fetch, clock, missed, pause
        self._entries: dict[str, _Entry[D]] = {}

    async def get(self, url: str) -> D:
        """The document, fetched if there is none that is fresh.

        Raises:
            UpstreamError: it cannot be had, and there is no earlier edition that is not too old.
        """
        entry, now = self._entry(url), self._clock()
        if entry.document is not None and now < entry.fresh_until:
            return entry.document
        if entry.failure is None or now >= entry.failed_at + self._pause:
            fetching = self._start(url, entry)
            if entry.document is None or now >= entry.fresh_until + RENEWED_BEHIND:
                await asyncio.shield(fetching)
        elif self._edition(entry) is None:
            self._missed(entry.failure)
        return self._last_good(entry)

    async def renew(self, url: str) -> D:
        """A newer edition, at most once a minute; in between what `get` gives.

        Raises:
            UpstreamError: as `get`, or the newer edition was due and could not be had.
        """
        entry, now = self._entry(url), self._clock()
        if entry.fetching is None:
            if entry.renewed_at is not None and now < entry.renewed_at + BETWEEN_RENEWALS:
                return await self.get(url)
            entry.renewed_at = now
        await self._fetched(url, entry)
        if entry.failure is not None:
            raise copy(entry.failure) from None
        return self._last_good(entry)

    async def ask(self, url: str) -> D:
        """The edition of this moment, asked for whatever was heard last.

        Raises:
            UpstreamError: it cannot be had.
        """
        entry = self._entry(url)
        await self._fetched(url, entry)
        if entry.failure is not None:
            raise copy(entry.failure) from None
        return self._last_good(entry)

    @property
    def is_fetching(self) -> bool:
        """Whether one is being fetched."""
        return any(entry.fetching is not None for entry in self._entries.values())

    def has(self, url: str) -> bool:
        """Whether there is an edition that still stands in, so that nobody waits for another."""
        entry = self._entries.get(url)
        return entry is not None and self._edition(entry) is not None

    async def close(self) -> None:
        """End what is still being fetched."""
        running = [entry.fetching for entry in self._entries.values() if entry.fetching is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _entry(self, url: str) -> _Entry[D]:
        entry = self._entries.get(url)
        if entry is not None:
            return entry
        if len(self._entries) >= MAX_DOCUMENTS:
            raise UpstreamInvalid(
                "too_many_documents", f"more than {MAX_DOCUMENTS} documents of one upstream"
            )
        made = self._entries[url] = _Entry[D]()
        return made

    async def _fetched(self, url: str, entry: _Entry[D]) -> None:
        """Wait for the one fetch of this URL, starting it if nobody has."""
        # Shielded: the one who happened to start it may be cancelled, those who wait with it are not.
        await asyncio.shield(self._start(url, entry))

    def _start(self, url: str, entry: _Entry[D]) -> asyncio.Task[None]:
        if entry.fetching is None:
            entry.fetching = asyncio.create_task(self._run(url, entry))
        return entry.fetching

    async def _run(self, url: str, entry: _Entry[D]) -> None:
        try:
            document, cache_control = await self._fetch(url)
        except UpstreamError as error:
            entry.failure, entry.failed_at = error, self._clock()
        else:
            entry.document, entry.failure = document, None
            entry.fresh_until = self._clock() + fresh_for(cache_control)
        finally:
            entry.fetching = None

    def _edition(self, entry: _Entry[D]) -> D | None:
        """The last good one, if it is not too old to stand in."""
        return entry.document if self._clock() < entry.fresh_until + MAX_STALE else None

    def _last_good(self, entry: _Entry[D]) -> D:
        document = self._edition(entry)
        if document is None:
            raise copy(entry.failure or UpstreamUnavailable("the document is too old")) from None
        return document
