"""The key ring: signs, verifies and publishes by the book, and keeps the book up to date.

Owns the loaded keys. Signing never waits: keys are made and loaded off the event loop beforehand (an RSA key
takes 36 ms to load, and longer to make), and which of them signs is arithmetic on the clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.config import EMBEDDED, Config
from broker.jose import JoseError, KeySet, SigningKey, UnknownKid, sign, verify
from broker.keys import files
from broker.keys.book import Book, Entry, State
from broker.keys.errors import KeysMisconfigured
from broker.keys.shelves import FileShelf, Shelf, StoreShelf
from broker.store import Store, StoreError, StoreMisconfigured
from broker.store.kept import kept_before, kept_secret

_log = logging.getLogger(__name__)

CACHED = 300
"""Seconds for which others may keep our key set."""
AHEAD = 3.0 * CACHED
"""Seconds between a key's publication and its first signature: longer than any cache keeps the set."""
EVERY = 5.0
"""Seconds between two looks for news."""
_TRIES = 8
_EDWARDS = {"Ed25519": "EdDSA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What may be told of a key."""

    kid: str
    alg: str
    state: State
    made_at: float | None
    signs_from: float | None
    stops_at: float | None
    published_until: float | None


@dataclass(frozen=True, slots=True)
class _Moment:
    """What holds until ``ends``: who signs, what is published, what verifies."""

    ends: float
    signers: Mapping[str, SigningKey]
    jwks: dict[str, Any]
    verifying: KeySet


class KeyRing:
    """Signs with the key that is current now; verifies with every key that is published."""

    def __init__(
        self, config: Config, shelf: Shelf | None, subject_key: bytes, *, now: Callable[[], float]
    ) -> None:
        self.algorithms: tuple[str, ...] = tuple(config.keys.algorithms)
        self.subject_key = subject_key
        """For `protocol.subject`; never rotated."""
        self._families = tuple(dict.fromkeys(map(_family, self.algorithms)))
        self._now = now
        self._shelf = shelf
        self._rotate_every = max(float(config.keys.rotate_every), 2 * AHEAD)
        self._keep = _longest_life(config)
        self._book = Book()
        self._edition: bytes | None = None
        self._keys: dict[str, SigningKey] = {}
        self._moment = _Moment(float("-inf"), {}, {"keys": []}, KeySet())
        self._news = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, config: Config, store: Store | None, *, now: Callable[[], float], watch: bool = True
    ) -> KeyRing:
        """The key ring of a configuration, its missing keys made and all of them loaded.

        Args:
            config: says which algorithms, and where the keys are.
            store: where they are with a store URL.
            now: seconds since the epoch.
            watch: look for news every few seconds; a command that ends soon need not.

        Raises:
            KeysMisconfigured: a file, or what is stored, does not hold what it should.
            StoreError: the store that holds them cannot be reached or read.
        """
        subject_key = await asyncio.to_thread(subject_key_of, config)
        if config.keys.files:
            ring = cls(config, None, subject_key, now=now)
            ring._adopt(await asyncio.to_thread(files.load, config.keys.files))
            return ring
        ring = cls(config, _shelf(config, store), subject_key, now=now)
        await ring.refresh()
        if watch:
            ring._watcher = asyncio.create_task(ring._watch())
        return ring

    async def close(self) -> None:
        """Stop looking for news."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    # ── Use ───────────────────────────────────────────────────────────────────────────────────

    def sign(self, alg: str, claims: Mapping[str, Any], *, typ: str) -> str:
        """A compact JWS over ``claims`` by the current key of ``alg``."""
        key = self._at_this_moment().signers.get(_family(alg))
        if key is None:
            raise KeysMisconfigured(f"keys.algorithms: there is no key for {alg}")
        return sign(key, claims, typ=typ, alg=alg)

    def jwks(self) -> dict[str, Any]:
        """The JWK set to publish (RFC 7517 §5); the same object until something changes."""
        return self._at_this_moment().jwks

    def verify_own(self, token: str, *, typ: str) -> dict[str, Any] | None:
        """The claims of a token that one of our keys signed; None when none did. Times are not looked at."""
        try:
            keys = self._at_this_moment().verifying
            return verify(token, keys, algorithms=self._verifiable(), typ=frozenset({typ.lower()}))
        except UnknownKid:
            self._news.set()  # another host may have made a key just now: have a look
            return None
        except JoseError:
            return None

    def known(self) -> tuple[Known, ...]:
        """All keys that are published, and what each is for."""
        if self._shelf is None:
            return tuple(self._known_file(key) for key in self._keys.values())
        now = self._now()
        return tuple(
            Known(
                kid=entry.kid,
                alg=entry.alg,
                state=entry.state(now),
                made_at=entry.made_at,
                signs_from=entry.signs_from,
                stops_at=entry.stops_at,
                published_until=None if entry.stops_at is None else entry.stops_at + self._keep,
            )
            for entry in self._book.published(now, self._keep)
        )

    # ── Change ────────────────────────────────────────────────────────────────────────────────

    async def refresh(self) -> None:
        """See what others did; make the keys that are missing, and the next ones when it is time."""
        await self._change(self._due)

    async def rotate(self) -> tuple[Known, ...]:
        """Publish a next key for every algorithm that has none coming; it signs after `AHEAD`."""
        await self._change(lambda book, now: [(alg, now + AHEAD) for alg in self._not_coming(book, now)])
        return self.known()

    async def retire(self, kid: str) -> bool:
        """Take a key out of everything at once, as after a leak; whether it was there.

        All that it signed is refused from now on. Where it was the current one, its successor signs at once.
        """
        if not any(known.kid == kid for known in self.known()):
            return False
        await self._change(self._due, without=kid)
        return True

    def _due(self, book: Book, now: float) -> list[tuple[str, float]]:
        """Which keys to make, and from when each shall sign."""
        made = []
        for alg in self._families:
            current = book.current(alg, now)
            if current is None:
                made.append((alg, now))  # nobody can have cached a set with an earlier one
            elif current.stops_at is None and current.signs_from + self._rotate_every - AHEAD <= now:
                made.append((alg, max(now + AHEAD, current.signs_from + self._rotate_every)))
        return made

    def _not_coming(self, book: Book, now: float) -> Iterable[str]:
        return (alg for alg in self._families if book.coming(alg, now) is None)

    async def _change(
        self, wanted: Callable[[Book, float], Sequence[tuple[str, float]]], *, without: str | None = None
    ) -> None:
        """Read, change, write if nobody else wrote; from the start again where somebody did."""
        shelf, spare = self._changeable(), dict[str, SigningKey]()
        for _ in range(_TRIES):
            document, edition = await shelf.read()
            read = book = _parse(document)
            now = self._now()
            if without is not None:
                book = book.without(without, now)
            for alg, signs_from in wanted(book, now):
                if alg not in spare:
                    spare[alg] = await asyncio.to_thread(SigningKey.generate, alg)
                key = spare[alg]
                book = book.adding(
                    Entry(kid=key.kid, alg=alg, made_at=now, signs_from=signs_from, jwk=key.to_json())
                )
            if book == read:
                return await self._load(read, edition)
            await shelf.replace(edition, book.pruned(now, self._keep).dump())
        raise KeysMisconfigured("the signing keys change all the time; is a clock of a host wrong?")

    def _changeable(self) -> Shelf:
        if self._shelf is None:
            raise KeysMisconfigured("keys.files: the keys are files; rotate them by changing that list")
        return self._shelf

    # ── What the book says, loaded ────────────────────────────────────────────────────────────

    async def _load(self, book: Book, edition: bytes) -> None:
        if edition == self._edition:
            return
        loaded = dict[str, SigningKey]()
        for entry in book.entries:
            known = self._keys.get(entry.kid)
            loaded[entry.kid] = known if known is not None else await asyncio.to_thread(_key, entry)
        self._keys, self._book, self._edition = loaded, book, edition
        self._moment = self._as_of(self._now())

    def _adopt(self, keys: Sequence[SigningKey]) -> None:
        """Keys from files: the first of each algorithm signs, all are published, for ever."""
        self._keys = {key.kid: key for key in keys}
        signers = {_family(key.alg): key for key in reversed(keys)}
        missing = [alg for alg in self._families if alg not in signers]
        if missing:
            raise KeysMisconfigured(f"keys.files: no key for {', '.join(missing)}")
        self._moment = _moment(float("inf"), signers, keys)

    def _at_this_moment(self) -> _Moment:
        now = self._now()
        if now >= self._moment.ends and self._shelf is not None:
            self._moment = self._as_of(now)
        return self._moment

    def _as_of(self, now: float) -> _Moment:
        current = {alg: self._book.current(alg, now) for alg in self._families}
        signers = {alg: self._keys[entry.kid] for alg, entry in current.items() if entry is not None}
        published = [self._keys[entry.kid] for entry in self._book.published(now, self._keep)]
        return _moment(self._book.next_change(now, self._keep), signers, published)

    def _verifiable(self) -> frozenset[str]:
        return frozenset(key.alg for key in self._keys.values()) | frozenset(_EDWARDS) | set(self.algorithms)

    def _known_file(self, key: SigningKey) -> Known:
        signs = self._moment.signers.get(_family(key.alg)) is key
        return Known(
            kid=key.kid,
            alg=key.alg,
            state="current" if signs else "old",
            made_at=None,
            signs_from=None,
            stops_at=None,
            published_until=None,
        )

    async def _watch(self) -> None:
        """Look for news now and then; what cannot be read leaves the keys that we have."""
        while True:
            # A flood of unknown kids wakes us once in a period, not once for each.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), EVERY)
            try:
                await self.refresh()
            except (StoreError, KeysMisconfigured, OSError) as error:
                _log.warning("signing keys could not be read: %s", type(error).__name__)
            await asyncio.sleep(EVERY / 5)
            self._news.clear()


def _moment(ends: float, signers: Mapping[str, SigningKey], published: Sequence[SigningKey]) -> _Moment:
    jwks = {"keys": [key.public_jwk() for key in published]}
    return _Moment(ends, signers, jwks, KeySet.of(published))


def _family(alg: str) -> str:
    return _EDWARDS.get(alg, alg)


def _longest_life(config: Config) -> float:
    """How long something that a key signed may be good: as a token, or as an ``id_token_hint``."""
    lifetimes = config.lifetimes
    return AHEAD + max(lifetimes.access_token, lifetimes.id_token, lifetimes.session.absolute)


def subject_key_of(config: Config) -> bytes:
    """The key that every person's subject hangs on: the operator's, or the one kept beside the store.

    Raises:
        StoreMisconfigured: they differ, so that everybody would be somebody else from now on.
    """
    path = config.state_dir / "subject-key"
    if config.subject_key is None:
        return kept_secret(path).reveal().encode()
    said, before = config.subject_key.reveal(), kept_before(path)
    if before is not None and before.reveal() != said:
        key = f"workspaces.{config.workspace}.subject_key" if config.workspace else "subject_key"
        how = f"name that one (file:{path.absolute()}), or remove it where nobody is known by it"
        raise StoreMisconfigured("another_subject_key", f"{key}: every sub hung on another so far: {how}")
    return said.encode()


def _shelf(config: Config, store: Store | None) -> Shelf:
    if config.store.url == EMBEDDED:
        return FileShelf(Path(config.state_dir) / "signing-keys.json")
    if store is None:
        raise KeysMisconfigured("keys: with a store URL the signing keys are in the store")
    return StoreShelf(store)


def _parse(document: bytes) -> Book:
    try:
        return Book.parse(document)
    except ValueError as error:
        raise KeysMisconfigured(f"keys: {error}") from None


def _key(entry: Entry) -> SigningKey:
    """The key of an entry, loaded; it must be the one that the entry names (RFC 7638)."""
    try:
        key = SigningKey.from_json(entry.jwk)
    except JoseError as error:
        raise KeysMisconfigured(f"keys: the stored key {entry.kid} does not load: {error}") from None
    if (key.kid, key.alg) != (entry.kid, entry.alg):
        raise KeysMisconfigured(f"keys: the stored key {entry.kid} is another key")
    return key
