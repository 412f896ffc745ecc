"""Examples in a claims map: what an upstream might say, and what must come of it. They are tests.

Owns how an example is written and held against its map. Everything that comes of the map is compared, so a
claim that nobody expected is a failure too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from broker.mapping.facts import CLIENT, CONNECTOR, UPSTREAM, upstream_facts
from broker.mapping.paths import Documents
from broker.mapping.rules import ClaimsMap, MappingRefused, apply

DOCUMENTS = ("id_token", "userinfo", "api")
FACTS = {"upstream": UPSTREAM, "connector": CONNECTOR, "client": CLIENT}
KEYS = frozenset({"name", "expect", "refused", *DOCUMENTS, *FACTS})
MAX_EXAMPLES = 50
_SHOWN = 80

Problem = tuple[tuple[str, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example of a map."""

    at: tuple[str, ...]
    name: str
    documents: Documents
    expect: Mapping[str, Any]
    refused: str | None
    """The required claim for want of which there is no login."""


def read_examples(written: Any, problems: list[Problem]) -> tuple[Example, ...]:
    """The examples under ``examples``; what is wrong with how they are written goes to ``problems``."""
    if written is None:
        return ()
    if not isinstance(written, list) or len(written) > MAX_EXAMPLES:
        problems.append((("examples",), f"a list of at most {MAX_EXAMPLES} examples"))
        return ()
    found = (_example(("examples", str(index)), entry, problems) for index, entry in enumerate(written))
    return tuple(example for example in found if example is not None)


def _example(at: tuple[str, ...], entry: Any, problems: list[Problem]) -> Example | None:
    if not isinstance(entry, Mapping):
        problems.append((at, "an example has keys such as name, id_token and expect"))
        return None
    wrong = list(_misspelt(at, entry))
    if wrong:
        problems += wrong
        return None
    refused = entry.get("refused")
    return Example(
        at=at,
        name=entry["name"],
        documents=_documents(entry),
        expect=entry.get("expect") or {},
        refused=refused,
    )


def _misspelt(at: tuple[str, ...], entry: Mapping[Any, Any]) -> Iterator[Problem]:
    for key in entry:
        if key not in KEYS:
            yield (*at, str(key)), f"unknown key; an example has {', '.join(sorted(KEYS))}"
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        yield (*at, "name"), "say in a few words what the example shows"
    if ("expect" in entry) == ("refused" in entry):
        yield at, "needs expect or refused, and not both"
    if "refused" in entry and not isinstance(entry["refused"], str):
        yield (*at, "refused"), "the required claim for want of which there is no login"
    for key in ("expect", *DOCUMENTS, *FACTS):
        value = entry.get(key)
        if value is not None and not isinstance(value, Mapping):
            yield (*at, key), "expected keys with values"
        elif value is not None and key in FACTS:
            yield from (
                ((*at, key, str(name)), f"of {key} there is {', '.join(FACTS[key])}")
                for name in value
                if name not in FACTS[key]
            )


def _documents(entry: Mapping[str, Any]) -> Documents:
    id_token, userinfo, api = (entry.get(name) or {} for name in DOCUMENTS)
    said, connector = entry.get("upstream") or {}, entry.get("connector") or {}
    known = upstream_facts(
        issuer=str(said.get("issuer", "")),
        documents=(userinfo, id_token, api),
    )
    return Documents(
        id_token=id_token,
        userinfo=userinfo,
        api=api,
        upstream={**known, **said},
        connector=connector,
        client=entry.get("client") or {},
    )


def failures(claims_map: ClaimsMap, example: Example) -> Iterator[Problem]:
    """Where the map says something else than the example expects."""
    at, called = example.at, f'example "{example.name}": '
    try:
        mapped = apply(claims_map, example.documents)
    except MappingRefused as refusal:
        if refusal.claim != example.refused:
            yield (*at, "expect"), f"{called}no login for want of {refusal.claim} ({refusal.detail})"
        return
    if example.refused is not None:
        yield (*at, "refused"), f"{called}a login, though {example.refused} should be missing"
        return
    for claim, expected in example.expect.items():
        if claim not in mapped.claims:
            why = mapped.dropped.get(claim, "nothing gives it")
            yield (*at, "expect", claim), f"{called}{claim} is left out ({why})"
        elif not _same(mapped.claims[claim], expected):
            yield (*at, "expect", claim), f"{called}{claim} is {_shown(mapped.claims[claim])}"
    for claim, value in mapped.claims.items():
        if claim not in example.expect:
            yield (*at, "expect", claim), f"{called}{claim} is {_shown(value)}, and not expected"


def _same(value: Any, expected: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return json.dumps(value, sort_keys=True, default=str) == json.dumps(expected, sort_keys=True, default=str)


def _shown(value: Any) -> str:
    """An example is written to be read, so its outcome may be."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
