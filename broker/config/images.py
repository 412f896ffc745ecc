"""Logos and icons: pictures that the operator names and the broker serves.

Owns what is taken as a picture. The name under which it is served is made of its content, so that it can
be cached for ever; nothing is ever fetched from another host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Literal

from broker.config.problems import Path, Report
from broker.config.settings import Image
from broker.config.tree import Node

FOLDER = "/static/images"
MAX_BYTES = 64 * 1024

MediaType = Literal["image/svg+xml", "image/png"]

_PNG = b"\x89PNG\r\n\x1a\n"
_ENDINGS: Mapping[MediaType, str] = {"image/png": "png", "image/svg+xml": "svg"}
_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<(?:svg:)?svg[\s>]", re.DOTALL
)
# A picture does not need them, and opened by itself it would run in our origin.
_ACTIVE = re.compile(rb"<script|<foreignobject|\son[a-z]+\s*=|javascript:|<!entity", re.IGNORECASE)


class Images:
    """The pictures found so far, by the path they are served at."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._served: dict[str, Image] = {}
        self._known: dict[FilePath, str] = {}

    @property
    def served(self) -> Mapping[str, Image]:
        """All of them."""
        return MappingProxyType(dict(self._served))

    def take(self, file: FilePath | None, node: Node, path: Path) -> str | None:
        """The path at which ``file`` will be served; None without one, or when it is not a picture."""
        if file is None or file in self._known:
            return self._known.get(file) if file is not None else None
        try:
            image = read_image(file)
        except ValueError as error:
            where = node.child(path[-1]) or node
            self._report.add(where.place, path, str(error))
            return None
        name = sha256(image.content).hexdigest()[:20]
        self._known[file] = f"{FOLDER}/{name}.{_ENDINGS[image.media_type]}"
        self._served[self._known[file]] = image
        return self._known[file]


def read_image(file: FilePath) -> Image:
    """The picture in ``file``.

    Raises:
        ValueError: it cannot be read, is too large, or is neither SVG nor PNG.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read the file: {error.strerror or type(error).__name__}") from error
    if len(content) > MAX_BYTES:
        raise ValueError("larger than 64 kB")
    if content.startswith(_PNG):
        return Image(content=content, media_type="image/png")
    if _SVG.match(content.removeprefix(b"\xef\xbb\xbf")):
        if _ACTIVE.search(content):
            raise ValueError("an SVG with scripts or event handlers is not served")
        return Image(content=content, media_type="image/svg+xml")
    raise ValueError("is neither SVG nor PNG")
