"""YAML read into a tree that knows where everything stands.

Owns how a file becomes `Node`s: libyaml's events, one after the other, without recursion. What an
operator may write is JSON's data model in YAML's clothes: mappings with text keys, lists, text,
``true`` and ``false``, whole numbers, ``null`` (YAML 1.2 §10.2, cut down). So ``no``, ``012`` and
``22:22`` stay the text they are. Tags, anchors, aliases, merge keys, repeated keys and further
documents are mistakes: they run code, blow up, or hide what holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from broker.config.environment import SubstitutionError, substitute
from broker.config.problems import Path, Place, Report

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 64 * 1024 * 1024
_MAX_DEPTH = 32
# Canonical ones only: what reads back as it was written. 012 is a postcode or a mode, never ten or twelve.
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: how it is named to people, and what relative paths in it are relative to."""

    name: str
    directory: FilePath


class Node:
    """A value, and where it stands; ``key`` is where its name stands (the value itself in lists)."""

    __slots__ = ("_column", "_key_column", "_key_line", "_line", "source", "value")

    def __init__(
        self,
        value: dict[str, Node] | list[Node] | str | int | bool | None,
        source: Source,
        at: tuple[int, int],
        key: tuple[int, int] | None = None,
    ) -> None:
        self.value = value
        self.source = source
        self._line, self._column = at
        self._key_line, self._key_column = key or at

    @property
    def place(self) -> Place:
        """Where the value begins."""
        return Place(self.source.name, self._line, self._column)

    @property
    def key_place(self) -> Place:
        """Where its name begins."""
        return Place(self.source.name, self._key_line, self._key_column)

    def child(self, part: str | int) -> Node | None:
        """The node one step down, if there is one."""
        if isinstance(self.value, dict) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and 0 <= part < len(self.value):
            return self.value[part]
        return None

    def items(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping; none when it is something else."""
        yield from self.value.items() if isinstance(self.value, dict) else ()

    def texts(self, key: str) -> Iterator[tuple[int, Node, str]]:
        """What is text in the list at ``key``: its index, its node, and the text."""
        below = self.child(key)
        entries = below.value if below is not None and isinstance(below.value, list) else ()
        for index, node in enumerate(entries):
            if isinstance(node.value, str) and node.value:
                yield index, node, node.value

    def plain(self) -> Any:
        """The same as ordinary dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


class _StopReading(Exception):
    """Nothing after this point of the file can be trusted."""


def read_tree(path: FilePath, environ: Mapping[str, str], report: Report) -> Node | None:
    """The tree of the file at ``path``; None when it could not be read at all, which is then reported."""
    source = Source(str(path), path.parent)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = f"cannot read the file: {getattr(error, 'strerror', None) or 'not a path'}"
        if isinstance(error, IsADirectoryError):
            reason = "this is a folder; name a file in it"
        report.add(Place(source.name), (), reason)
        return None
    if len(data) > _MAX_BYTES:
        report.add(Place(source.name), (), f"larger than {_MAX_BYTES} bytes")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(source.name, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        report.add(place, (), "not UTF-8")
        return None
    return read_text(text, source, environ, report)


def read_text(text: str, source: Source, environ: Mapping[str, str], report: Report) -> Node | None:
    """The tree of ``text``; None when it is not YAML that we read, which is then reported."""
    builder = _Builder(source, environ, report)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _StopReading:
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source.name, mark.line + 1, mark.column + 1) if mark else Place(source.name)
        report.add(place, (), f"not YAML: {error.problem or error.context}")
        return None
    except yaml.YAMLError:  # a character that YAML does not allow (YAML 1.2 §5.1)
        report.add(Place(source.name, *_first_forbidden(text)), (), "not YAML: a control character")
        return None
    root = builder.root
    return Node({}, source, (1, 1)) if root is None or root.value is None else root


_FORBIDDEN = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _first_forbidden(text: str) -> tuple[int, int]:
    match = _FORBIDDEN.search(text)
    at = match.start() if match else 0
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    node: Node
    path: Path
    key: str | None = None
    key_at: tuple[int, int] = (1, 1)
    repeated: bool = False


class _Builder:
    """Puts nodes together from events; a stack stands for what is open."""

    def __init__(self, source: Source, environ: Mapping[str, str], report: Report) -> None:
        self.root: Node | None = None
        self._source, self._environ, self._report = source, environ, report
        self._stack: list[_Open] = []

    def take(self, event: Any) -> None:
        """One event of the parser."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._open(event, {})
            case yaml.SequenceStartEvent():
                self._open(event, [])
            case yaml.CollectionEndEvent():
                self._stack.pop()
            case yaml.AliasEvent():
                self._wrong(event, "an alias (*) is not read here; write the value out, or use include")
                if self._expects_key:
                    raise _StopReading
                self._put(event, None)
            case yaml.DocumentStartEvent() if self.root is not None:
                self._wrong(event, "a second document in the same file")
                raise _StopReading
            case _:
                pass

    def _open(self, event: Any, value: dict[str, Node] | list[Node]) -> None:
        if self._expects_key:
            self._wrong(event, "a key must be text")
            raise _StopReading
        if len(self._stack) >= _MAX_DEPTH:
            self._wrong(event, f"nested deeper than {_MAX_DEPTH}")
            raise _StopReading
        node, path = self._put(event, value)
        if event.tag is not None:
            self._refuse_tag(event, path)
        self._stack.append(_Open(node, path))

    def _scalar(self, event: Any) -> None:
        if self._expects_key:
            self._key(event)
            return
        text = event.value
        plain = event.style in {None, ""}
        if plain and text in _WORDS:
            value: str | int | bool | None = _WORDS[text]
        elif plain and _WHOLE_NUMBER.fullmatch(text):
            value = int(text)
        else:
            value = text
        node, path = self._put(event, value)
        if event.tag is not None:
            self._refuse_tag(event, path)
        if isinstance(value, str) and "${" in value:
            try:
                node.value = substitute(value, self._environ)
            except SubstitutionError as error:
                self._report.add(node.place, path, str(error))

    def _key(self, event: Any) -> None:
        top, text = self._stack[-1], event.value
        plain = event.style in {None, ""}
        top.key, top.key_at = text, _at(event)
        top.repeated = False
        if event.tag is not None:
            self._refuse_tag(event, (*top.path, text))
        elif plain and text == "<<":
            self._wrong(event, "a merge key (<<) is not read here; write the values out, or use include")
        elif plain and (text in _WORDS or _WHOLE_NUMBER.fullmatch(text)):
            self._wrong(event, "a key must be text; put it in quotes")
        if isinstance(top.node.value, dict) and text in top.node.value:
            top.repeated = True
            before = top.node.value[text].key_place.line
            self._wrong(event, f"said twice; the first is in line {before}")

    @property
    def _expects_key(self) -> bool:
        return (
            bool(self._stack) and isinstance(self._stack[-1].node.value, dict) and self._stack[-1].key is None
        )

    def _put(
        self, event: Any, value: dict[str, Node] | list[Node] | str | int | bool | None
    ) -> tuple[Node, Path]:
        """Hangs a new node where the stack says, and tells its path."""
        node = Node(value, self._source, _at(event))
        if not self._stack:
            self.root = node
            return node, ()
        top = self._stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
            return node, (*top.path, len(top.node.value) - 1)
        key = top.key or ""
        if isinstance(top.node.value, dict) and not top.repeated:
            top.node.value[key] = node = Node(value, self._source, _at(event), top.key_at)
        top.key = None
        return node, (*top.path, key)

    def _refuse_tag(self, event: Any, path: Path) -> None:
        place = Place(self._source.name, *_at(event))
        self._report.add(place, path, "a tag (!) is not read here; text is put in quotes")

    def _wrong(self, event: Any, message: str) -> None:
        path: Path = ()
        if self._stack:
            top = self._stack[-1]
            if isinstance(top.node.value, list):
                path = (*top.path, len(top.node.value))
            else:
                path = top.path if top.key is None else (*top.path, top.key)
        self._report.add(Place(self._source.name, *_at(event)), path, message)


def _at(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1
