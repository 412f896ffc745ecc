"""How a login came out, for an operator who asks: what was decided, and where each claim came from.

Owns the record and which tokens release a claim (Core §5.4, §5.5). It holds shapes, never values: nothing
that a client app would have to be allowed to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from broker.protocol import scopes
from broker.protocol.client import Client, ScopeRule
from broker.protocol.flow import ClaimsRequest, Decision
from broker.record import Record


class ClaimKept(NamedTuple):
    """What is kept of one claim of a login, in a few words: there are many of them."""

    claim: str
    source: str = ""
    before: str = ""
    """The shape of what was found."""
    after: str = ""
    """The shape of the claim; empty where it is left out."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTold:
    """The same with what follows from the configuration."""

    claim: str
    source: str = ""
    rule: str = ""
    before: str = ""
    after: str = ""
    why: str = ""
    released: str = ""
    """In which tokens it is, and by which scope."""


class Explained(Record, frozen=True, kw_only=True):
    """One login, as far as it came."""

    HIDDEN: ClassVar = frozenset({"claims"})
    correlation_id: str
    at: float
    client_id: str
    scopes: tuple[str, ...] = ()
    """Asked for."""
    by_name: ClaimsRequest = ClaimsRequest()
    """Claims asked for by name (Core §5.5)."""
    connector: str = ""
    subject: str = ""
    outcome: str = "ok"
    reason: str = ""
    detail: str = ""
    decisions: tuple[Decision, ...] = ()
    claims: tuple[ClaimKept, ...] = ()


def released(
    claim: str, client: Client, rules: Mapping[str, ScopeRule], asked: Explained | None = None
) -> str:
    """Where this client app finds a claim that it ``asked`` for so; without that, where it may."""
    names = client.scopes if asked is None else asked.scopes
    by = [name for name in sorted(names) if claim in scopes.claims_of((name,), rules)]
    if by:
        where = "ID Token and userinfo" if client.id_token_claims else "userinfo"
        return f"{where}, by {', '.join(by)}"
    if asked is not None and (by_name := _by_name(claim, asked)):
        covering = scopes.covering(claim, client, rules)
        return (
            f"{by_name}, by name" if covering is not None else "not released: no scope of the app covers it"
        )
    having = sorted(name for name, rule in rules.items() if claim in rule.claims)
    if not having:
        return "not released: no scope has it"
    assigned = [name for name in having if name in client.scopes]
    if assigned:
        return f"not released: {', '.join(assigned)} was not asked for"
    return f"not released: {', '.join(having)} is no scope of the app"


def _by_name(claim: str, asked: Explained) -> str:
    places = {"ID Token": asked.by_name.id_token, "userinfo": asked.by_name.userinfo}
    return " and ".join(place for place, names in places.items() if claim in names)
