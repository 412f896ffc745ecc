"""How a page is dressed: the house's theme, and that of an app that has its own.

Owns what becomes of a theme: a style sheet of a few custom properties, made once when the broker starts and
served under the hash of its content, and what stands around the card. A theme brings no markup and no style
of its own, so nothing in it can change what a page says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from broker.config import Theme
from broker.pages.colors import ACCENT, stylesheet_head
from broker.pages.files import StaticFiles
from broker.pages.words import LINKS

RADIUS: Final = 14


@dataclass(frozen=True, slots=True)
class Dress:
    """A theme, ready for a template."""

    name: str = ""
    logo: str | None = None
    """The path of the picture."""
    style: str | None = None
    """The path of its own style sheet, where it differs from everybody's."""
    links: tuple[tuple[str, str], ...] = ()
    """What each link is, and where it leads."""


@lru_cache(maxsize=256)
def head(accent: str | None, radius: int | None) -> str:
    """The custom properties of a theme: many apps have one colour."""
    rounded = RADIUS if radius is None else radius
    return f"{stylesheet_head(accent or ACCENT)}:root{{--radius:{rounded}px}}"


class Wardrobe:
    """The dress of the house, and those of its apps."""

    def __init__(self, house: Theme, apps: Mapping[str, Theme], files: StaticFiles, base: str) -> None:
        self.house = _dress(house, base)
        self._apps = {name: self._fitted(theme, house, files, base) for name, theme in apps.items()}

    def dress(self, client_id: str | None) -> Dress:
        """What a page about this app wears."""
        return self._apps.get(client_id, self.house) if client_id is not None else self.house

    @staticmethod
    def _fitted(theme: Theme, house: Theme, files: StaticFiles, base: str) -> Dress:
        looks_the_same = (theme.accent, theme.radius) == (house.accent, house.radius)
        style = (
            None if looks_the_same else files.add("theme", ".css", head(theme.accent, theme.radius).encode())
        )
        return replace(_dress(theme, base), style=style)


def _dress(theme: Theme, base: str) -> Dress:
    logo = None if theme.logo is None else base + theme.logo
    return Dress(name=theme.name, logo=logo, links=tuple(_links(theme)))


def _links(theme: Theme) -> Iterator[tuple[str, str]]:
    urls = {"help": theme.help_url, "privacy": theme.privacy_url, "terms": theme.terms_url}
    for what, name in LINKS.items():
        url = urls[what]
        if url is not None:
            yield name, url
