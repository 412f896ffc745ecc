"""A claims map as it is used: one rule per claim, compiled, and how each is applied.

Owns ``ClaimsMap`` and ``apply``. The order within a rule is fixed: ask (``when``), look (``from``) or compute
(``expression``), cast, keep, rename, prefix, check the shape, and only if nothing came of that the
``default``. The first path present decides alone: where its value does not fit, the claim is left out, and no
later path is tried, so that nobody can choose the path by spoiling a value. Applying a map costs about half a
microsecond a claim and raises nothing but ``MappingRefused``, whatever the upstream said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from broker.mapping.context import FITS, Both, Types
from broker.mapping.expressions import Expression
from broker.mapping.paths import DOCUMENT_NAMES, Documents, Place, look
from broker.mapping.patterns import MAX_ENTRY
from broker.mapping.values import Absent, Fit, Unfit

MAX_FILTERED = 65_536
"""Characters of a list that ``keep`` looks at; more are more than a login may cost."""
MAX_ENTRIES = 10_000
"""Entries of it, however short."""


STATIC = "map: value"
"""The source of what a map gives to everybody."""


class MappingRefused(Exception):
    """A claim that the map requires is not there: no login."""

    def __init__(self, claim: str, detail: str, *, unfit: bool = False) -> None:
        super().__init__(f"{claim}: {detail}")
        self.claim = claim
        self.detail = detail
        self.unfit = unfit
        """Whether something was said of it, which cannot be passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What ``keep``, ``rename`` and ``prefix`` do to each entry."""

    keep: re.Pattern[str] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    def __call__(self, value: Any) -> Any:
        """The entries that stay, in our own names; a single text is one entry."""
        if isinstance(value, str):
            return next(iter(self._entries([value])), None)
        if isinstance(value, list) and len(value) > MAX_ENTRIES:
            raise Unfit(f"more than {MAX_ENTRIES} entries to filter")
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return list(dict.fromkeys(self._entries(value)))
        raise Unfit("neither a text nor a list of texts")

    def _entries(self, entries: list[str]) -> list[str]:
        if self.keep is not None:
            if sum(map(len, entries)) > MAX_FILTERED:
                raise Unfit("too much to filter")
            matches = self.keep.fullmatch
            entries = [entry for entry in entries if len(entry) <= MAX_ENTRY and matches(entry)]
        rename, prefix = self.rename, self.prefix
        return [prefix + rename.get(entry, entry) for entry in entries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Everything a map says about one claim."""

    claim: str
    places: tuple[Place, ...] = ()
    """Where to look, best first; empty for an expression and for a static ``value``."""
    expression: Expression | None = None
    value: Any = None
    when: tuple[Place, ...] = ()
    steps: tuple[Fit, ...] = ()
    """The cast and the filter, where there are any."""
    fit: Fit
    """The shape and the limits of this claim."""
    default: Any = None
    required: bool = False
    declared: str | None = None
    """The type that the context schema gives the claim."""

    @property
    def reads_client(self) -> bool:
        """Whether it says something else for another client app."""
        return self.expression is not None and self.expression.reads_client

    def reads(self, document: str) -> frozenset[str] | None:
        """The members that it may read of a document; None for all of them."""
        which = DOCUMENT_NAMES.index(document)
        names = {
            name
            for place in (*self.places, *self.when)
            if place.document == which
            for name in (place.whole, *place.segments[:1], place.beside)
            if name is not None
        }
        if self.expression is None:
            return frozenset(names)
        members = self.expression.seen.reads.get(f"upstream.{document}", frozenset())
        return None if members is None else members | names


@dataclass(frozen=True)
class ClaimsMap:
    """What one connector's people look like to client apps. Made by ``compile_map``."""

    rules: tuple[Rule, ...] = ()

    @cached_property
    def reads_client(self) -> bool:
        """Whether it says something else for another client app, so that each needs it applied anew."""
        return any(rule.reads_client for rule in self.rules)

    @cached_property
    def for_everybody(self) -> ClaimsMap:
        """The rules that say the same for every client app."""
        return ClaimsMap(tuple(rule for rule in self.rules if not rule.reads_client))

    def within(self, types: Types) -> ClaimsMap:
        """The same for a broker that knows these claims only."""
        known = (rule for rule in self.rules if rule.claim in types)
        return ClaimsMap(
            tuple(
                replace(rule, declared=name, fit=Both(fit, rule.fit)) if fit is not None else rule
                for rule in known
                for name in (types[rule.claim],)
                for fit in (FITS.get(name),)
            )
        )

    def read_of(self, documents: Documents) -> dict[str, dict[str, Any]]:
        """As much of the documents as this map may read, by their names, so that it can be applied again."""
        told = dict(zip(DOCUMENT_NAMES, documents.all(), strict=False))
        kept: dict[str, dict[str, Any]] = {}
        for name, document in told.items():
            wanted = [rule.reads(name) for rule in self.rules]
            whole = None in wanted
            keys = frozenset().union(*(keys for keys in wanted if keys is not None))
            kept[name] = {key: value for key, value in document.items() if whole or key in keys}
        return kept

    @property
    def claims(self) -> tuple[str, ...]:
        """The names that this map may give, in its order."""
        return tuple(rule.claim for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What came of it."""

    claims: dict[str, Any]
    sources: dict[str, str]
    """Claim → where its value came from: ``userinfo: email``, ``map: value``, ``map: default``."""
    dropped: dict[str, str]
    """Claim → why what the upstream said was not passed on, told without values."""
    unfit: dict[str, str] = field(default_factory=dict)
    """Those of which something was said that cannot be passed on, as it is too large or of another type."""
    found: dict[str, tuple[Any, str]] = field(default_factory=dict, repr=False)
    """Claim → what stood there before the rule made anything of it, and where; for who asks why."""


def apply(claims_map: ClaimsMap, documents: Documents) -> Mapped:
    """The claims that the map makes of what the upstream said.

    Raises:
        MappingRefused: a required claim is missing.
    """
    mapped = Mapped({}, {}, {})
    claims, sources, dropped, found = mapped.claims, mapped.sources, mapped.dropped, mapped.found
    told = documents.all()
    for rule in claims_map.rules:
        if rule.when and look(rule.when, told)[0] is not True:
            value, label = None, ""
            dropped[rule.claim] = "its condition does not hold"
        elif rule.places:
            value, label = look(rule.places, told)
        elif rule.expression is not None:
            value, label = _computed(rule, rule.expression, documents, mapped)
        else:
            value, label = rule.value, STATIC
        if value is not None and label is not STATIC:
            found[rule.claim] = value, label
            value = _finished(rule, value, label, mapped)
        if value is None:
            if rule.required:
                why = dropped.get(rule.claim, "required, and nothing gives it")
                raise MappingRefused(rule.claim, why, unfit=rule.claim in mapped.unfit)
            value, label = rule.default, "map: default"
            if value is None:
                continue
        claims[rule.claim] = value
        sources[rule.claim] = label
    return mapped


def _computed(rule: Rule, expression: Expression, documents: Documents, mapped: Mapped) -> tuple[Any, str]:
    try:
        return expression(documents), expression.label
    except Unfit as reason:
        _leave_out(rule, expression.label, reason, mapped)
        return None, ""


def _leave_out(rule: Rule, label: str, reason: Unfit, mapped: Mapped) -> None:
    mapped.dropped[rule.claim] = f"{label}: {reason}"
    if not isinstance(reason, Absent):
        mapped.unfit[rule.claim] = mapped.dropped[rule.claim]


def _finished(rule: Rule, value: Any, label: str, mapped: Mapped) -> Any:
    """The value as it is passed on; None where nothing is."""
    try:
        for step in rule.steps:
            value = step(value)
        return rule.fit(value) if value or value not in (None, "", []) else None
    except Unfit as reason:
        _leave_out(rule, label, reason, mapped)
        return None
