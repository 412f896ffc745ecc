"""Themes as they are served: an app's has from the issuer's what it leaves out. And words by language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from broker.config.images import Images
from broker.config.problems import Path
from broker.config.sections import Sections
from broker.config.settings import ConnectorConfig, Theme
from broker.config.tree import Node
from broker.config.written_theme import ThemeEntry, Words
from broker.protocol.client import ScopeRule

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


def said(
    scopes: Iterable[ScopeRule], connectors: Iterable[ConnectorConfig]
) -> Mapping[str, Mapping[str, str]]:
    """What the operator says in other languages: language → the default words → those words."""
    texts = (*(rule.description for rule in scopes), *(connector.name for connector in connectors))
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        if isinstance(text, Words):
            for language, words in text.others.items():
                found.setdefault(language, {})[str(text)] = words
    return MappingProxyType(found)
