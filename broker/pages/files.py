"""The files that pages load: each under a name with its own hash, so that it may be kept for ever.

Owns the style sheet, the one script, the icons, and the pictures that the configuration names.
Everything is read once, at the start; nothing is looked up on disk by a name from a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

STATIC_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # An SVG that is opened by itself is a document of our origin: it may style itself and nothing else.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=lambda: STATIC_HEADERS)


class StaticFiles:
    """The files by their hashed names."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.rstrip("/")
        self._files: dict[str, StaticFile] = {}

    def add(self, stem: str, suffix: str, body: bytes) -> str:
        """Take a file in; the path it is served at."""
        name = f"{stem}.{sha256(body).hexdigest()[:12]}{suffix}"
        self._files[name] = StaticFile(body, _CONTENT_TYPES[suffix])
        return f"{self._prefix}/{name}"

    def keep(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a picture of the configuration at a path that is already made of its content."""
        self._files[path.removeprefix(f"{self._prefix}/")] = StaticFile(body, content_type)

    def get(self, name: str) -> StaticFile | None:
        """The file of this hashed name."""
        return self._files.get(name)

    def serves(self, path: str) -> bool:
        """Whether there is a file at ``path``."""
        return path.startswith(f"{self._prefix}/") and path.removeprefix(f"{self._prefix}/") in self._files
