"""The client apps whose ``client_id`` is the URL of a document that describes them.

Owns `DocumentClients`, a `broker.clients.ClientSource`: when a document is fetched, and what stands in for it
when it cannot be. OAuth Client ID Metadata Document §4.2 to §4.4 and §6; RFC 9111 §5.2 (``max-age``, within
bounds). One fetch at a time for each URL; so many a minute for each host, for whoever brings the URLs and for
all that nobody uses yet; after a failure it is not asked again at once. It goes through the guard of
`broker.outbound`, follows no redirect and reads no more than 5 kB. An app in use outlives a host that does
not answer for a week, and one that says that it is no more not by a moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

from broker.config import ClientDocumentsConfig
from broker.connector import UpstreamInvalid, UpstreamUnavailable
from broker.events import Events
from broker.outbound import Outbound, Way
from broker.outbound.documents import fresh_for
from broker.protocol import client_document, registration
from broker.protocol.client import Client
from broker.protocol.errors import OAuthError
from broker.store import KeptDocument, Limit, Store

UNUSED: Final = 2 * 3600
"""Seconds that a document is kept by which nobody has signed in."""
USED: Final = 90 * 86400
"""Seconds that it is kept after its app got a token."""
STALE: Final = 7 * 86400
"""Seconds that it stands in while its host does not answer."""
AFTER_FAILURE: Final = 60.0
"""Seconds in which a host that did not answer is not asked again."""
AFTER_REFUSAL: Final = 10.0
"""Seconds in which a document that is none is not. What is wrong is not cached (§4.4): whoever mends it is
not kept waiting, and a guard at the door is still not made to knock at every request."""
REMEMBERED: Final = 30.0
"""Seconds that a worker goes by what it has read itself."""
_MOST, _A_DAY, _A_MINUTE = 512, 86400, 60
_COUNTED = "@client-document"
_OK = 200


Places = Sequence[tuple[str, str, int]]
"""What somebody's requests are counted by: the kind of place, which it is, and how many a minute."""
_FROM: ContextVar[Callable[[], Places]] = ContextVar("places", default=tuple)


def asked_from(places: Callable[[], Places]) -> None:
    """From here on what is fetched is counted against whoever asks; ``places`` is called only then."""
    _FROM.set(places)


class _TooMany(UpstreamUnavailable):
    """Whoever asks has had enough documents read for now."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What this worker knows of a URL, and until when it asks nobody."""

    client: Client | None
    until: float


class DocumentClients:
    """Client apps by the URL of their document."""

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        config: ClientDocumentsConfig,
        events: Events,
        now: Callable[[], float],
    ) -> None:
        self._store, self._outbound, self._config = store, outbound, config
        self._events, self._now = events, now
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[Client | None]] = {}

    async def find(self, client_id: str) -> Client | None:
        """The client app as its document says; None where that is none, or cannot be had."""
        if not self._config.enabled or not client_document.is_url(client_id):
            return None
        if not self._config.takes(client_document.host_of(client_id)):
            return None
        held = self._held.get(client_id)
        if held is not None and self._now() < held.until:
            self._held.move_to_end(client_id)
            return held.client
        for _ in range(2):
            running = self._fetching.get(client_id)
            began = running is None
            if running is None:
                running = self._fetching[client_id] = asyncio.create_task(self._found(client_id))
                running.add_done_callback(lambda done: self._done(client_id, done))
            with suppress(_TooMany):
                # Shielded: whoever happened to begin it may go, those who wait with it do not.
                return await asyncio.shield(running)
            if began:
                break  # else somebody else had used up what they may, who is not the one that asks now
        return None

    def _done(self, client_id: str, done: asyncio.Task[Client | None]) -> None:
        self._fetching.pop(client_id, None)
        if not done.cancelled():
            done.exception()  # whoever waited has heard it, and perhaps nobody did

    async def used(self, client: Client) -> None:
        """It got a token, so its document is kept for longer. Noted to the day."""
        if client.origin != "document":
            return
        now, kept = self._now(), await self._store.read_client_document(client.client_id)
        if kept is None or (kept.used_at is not None and now - kept.used_at < _A_DAY):
            return
        await self._store.put_client_document(client.client_id, replace(kept, used_at=now), USED)
        await self._remember_origins(client, USED)

    async def close(self) -> None:
        """End what is still being fetched."""
        running = list(self._fetching.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _found(self, url: str) -> Client | None:
        kept, now = await self._store.read_client_document(url), self._now()
        if kept is not None and now < kept.fresh_until:
            return self._hold(url, self._client(url, kept), min(kept.fresh_until, now + REMEMBERED))
        try:
            await self._may_fetch(url, kept)
            fresh = await self._fetch(url)
        except UpstreamUnavailable as error:
            self._log(url, "unavailable", error.detail)
            stands_in = kept is not None and now < kept.fetched_at + STALE
            client = self._client(url, kept) if kept is not None and stands_in else None
            if not isinstance(error, _TooMany):
                return self._hold(url, client, now + AFTER_FAILURE)
            if client is None:  # which says nothing of the document, so the next may ask for it
                raise
            return client
        except (UpstreamInvalid, OAuthError) as error:
            self._log(url, error.reason, error.detail)
            await self._store.drop_client_document(url)
            return self._hold(url, None, now + AFTER_REFUSAL)
        fresh = _following(fresh, kept)
        ttl = UNUSED if fresh.used_at is None else USED
        await self._store.put_client_document(url, fresh, ttl)
        client = self._client(url, fresh)
        await self._remember_origins(client, ttl)
        return self._hold(url, client, now + REMEMBERED)

    async def _may_fetch(self, url: str, kept: KeptDocument | None) -> None:
        """That strangers do not have us call anybody more often than is good for both (§6.5)."""
        host, is_used = client_document.host_of(url), kept is not None and kept.used_at is not None
        if is_used or url in self._config.trusted:  # a count of its own, which strangers cannot use up
            limits = [Limit("host_in_use", (host,), 30, _A_MINUTE)]
        else:
            limits = [Limit("host", (host,), 30, _A_MINUTE), Limit("unused", (), 300, _A_MINUTE)]
            limits += [Limit(name, (place,), most, _A_MINUTE) for name, place, most in _FROM.get()()]
        wait, which = await self._store.spend_attempt(_COUNTED, limits)
        if wait:
            raise _TooMany(f"too many documents are asked for ({which})")

    async def _fetch(self, url: str) -> KeptDocument:
        host = client_document.host_of(url)
        way, is_stranger = Way(ca=self._config.ca), url not in self._config.trusted
        http = self._outbound.called(f"documents on {host}", way, stranger=is_stranger)
        answer = await http.get(url, most=client_document.LARGEST)
        if answer.status != _OK:
            raise UpstreamInvalid("bad_status", f"a client document answered {answer.status}")
        if not _is_json(answer.content_type):
            raise UpstreamInvalid("bad_content_type", "a client document is no application/json")
        document = answer.json()
        if not isinstance(document, dict):
            raise UpstreamInvalid("not_json", "a client document is no JSON object")
        metadata = client_document.read(url, document, self._config.allowed)
        now = self._now()
        fresh_until = now + fresh_for(answer.headers.get("cache-control", ""))
        return KeptDocument(metadata=dict(metadata), fetched_at=now, fresh_until=fresh_until)

    def _client(self, url: str, kept: KeptDocument) -> Client:
        made = registration.client(
            url, kept.metadata, self._config.allowed, origin="document", grants_since=kept.grants_since
        )
        return replace(made, trusted=True) if url in self._config.trusted else made

    def _hold(self, url: str, client: Client | None, until: float) -> Client | None:
        self._held[url] = _Held(client, until)
        self._held.move_to_end(url)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
        return client

    async def _remember_origins(self, client: Client, ttl: float) -> None:
        for origin in registration.origins(client):
            await self._store.remember_origin(origin, ttl)

    def _log(self, url: str, reason: str, detail: str) -> None:
        self._events.emit("client_document", "refused", reason=reason, detail=detail, client_id=url)


def _following(fresh: KeptDocument, kept: KeptDocument | None) -> KeptDocument:
    """What is kept of a document, after what was kept of it before (§6.3 on changes)."""
    if kept is None:
        return fresh
    changed = registration.wants_other_subjects(kept.metadata, fresh.metadata)
    since = fresh.fetched_at if changed else kept.grants_since
    return replace(fresh, used_at=kept.used_at, grants_since=since)


def _is_json(content_type: str) -> bool:
    """``application/json``, or something more particular that is JSON (§4)."""
    kind = content_type.lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
