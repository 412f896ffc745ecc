"""Reads a page as a browser's parser would: which elements stand in it, and what a person sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Element:
    """An element with its attributes as the browser would have them."""

    tag: str
    attributes: dict[str, str]


@dataclass
class Reading:
    """A page, read."""

    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and names of attributes, without places to break a line."""
        return [(e.tag, tuple(sorted(e.attributes))) for e in self.elements if e.tag != "wbr"]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element.attributes.get(n) == v for n, v in attributes.items())
        ]

    @property
    def spoken(self) -> list[str]:
        """Every text a person can meet: what is seen, and attributes that are read out."""
        named = ("alt", "title", "aria-label", "placeholder", "data-none", "data-done")
        said = [e.attributes[name] for e in self.elements for name in named if name in e.attributes]
        return [text for text in (*self.texts, *said) if text.strip()]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.reading = Reading()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.reading.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.reading.texts.append(data)


def read(html: bytes) -> Reading:
    """The page's elements and texts."""
    parser = _Parser()
    parser.feed(html.decode("utf-8"))
    parser.close()
    return parser.reading
