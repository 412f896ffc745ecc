"""Consent: what must be asked, and what an answer grants.

RFC 6749 §10.2; RFC 7591 §5; RFC 8252 §8.6; RFC 8628 §5.4; OpenID Connect Core §3.1.2.4. Trust and memory
spare the question, but ``prompt=consent`` overrides both. An app that anybody could impersonate or has
registered, and a device, which could be anybody's, are always asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from broker.protocol import redirects, scopes
from broker.protocol.client import Client, ScopeRule
from broker.protocol.flow import AuthorizeRequest, Consent


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the page asks."""

    to_ask: tuple[str, ...]
    granted: tuple[str, ...]
    """Of what is asked for: granted before, trusted, or never in question."""
    always: bool = False
    """Asked even when nothing is new, because going on is itself the question."""

    @property
    def is_needed(self) -> bool:
        """Whether the person has to be asked."""
        return self.always or bool(self.to_ask)


def in_question(asked: AuthorizeRequest, client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """Every scope that the request comes to, those behind single claims too; ``openid`` is none."""
    released = scopes.claims_of(asked.scopes, rules)
    by_name = (claim for claim in (*asked.claims.id_token, *asked.claims.userinfo) if claim not in released)
    behind = (scopes.covering(claim, client, rules) for claim in by_name)
    names = (*asked.scopes, *(name for name in behind if name is not None))
    return tuple(dict.fromkeys(name for name in names if name != scopes.OPENID))


def question(
    asked: AuthorizeRequest,
    client: Client,
    remembered: Consent | None,
    rules: Mapping[str, ScopeRule],
) -> Question:
    """What this person must be asked before ``client`` gets what it asked for."""
    names = in_question(asked, client, rules)
    # Whose device it is only the person knows (RFC 8628 §5.4), however trusted the app on it is.
    if "consent" in asked.prompt or asked.device is not None:
        return Question(to_ask=names, granted=(), always=True)
    if client.trusted:
        return Question(to_ask=(), granted=names)
    if client.registered_itself:
        return Question(to_ask=names, granted=(), always=True)
    if client.is_public and redirects.cannot_be_proved(asked.reply_to.redirect_uri):
        return Question(to_ask=names, granted=(), always=True)
    granted = tuple(n for n in names if remembered is not None and n in remembered.granted)
    refused = remembered.refused if remembered is not None else ()
    # What was unticked once stays refused, and is asked again only with prompt=consent.
    new = tuple(n for n in names if n not in granted and n not in refused)
    # Details are of this one request, and were never allowed before (RFC 9396 §2).
    return Question(to_ask=new, granted=granted, always=bool(asked.authorization_details))


def in_words(asking: Question, client: Client, remembered: Consent | None) -> tuple[str, str]:
    """What was decided about asking, and why; for who wants to know how a login came out."""
    if asking.is_needed:
        return "asked", f"about {' '.join(asking.to_ask) or 'going on'}"
    if client.trusted:
        return "not asked", "the app is trusted"
    return "not asked", "remembered" if remembered is not None else "there is nothing to grant"


def ticked(
    to_ask: Collection[str], chosen: Collection[str], rules: Mapping[str, ScopeRule]
) -> tuple[str, ...]:
    """Those asked about that are granted: the chosen ones and those that cannot be refused."""
    return tuple(name for name in to_ask if name in chosen or not may_refuse(name, rules))


def may_refuse(name: str, rules: Mapping[str, ScopeRule]) -> bool:
    """Whether the person may untick this scope."""
    rule = scopes.rule_for(name, rules)
    return rule is None or rule.optional


def remember(
    before: Consent | None, *, to_ask: Collection[str], granted: Collection[str], fresh: Consent
) -> Consent:
    """The consent after an answer: what was asked anew replaces what was said of it before.

    Something taken back makes it another consent, so that the grants which stood on the old one end.
    """
    kept = before or fresh
    taken_back = [n for n in kept.granted if n in to_ask and n not in granted]
    said_yes = [n for n in kept.granted if n not in to_ask] + list(granted)
    said_no = [n for n in kept.refused if n not in to_ask] + [n for n in to_ask if n not in granted]
    return replace(
        kept,
        id=fresh.id if taken_back else kept.id,
        granted=tuple(dict.fromkeys(said_yes)),
        refused=tuple(dict.fromkeys(said_no)),
        last_used=fresh.last_used,
        expires_at=fresh.expires_at,
        words={**kept.words, **fresh.words},
    )
