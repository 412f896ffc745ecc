"""Scopes: those that are built in, and those that an operator adds.

Owns the built-in scopes with their words and claims (OpenID Connect Core §5.4 and §11) and the grammar of
a scope's name (RFC 6749 §3.3), with ``account.*`` standing for one further segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from broker.config.partly import read_partly
from broker.config.problems import Path, Report
from broker.config.tree import Node
from broker.config.written import ScopeEntry
from broker.mapping import PROTOCOL_CLAIMS
from broker.protocol.client import ScopeRule
from broker.protocol.scopes import SCOPE_TOKEN

# fmt: off
BUILT_IN: Mapping[str, ScopeRule] = MappingProxyType({rule.name: rule for rule in (
    ScopeRule(name="openid", description="Know that it is you when you sign in", optional=False),
    ScopeRule(name="profile", description="See your name and profile picture", claims=(
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
        "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    )),
    ScopeRule(name="email", description="See your email address", claims=("email", "email_verified")),
    ScopeRule(name="address", description="See your postal address", claims=("address",)),
    ScopeRule(name="phone", description="See your phone number", claims=(
        "phone_number", "phone_number_verified",
    )),
    ScopeRule(name="offline_access", description="Keep this access while you are away"),
)})
# fmt: on

_VALUE = "{value}"


def scope_rules(section: Node | None, report: Report) -> Mapping[str, ScopeRule]:
    """All scopes there are, the built-in ones first."""
    rules = dict(BUILT_IN)
    entries = section.items() if section is not None else ()
    for name, node in entries:
        path: Path = ("scopes", name)
        before = report.count
        _check_name(name, node, path, report)
        part = read_partly(ScopeEntry, node, path, report)
        _check_claims(node, path, report)
        if part is not None and part.knows("description"):
            _check_words(name, part.entry, node, path, report)
        if part is not None and report.count == before:
            rules[name] = _rule(name, part.entry)
    return MappingProxyType(rules)


def _rule(name: str, entry: ScopeEntry) -> ScopeRule:
    base = BUILT_IN.get(name) or ScopeRule(name=name, description="")
    return ScopeRule(
        name=name,
        description=entry.description or base.description,
        claims=tuple(dict.fromkeys((*base.claims, *entry.claims))),
        optional=entry.optional and base.optional,
        sensitive=entry.sensitive,
    )


def _check_name(name: str, node: Node, path: Path, report: Report) -> None:
    head, _, tail = name.rpartition(".")
    plain = head if tail == "*" else name
    if SCOPE_TOKEN.fullmatch(name) is None:
        report.add(
            node.key_place, path, "a scope has visible ASCII characters without quotes and backslashes"
        )
    elif "*" in plain or not plain:
        report.add(node.key_place, path, "a star stands only for the last segment, as in account.*")


def _check_words(name: str, entry: ScopeEntry, node: Node, path: Path, report: Report) -> None:
    words = node.child("description") or node
    if entry.description is None:
        if name not in BUILT_IN:
            report.add(node.key_place, (*path, "description"), "missing")
        return
    dynamic = name.endswith(".*")
    said = words.plain().values() if isinstance(words.value, dict) else [entry.description]
    if dynamic and not all(_VALUE in text for text in said):
        report.add(
            words.place, (*path, "description"), "must name {value}, which stands for the last segment"
        )
    if not dynamic and any(_VALUE in text for text in said):
        report.add(words.place, (*path, "description"), "{value} is only for a scope that ends with .*")


def _check_claims(node: Node, path: Path, report: Report) -> None:
    for index, where, claim in node.texts("claims"):
        if claim in PROTOCOL_CLAIMS:
            message = f"{claim} is a claim of the protocol; it never comes with a scope"
            report.add(where.place, (*path, "claims", index), message)
