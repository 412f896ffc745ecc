"""What an operator is told when the configuration is wrong: where, and in one plain line.

Owns `Problem`, `ConfigError` and the `Report` in which a load gathers every mistake before it gives up.
No message ever repeats a value: it might be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_*-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, or one thing worth knowing."""

    place: Place
    path: str
    """The key it is about, such as ``clients.billing.redirect_uris[0]``; empty for the file itself."""
    message: str

    def __str__(self) -> str:
        parts = [str(self.place), self.path, self.message] if self.path else [str(self.place), self.message]
        return _CONTROL.sub(" ", ": ".join(parts))


class ConfigError(Exception):
    """The configuration cannot be used. ``problems`` holds every mistake, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Report:
    """The mistakes found so far: the first one about each key, since the others follow from it."""

    def __init__(self) -> None:
        self._mistakes: dict[tuple[str, str], Problem] = {}
        self.notes: list[Problem] = []
        """What is allowed but worth knowing."""

    def add(self, place: Place, path: Path, message: str) -> None:
        """One mistake about ``path``."""
        name = spell(path)
        # The file is part of the key: two pieces may each be wrong about the same name.
        self._mistakes.setdefault((place.file, name), Problem(place, name, message))

    def note(self, place: Place, path: Path, message: str) -> None:
        """Something that does not stop the start."""
        self.notes.append(Problem(place, spell(path), message))

    def within(self, path: Path, *, known: Collection[str] = ()) -> Report:
        """The same report for whoever reads what stands under ``path``, and knows it by shorter names.

        What is wrong with the keys in ``known`` is told by somebody else.
        """
        return _Within(self, path, known)

    @property
    def count(self) -> int:
        """How many mistakes there are so far."""
        return len(self._mistakes)

    def error(self) -> ConfigError:
        """Everything found, in the order of the files."""
        return ConfigError(sorted(self._mistakes.values()))

    def raise_if_any(self) -> None:
        """Raises ConfigError when there was a mistake; until then nothing has been given up."""
        if self._mistakes:
            raise self.error()


class _Within(Report):
    """Puts the path that is common to all before each."""

    def __init__(self, whole: Report, path: Path, known: Collection[str]) -> None:
        super().__init__()
        self._whole, self._path, self._known = whole, path, frozenset(known)

    def add(self, place: Place, path: Path, message: str) -> None:
        if not path or path[0] not in self._known:
            self._whole.add(place, (*self._path, *path), message)

    def note(self, place: Place, path: Path, message: str) -> None:
        if not path or path[0] not in self._known:
            self._whole.note(place, (*self._path, *path), message)

    @property
    def count(self) -> int:
        return self._whole.count


def spell(path: Sequence[str | int]) -> str:
    """A path as an operator would write it; what is not a plain word stands in quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{word}" if text else word
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` when one of ``known`` is close, else nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
