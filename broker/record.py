"""What a frozen value of ours is made of, where every request makes some.

Owns `Record`. A frozen dataclass sets each of its members by a call. For the forty records of a login, of up
to twenty members each, that was a twentieth of all that it costs; a `Record` is made, written and read by the
library that writes the JSON of the store. Nobody changes one; `replace` makes another like it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["Record", "replace"]


class Record(Struct, frozen=True):
    """A value that nobody changes. Each kind of it says ``frozen=True`` once more."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """The members that are not shown, since they are secret or somebody's own."""

    def __repr__(self) -> str:
        """All but what is hidden."""
        shown = ", ".join([f"{name}={value!r}" for name, value in self.__rich_repr__()])
        return f"{type(self).__qualname__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same, for whoever prints it in colour."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.HIDDEN]
