"""Catalogues for languages that nobody speaks, made from the template."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from broker.pages.rendering import LOCALE


def template_catalogue() -> Catalog:
    """The catalogue that translators start from."""
    with (LOCALE / "pages.pot").open("rb") as stream:
        return read_po(stream)


def write_catalogue(folder: Path, tag: str, translate: Callable[[str], str]) -> None:
    """A catalogue in which every sentence is ``translate`` of the English one."""
    catalogue = Catalog(locale=None)
    for message in template_catalogue():
        if message.id:
            many = isinstance(message.id, tuple)
            said = tuple(map(translate, message.id)) if many else translate(message.id)
            catalogue.add(message.id, said)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    target = folder / tag / "LC_MESSAGES" / "pages.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(compiled.getvalue())
