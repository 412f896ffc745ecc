"""Secrets that the broker makes for itself once, and keeps in a file of ``state_dir``.

Owns how such a file is written: mode 0600, whole or not at all, and once, even when two processes find at
the same moment that it is missing.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.connector import Secret
from broker.store.errors import StoreMisconfigured


@contextmanager
def usable(state_dir: Path) -> Iterator[None]:
    """What is done there, and may go wrong for an operator to mend: the folder is somebody else's, or full.

    Raises:
        StoreMisconfigured: the folder, or a file in it, cannot be used.
    """
    try:
        yield
    except OSError as error:
        place = f"state_dir: {error.filename or state_dir}"
        raise StoreMisconfigured("state_dir_unusable", f"{place}: {error.strerror}") from error


def kept_secret(path: Path) -> Secret:
    """The secret in ``path``, made there if there is none: 256 bits of chance."""
    with usable(path.parent):
        if not path.exists():
            create_once(path, secrets.token_urlsafe(32).encode())
        text = path.read_text().strip()
    if not text:
        raise StoreMisconfigured("empty_key", f"{path} is empty; what was encrypted with its key is lost")
    return Secret(text)


def kept_before(path: Path) -> Secret | None:
    """The secret that was made there before; None where none was, or none can be read."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return Secret(text) if text else None


def create_once(path: Path, data: bytes) -> bool:
    """Write a new file; whether it is ours, or somebody else's who was faster."""
    fresh = _written(path, data)
    try:
        os.link(fresh, path)  # unlike a rename, this fails where something is
    except FileExistsError:
        return False
    else:
        return True
    finally:
        fresh.unlink()


def replace(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of a file: a reader sees the old or the new, never a part."""
    fresh = _written(path, data)
    fresh.replace(path)


def _written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it 0600.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
