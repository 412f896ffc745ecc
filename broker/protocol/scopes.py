"""Scopes: which may be asked, what they release, and what they are in words.

RFC 6749 §3.3; OpenID Connect Core §5.4. Undeclared scopes are left out and the difference is told
(Core §3.1.2.1); declared ones that the client does not have are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from broker.protocol.client import Client, ScopeRule
from broker.protocol.errors import InvalidScope

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"

OF_OPENID = frozenset({OPENID, "profile", "email", "address", "phone", OFFLINE_ACCESS})
"""Scopes about a person who signs in. We understand them ourselves, at userinfo and at the token endpoint;
they are nothing to a client app that speaks for itself."""

# scope-token of RFC 6749 §3.3
SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_MAX_SCOPES = 100
_LONGEST_SAID = 100
_MAX_LENGTH = 4096  # what is granted is kept, and said again in every access token


def rule_for(name: str, rules: Mapping[str, ScopeRule]) -> ScopeRule | None:
    """The rule that declares ``name``; ``account.*`` matches exactly one further segment."""
    if "." not in name:
        return rules.get(name)
    head, dot, tail = name.rpartition(".")
    if tail == "*":  # the pattern is how a scope is declared, never one that can be asked for
        return None
    return rules.get(name) or (rules.get(f"{head}.*") if dot and tail else None)


def split(text: str) -> tuple[str, ...]:
    """The scopes in ``text``, in order, each once.

    Raises:
        InvalidScope: a character that no scope may have, or far too many.
    """
    names = tuple(dict.fromkeys(text.split(" ")))
    if len(names) > _MAX_SCOPES or len(text) > _MAX_LENGTH:
        raise InvalidScope("Too many scopes.", reason="scope_too_many")
    for name in names:
        if name and SCOPE_TOKEN.fullmatch(name) is None:
            raise InvalidScope("A scope has a character that is not allowed.", reason="scope_malformed")
    return tuple(name for name in names if name)


def allowed(names: Sequence[str], client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """Those of ``names`` that are declared. The token answer always says which were granted.

    Raises:
        InvalidScope: one is declared but not assigned to this client, or none is left.
    """
    declared = [(name, rule) for name in names if (rule := rule_for(name, rules)) is not None]
    for name, rule in declared:
        if rule.name not in client.scopes:
            said = f"The scope {name[:_LONGEST_SAID]} is not assigned to this client."
            raise InvalidScope(said, reason="scope_not_assigned", detail=name)
    if not declared:
        said = "None of the scopes is known here." if names else "scope is missing."
        raise InvalidScope(said, reason="scope_empty")
    return tuple(name for name, _ in declared)


def by_default(client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """What an empty scope means where nobody is asked: all but what is dynamic, and refreshing."""
    plain = [name for name in rules if name in client.scopes and not name.endswith(".*")]
    return tuple(name for name in plain if name != OFFLINE_ACCESS)


def still_assigned(names: Iterable[str], client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """Those of granted scopes that are the client's now; the operator may have taken some away."""
    found = [(name, rule_for(name, rules)) for name in names]
    return tuple([name for name, rule in found if rule is not None and rule.name in client.scopes])


def claims_of(names: Iterable[str], rules: Mapping[str, ScopeRule]) -> frozenset[str]:
    """The claims that these scopes release."""
    found = [rule_for(name, rules) for name in names]
    return frozenset[str]().union(*[rule.claims for rule in found if rule is not None])


def covering(claim: str, client: Client, rules: Mapping[str, ScopeRule]) -> str | None:
    """The client's scope that releases ``claim`` when it is asked for by name (Core §5.5)."""
    found = ((name, rule_for(name, rules)) for name in sorted(client.scopes))
    return next((name for name, rule in found if rule is not None and claim in rule.claims), None)


def in_words(name: str, rules: Mapping[str, ScopeRule]) -> str:
    """The sentence for the consent page."""
    rule = rule_for(name, rules)
    if rule is None:
        return name
    return rule.description.replace("{value}", name.rpartition(".")[2])
