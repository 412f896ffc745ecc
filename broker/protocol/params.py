"""The parameters of a request: read once, with repeats told and blanks left out.

RFC 6749 §3.1 and §3.2: a parameter without a value is as if it were not there, unknown ones are
ignored, and none may be sent twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

from broker.protocol.errors import InvalidRequest
from broker.record import Record

_SAYABLE = re.compile(r"[a-z][a-z_]{0,49}")
"""A name that may be said again, to an app or in the log; others may be anything, by mistake a secret."""
MAY_REPEAT = frozenset({"resource"})  # RFC 8707 §2
_SEVERAL = MAY_REPEAT | {"audience"}
"""Of these every value is kept. Where ``audience`` may repeat is for the grant to say (RFC 8693 §2.1)."""


class Params(Record, frozen=True):
    """What was asked, before anything is known of its meaning."""

    HIDDEN: ClassVar = frozenset({"values", "several"})
    values: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    several: Mapping[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Params:
        """From name and value pairs, of the query and of the body together."""
        values: dict[str, str] = {}
        repeated: set[str] = set()
        several: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        for name, value in pairs:
            if name in seen and name not in MAY_REPEAT:
                repeated.add(name)
            seen.add(name)
            if value:
                values.setdefault(name, value)
                if name in _SEVERAL:
                    several[name] = (*several.get(name, ()), value)
        return cls(values, frozenset(repeated), several)

    def get(self, name: str) -> str | None:
        """The parameter's value, or None when it is absent, blank or ambiguous."""
        return None if name in self.repeated else self.values.get(name)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may come several times, each once, in their order."""
        return tuple(dict.fromkeys(self.several.get(name, ())))

    def require(self, name: str) -> str:
        """The parameter's value.

        Raises:
            InvalidRequest: it is not there.
        """
        value = self.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing.", reason=f"{name}_missing")
        return value

    def without_repeats(self, *, but: Collection[str] = ()) -> Params:
        """These parameters, none of them repeated, except those named in ``but``.

        Raises:
            InvalidRequest: one is.
        """
        if repeated := sorted(self.repeated.difference(but)):
            names = [name for name in repeated if _SAYABLE.fullmatch(name)]
            which = names[0] if names else "A parameter"
            raise InvalidRequest(
                f"{which} is sent more than once.", reason="parameter_repeated", detail=", ".join(names[:5])
            )
        return self
