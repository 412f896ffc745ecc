"""A map applied for somebody who asks why: per claim the rule, where its value came from, before and after.

Owns how a rule is told in words, and what is shown of a value that must not be shown: its shape. Nothing here
is on the way of a login that nobody asks about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.mapping.paths import All, Documents, look
from broker.mapping.rules import ClaimsMap, Filter, Mapped, MappingRefused, Rule, apply
from broker.mapping.values import CASTS, Unfit

_CAST_NAMES = {cast: name for name, cast in CASTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What one rule made of the documents."""

    claim: str
    source: str
    """The document and the path, ``expression: …``, ``map: value`` or ``map: default``; else empty."""
    before: Any = field(default=None, repr=False)
    """What was found there; None for nothing."""
    after: Any = field(default=None, repr=False)
    """The claim; None where it is left out."""
    why: str = ""
    """Why it is left out, or not what was found."""
    refuses: bool = False
    """Whether there is no login without it."""


NOTHING = "nothing gives it"


def trace(claims_map: ClaimsMap, documents: Documents) -> Iterator[Traced]:
    """What came of each rule; those of which nothing came, as nothing was there, are passed over."""
    try:
        mapped = apply(claims_map, documents)
    except MappingRefused:  # each rule by itself, so that the one which refuses hides no other
        for rule in claims_map.rules:
            yield from _alone(rule, documents)
        return
    told = documents.all()
    for rule in claims_map.rules:
        found = _traced(rule, documents, told, mapped)
        if found is not None:
            yield found


def _alone(rule: Rule, documents: Documents) -> Iterator[Traced]:
    try:
        found = _traced(rule, documents, documents.all(), apply(ClaimsMap((rule,)), documents))
    except MappingRefused as refusal:
        before, source = _found(rule, documents, documents.all())
        found = Traced(claim=rule.claim, source=source, before=before, why=refusal.detail, refuses=True)
    if found is not None:
        yield found


def _traced(rule: Rule, documents: Documents, told: All, mapped: Mapped) -> Traced | None:
    claim = rule.claim
    after, why = mapped.claims.get(claim), mapped.dropped.get(claim, "")
    if after is None and not why and rule.expression is None:
        return None
    before, source = _found(rule, documents, told)
    if after is None and not why:
        why = NOTHING
    return Traced(claim=claim, source=mapped.sources.get(claim, source), before=before, after=after, why=why)


def _found(rule: Rule, documents: Documents, told: All) -> tuple[Any, str]:
    if rule.expression is None:
        return look(rule.places, told)
    try:
        return rule.expression(documents), rule.expression.label
    except Unfit:
        return None, rule.expression.label


def in_words(rule: Rule) -> str:
    """A rule in one line, in the order in which it is applied."""
    return "; ".join(_words(rule))


def _words(rule: Rule) -> Iterator[str]:
    if rule.when:
        yield f"when {rule.when[0].label.partition(': ')[2]}"
    if rule.places:
        yield "from " + ", ".join(place.label for place in rule.places)
    elif rule.expression is not None:
        yield f"expression {rule.expression.text}"
    else:
        yield "value"
    for step in rule.steps:
        if isinstance(step, Filter):
            yield from _filter(step)
        else:
            yield f"cast {_CAST_NAMES.get(step, 'itself')}"
    if rule.default is not None:
        yield "default"
    if rule.required:
        yield "required"


def _filter(step: Filter) -> Iterator[str]:
    if step.keep is not None:
        yield f"keep {step.keep.pattern}"
    if step.rename:
        yield f"rename {len(step.rename)}"
    if step.prefix:
        yield f"prefix {step.prefix}"


def shape(value: Any) -> str:
    """What a value looks like, without what it says."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text of {len(value)}"
    if isinstance(value, list):
        kinds = sorted({_kind(entry) for entry in value})
        return f"list of {len(value)}" + (f" ({', '.join(kinds)})" if kinds else "")
    return f"object of {len(value)}" if isinstance(value, Mapping) else _kind(value)


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(value), "nothing" if value is None else "something else")
