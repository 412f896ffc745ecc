"""Where the book of signing keys is kept: in ``state_dir``, or in the store that hosts share.

Owns reading and replacing it. Both shelves replace only what was seen, so two processes that start at the
same moment make keys once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Protocol

from broker.store import Store
from broker.store.kept import replace


class Shelf(Protocol):
    """One document, and the edition it was read as."""

    async def read(self) -> tuple[bytes, bytes]:
        """The document and its edition; both empty where there is none."""
        ...

    async def replace(self, seen: bytes, document: bytes) -> bool:
        """Write ``document`` if the edition ``seen`` still stands; whether it did."""
        ...


class StoreShelf:
    """In the store, sealed, so that every host signs with keys that all publish."""

    def __init__(self, store: Store) -> None:
        self.read = store.read_signing_keys
        self.replace = store.replace_signing_keys


class FileShelf:
    """A file of mode 0600 beside the embedded store; its own bytes are its edition."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> tuple[bytes, bytes]:
        """The file's content."""
        document = await asyncio.to_thread(self._read)
        return document, document

    async def replace(self, seen: bytes, document: bytes) -> bool:
        """Write the file whole, if it is still as it was seen."""
        return await asyncio.to_thread(self._replace, seen, document)

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""

    def _replace(self, seen: bytes, document: bytes) -> bool:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._read() != seen:
                return False
            replace(self._path, document)
            return True
        finally:
            os.close(lock)
