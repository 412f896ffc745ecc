"""Themes as they are served: an app's has from the issuer's what it leaves out. And words by language."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from broker.config.images import Images
from broker.config.problems import Path
from broker.config.sections import Sections
from broker.config.settings import Theme
from broker.config.tree import Node
from broker.config.written_theme import ThemeEntry, default_of

_IN_WORDS = (
    ("connectors", "name"),
    ("clients", "client_name"),
    ("scopes", "description"),
    ("resources", "name"),
    ("authorization_details_types", "description"),
)
"""Where words may be given in several languages."""
Written = Mapping[str, tuple[ThemeEntry, Node]]


def read(sections: Sections, of_clients: Written, images: Images) -> tuple[Theme, Mapping[str, Theme]]:
    """The issuer's theme, and those of the client apps that have their own."""
    house = theme(sections.get("theme"), sections.shared("theme"), ("theme",), images, Theme())
    apps = {
        client_id: theme(entry, node, ("clients", client_id, "theme"), images, house)
        for client_id, (entry, node) in of_clients.items()
    }
    return house, MappingProxyType(apps)


def theme(entry: ThemeEntry | None, node: Node | None, path: Path, images: Images, house: Theme) -> Theme:
    """The theme that ``entry`` says, at ``node``; what it leaves out is as in ``house``."""
    if entry is None:
        return house
    logo = images.take(entry.logo, node, (*path, "logo")) if node is not None else None
    links = entry.links
    return Theme(
        name=entry.name or house.name,
        # Another house has another picture, or none.
        logo=logo if entry.logo is not None or entry.name is not None else house.logo,
        accent=entry.accent or house.accent,
        radius=house.radius if entry.radius is None else entry.radius,
        help_url=links.help or house.help_url,
        privacy_url=links.privacy or house.privacy_url,
        terms_url=links.terms or house.terms_url,
    )


def said(sections: Sections) -> Mapping[str, Mapping[str, str]]:
    """What the operator says in other languages: language → the default words → those words."""
    found: dict[str, dict[str, str]] = {}
    for section, key in _IN_WORDS:
        for _, entry in sections.entries(section):
            words = entry.child(key)
            if words is not None and isinstance(words.value, dict):
                said_there = words.plain()
                for language, text in said_there.items():
                    found.setdefault(language, {})[default_of(said_there)] = text
    return MappingProxyType(found)
