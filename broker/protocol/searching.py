"""Finding a name among many by what a person types. Pure.

All names stand in one text, so that a search among ten thousand is one pass of the interpreter's `str.find`.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

MAX_QUERY, _MAX_WORDS = 100, 6


def fold(text: str) -> str:
    """``text`` without case, accents and superfluous space, as it is compared."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(bare.casefold().split())


class Directory:
    """Things by the names that people know them by, in an order."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        """``named`` are pairs of id and name; what has several names comes with one after another."""
        pairs = [(key, fold(name)) for key, name in named]
        self._keys = [key for key, _ in pairs]
        self._widest = max(Counter(self._keys).values(), default=1)
        self._names = [name for _, name in pairs]
        self._text = "".join(f"\n{name}" for name in self._names) + "\n"
        self._starts = list(accumulate((len(name) + 1 for name in self._names), initial=0))[:-1]

    def find(self, query: str, *, most: int) -> tuple[str, ...]:
        """The ids of at most so many whose names hold every word of ``query``.

        The one that is called so comes first, then those that begin so.
        """
        whole, wide = fold(query[:MAX_QUERY]), most * self._widest
        words = whole.split()[:_MAX_WORDS]
        if not words:
            return tuple(dict.fromkeys(self._keys[:wide]))[:most]
        found: dict[int, None] = {}
        for piece in (f"\n{whole}\n", f"\n{whole}"):
            found.update(dict.fromkeys(self._holding(piece, wide)))
        found.update(dict.fromkeys(self._all_words(words, 2 * wide)))
        return tuple(dict.fromkeys(self._keys[index] for index in found))[:most]

    def _all_words(self, words: list[str], most: int) -> Iterator[int]:
        rarest = min(words, key=self._text.count)
        for index in self._holding(rarest, len(self._keys)):
            if all(word in self._names[index] for word in words):
                yield index
                most -= 1
                if not most:
                    return

    def _holding(self, piece: str, most: int) -> Iterator[int]:
        """The first so many names that hold ``piece``."""
        at = self._text.find(piece)
        while at >= 0 and most:
            index = bisect_right(self._starts, at) - 1
            yield index
            most -= 1
            at = self._text.find(piece, self._starts[index] + 1 + len(self._names[index]))
