"""Names in an order, looked up and never scanned: there may be ten thousand of them, and every login asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class Names(Sequence[str]):
    """A fixed list of names, each once. Whether one is there takes as long however many there are."""

    __slots__ = ("_known", "_order")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._order = tuple(dict.fromkeys(names))
        self._known = frozenset(self._order)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._order[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names | tuple) and self._order == tuple(other)

    def __hash__(self) -> int:
        return hash(self._order)

    def __repr__(self) -> str:
        return f"Names({list(self._order)!r})"
