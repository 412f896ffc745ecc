"""The parameters of a request: read once, with repeats told and blanks left out.

RFC 6749 §3.1 and §3.2: a parameter without a value is as if it were not there, unknown ones are
ignored, and none may be sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from broker.protocol.errors import InvalidRequest

MAY_REPEAT = frozenset({"resource"})  # RFC 8707 §2


@dataclass(frozen=True, slots=True)
class Params:
    """What was asked, before anything is known of its meaning."""

    values: Mapping[str, str] = field(repr=False)
    repeated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Params:
        """From name and value pairs, of the query and of the body together."""
        values: dict[str, str] = {}
        repeated: set[str] = set()
        seen: set[str] = set()
        for name, value in pairs:
            if name in seen and name not in MAY_REPEAT:
                repeated.add(name)
            seen.add(name)
            if value:
                values.setdefault(name, value)
        return cls(values, frozenset(repeated))

    def get(self, name: str) -> str | None:
        """The parameter's value, or None when it is absent, blank or ambiguous."""
        return None if name in self.repeated else self.values.get(name)

    def require(self, name: str) -> str:
        """The parameter's value.

        Raises:
            InvalidRequest: it is not there.
        """
        value = self.get(name)
        if value is None:
            raise InvalidRequest(f"{name} is missing.", reason=f"{name}_missing")
        return value

    def without_repeats(self) -> Params:
        """These parameters, none of them repeated.

        Raises:
            InvalidRequest: one is.
        """
        if self.repeated:
            raise InvalidRequest(
                "A parameter is sent more than once.",
                reason="parameter_repeated",
                detail=", ".join(sorted(self.repeated)[:5]),
            )
        return self
