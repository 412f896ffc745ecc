"""The authentication context schema: which claims the broker knows, and what type each has.

Owns the types that an operator may declare a claim as, what a value of each looks like, and which casts make
one. The standard claims are always known, with the types that OpenID Connect Core §5.1 gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from broker.mapping.values import (
    MAX_INTEGER,
    STANDARD,
    Fit,
    Unfit,
    fit_address,
    fit_any,
    fit_flag,
    fit_number,
    fit_text,
    to_epoch,
)

Types = Mapping[str, str]
"""Claim → its type."""


def _fit_integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise Unfit("not a whole number")
    return value


def _fit_boolean(value: Any) -> bool:
    if value is not True and value is not False:
        raise Unfit("neither true nor false")
    return bool(value)


def _fit_list(value: Any) -> Any:
    if not isinstance(value, list):
        raise Unfit("not a list")
    return fit_any(value)


def _fit_object(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise Unfit("not an object")
    return fit_any(value)


def _fit_time(value: Any) -> int:
    if isinstance(value, str):
        raise Unfit("not seconds since the epoch; cast: epoch makes them of a text")
    return to_epoch(value)


FITS: Mapping[str, Fit] = {
    "string": fit_text,
    "integer": _fit_integer,
    "number": fit_number,
    "boolean": _fit_boolean,
    "list": _fit_list,
    "object": _fit_object,
    "timestamp": _fit_time,
}
"""What a claim of each type looks like. A timestamp is seconds since the epoch, as in ``updated_at``."""


@dataclass(frozen=True, slots=True)
class Both:
    """What the operator declared, and what clients expect of a claim of that name."""

    declared: Fit
    usual: Fit

    def __call__(self, value: Any) -> Any:
        """The value as it is passed on, or Unfit."""
        return self.usual(self.declared(value))


CASTS_OF: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string"}),
    "integer": frozenset({"integer", "epoch"}),
    "number": frozenset({"integer", "number", "epoch"}),
    "boolean": frozenset({"boolean"}),
    "list": frozenset({"list"}),
    "object": frozenset(),
    "timestamp": frozenset({"epoch", "integer"}),
}

_STANDARD_TYPES: Mapping[Fit, str] = {
    fit_flag: "boolean",
    fit_number: "timestamp",  # updated_at, the only number of Core §5.1
    fit_address: "object",
}

KNOWN: Types = MappingProxyType(
    {claim: _STANDARD_TYPES.get(fit, "string") for claim, fit in STANDARD.items()}
)
"""The standard claims and their types."""
