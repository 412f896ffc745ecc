"""A map applied for somebody who asks why: per claim the rule, where its value came from, before and after.

Owns how a rule is told in words, and what is shown of a value that must not be shown: its shape. A map that
was applied is told of what came of it then; nothing is looked up or computed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, NamedTuple

from broker.mapping.paths import Documents, look
from broker.mapping.rules import ClaimsMap, Filter, Mapped, MappingRefused, Rule, apply
from broker.mapping.values import CASTS, Unfit

_CAST_NAMES = {cast: name for name, cast in CASTS.items()}


class Traced(NamedTuple):
    """What one rule made of the documents."""

    claim: str
    source: str = ""
    """The document and the path, ``expression: …``, ``map: value`` or ``map: default``; else empty."""
    before: Any = None
    """What was found there; None for nothing."""
    after: Any = None
    """The claim; None where it is left out."""
    why: str = ""
    """Why it is left out, or not what was found."""
    refuses: bool = False
    """Whether there is no login without it."""

    def __repr__(self) -> str:
        """Without values."""
        return f"Traced({self.claim!r}, {self.source!r}, {self.why!r})"


NOTHING = "nothing gives it"
_KINDS: Mapping[type, str] = {
    str: "text",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
    NoneType: "nothing",
}
_OTHER = "something else"


def trace(claims_map: ClaimsMap, documents: Documents) -> Iterator[Traced]:
    """What came of each rule; those of which nothing came, as nothing was there, are passed over."""
    try:
        mapped = apply(claims_map, documents)
    except MappingRefused:  # each rule by itself, so that the one which refuses hides no other
        for rule in claims_map.rules:
            yield from _alone(rule, documents)
    else:
        yield from traced(claims_map, documents, mapped)


def traced(claims_map: ClaimsMap, documents: Documents, mapped: Mapped) -> Iterator[Traced]:
    """The same, where the map was applied already and refused nothing."""
    claims, dropped = mapped.claims, mapped.dropped
    for rule in claims_map.rules:
        claim = rule.claim
        if claim in claims or claim in dropped or rule.expression is not None:
            yield _traced(rule, documents, mapped)


def _alone(rule: Rule, documents: Documents) -> Iterator[Traced]:
    by_itself = ClaimsMap((rule,))
    try:
        yield from traced(by_itself, documents, apply(by_itself, documents))
    except MappingRefused as refusal:
        before, source = _found(rule, documents)
        yield Traced(claim=rule.claim, source=source, before=before, why=refusal.detail, refuses=True)


def _traced(rule: Rule, documents: Documents, mapped: Mapped) -> Traced:
    claim, after = rule.claim, mapped.claims.get(rule.claim)
    before, source = mapped.found.get(claim) or _unseen(rule, documents)
    why = mapped.dropped.get(claim, "")
    if after is None and not why:
        why = NOTHING
    return Traced(claim, mapped.sources.get(claim, source), before, after, why)


def _unseen(rule: Rule, documents: Documents) -> tuple[Any, str]:
    """What stands where a rule did not look, as its condition does not hold; else it found nothing."""
    if rule.when:
        return _found(rule, documents)
    return None, "" if rule.expression is None else rule.expression.label


def _found(rule: Rule, documents: Documents) -> tuple[Any, str]:
    if rule.expression is None:
        return look(rule.places, documents.all())
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
    if isinstance(value, str):
        return f"text of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        kinds = sorted({_KINDS.get(kind, _OTHER) for kind in set(map(type, value))})
        return f"list of {len(value)}" + (f" ({', '.join(kinds)})" if kinds else "")
    return f"object of {len(value)}" if isinstance(value, Mapping) else _KINDS.get(type(value), _OTHER)
