"""Logos and icons: pictures that the operator names and the broker serves.

Owns what is taken as a picture, and how wide it is for its height. The name under which it is served is made
of its content, so that it can be cached for ever; nothing is ever fetched from another host.

PNG §11.2.1 (IHDR); SVG 2 §8.2 and §8.12 (how large a picture is that says so itself, or only by its viewBox).
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
_ROOT = re.compile(rb"<(?:svg:)?svg((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)")
_ATTRIBUTE = re.compile(rb"\s([\w:.-]+)\s*=\s*[\"']\s*([^\"']*?)\s*[\"']")
_LENGTH = re.compile(rb"\+?(\d*\.?\d+(?:e[+-]?\d+)?)([a-z]*)", re.IGNORECASE)
_UNSAID = 300 / 150
"""The proportions of a picture that tells none (CSS Images 3 §5.1)."""
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
        return Image(content=content, media_type="image/png", ratio=_png_ratio(content))
    if _SVG.match(content.removeprefix(b"\xef\xbb\xbf")):
        if _ACTIVE.search(content):
            raise ValueError("an SVG with scripts or event handlers is not served")
        return Image(content=content, media_type="image/svg+xml", ratio=_svg_ratio(content))
    raise ValueError("is neither SVG nor PNG")


def _png_ratio(content: bytes) -> float:
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    if content[12:16] != b"IHDR" or not width or not height:
        raise ValueError("is no whole PNG")
    return width / height


def _svg_ratio(content: bytes) -> float:
    root = _ROOT.search(content)
    said = dict(_ATTRIBUTE.findall(root[1])) if root is not None else {}
    lengths = [_LENGTH.fullmatch(said.get(name, b"")) for name in (b"width", b"height")]
    width, height = (None if found is None else (float(found[1]), found[2]) for found in lengths)
    if width and height and width[1] == height[1] and width[0] and height[0]:
        return width[0] / height[0]
    return _of_view_box(said.get(b"viewBox", b""))


def _of_view_box(text: bytes) -> float:
    try:
        _, _, width, height = (float(number) for number in re.split(rb"[\s,]+", text))
    except ValueError:
        return _UNSAID
    return width / height if width > 0 and height > 0 else _UNSAID
