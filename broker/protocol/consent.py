"""Consent: what must be asked, and what an answer grants.

RFC 6749 §10.2; RFC 7591 §5; RFC 8252 §8.6; RFC 8628 §5.4; OpenID Connect Core §3.1.2.4. Trust and memory
spare the question, but ``prompt=consent`` overrides both. An app that anybody could impersonate or has
registered, and a device, which could be anybody's, are always asked about.

What is allowed at one API (RFC 8707) is not allowed at another: a scope is asked about wherever it was not
answered yet, and so is an API that is new, whatever it understands.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from broker.protocol import redirects, resources, scopes
from broker.protocol.client import Client, ScopeRule
from broker.protocol.flow import AuthorizeRequest, Consent, ConsentAt, Grant, PendingConsent, Withdrawn
from broker.protocol.resources import Resource
from broker.record import Record, replace

ITSELF: Final = ""
"""Where a scope is the app's own: one of OpenID Connect's, or for where its tokens are for anyhow."""


class Question(Record, frozen=True, kw_only=True):
    """What the page asks."""

    to_ask: tuple[str, ...]
    granted: tuple[str, ...]
    """Of what is asked for: granted before, trusted, or never in question."""
    always: bool = False
    """Asked even when nothing is new, because going on is itself the question."""
    at: Mapping[str, tuple[str, ...]] = {}
    """Each API that is named, and the app `ITSELF`, with what of ``to_ask`` is asked about there."""

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


def named(asked: AuthorizeRequest, client: Client) -> tuple[str, ...]:
    """The APIs that the request names, beside the one that the app's tokens are for anyhow."""
    return tuple(uri for uri in asked.resources if uri != client.audience)


def places(
    asked: AuthorizeRequest,
    client: Client,
    rules: Mapping[str, ScopeRule],
    apis: Mapping[str, Resource],
) -> dict[str, tuple[str, ...]]:
    """Each scope that is in question, with where it would be good: at APIs, or for the app `ITSELF`."""
    found: dict[str, tuple[str, ...]] = {}
    for name in in_question(asked, client, rules):
        of_apis = asked.resources if name in asked.scopes else ()
        there = [uri for uri in of_apis if resources.understands(name, uri, apis, rules)]
        found[name] = tuple(ITSELF if uri == client.audience else uri for uri in there) or (ITSELF,)
    return found


def question(
    asked: AuthorizeRequest,
    client: Client,
    remembered: Consent | None,
    rules: Mapping[str, ScopeRule],
    apis: Mapping[str, Resource],
) -> Question:
    """What this person must be asked before ``client`` gets what it asked for."""
    where = places(asked, client, rules, apis)
    if client.trusted and "consent" not in asked.prompt and asked.device is None:
        return Question(to_ask=(), granted=tuple(where))
    every_time = _asked_every_time(asked, client)
    before = None if every_time else remembered
    # What was unticked once stays refused, and is asked again only with prompt=consent.
    new = tuple(n for n, there in where.items() if not all(_answered(before, n, uri) for uri in there))
    apis_named = named(asked, client)
    at = {
        uri: tuple(name for name in new if uri in where[name] and not _granted(before, name, uri))
        for uri in (ITSELF, *apis_named)
    }
    is_new = any(_said(before, uri) is None for uri in apis_named)
    # Details are of this one request, and were never allowed before (RFC 9396 §2).
    always = every_time or is_new or bool(asked.authorization_details)
    return Question(to_ask=new, granted=standing(before, where), always=always, at=at)


def _asked_every_time(asked: AuthorizeRequest, client: Client) -> bool:
    """Whether neither trust nor memory spares the question."""
    # Whose device it is only the person knows (RFC 8628 §5.4), however trusted the app on it is.
    if "consent" in asked.prompt or asked.device is not None or client.registered_itself:
        return True
    return client.is_public and redirects.cannot_be_proved(asked.reply_to.redirect_uri)


def standing(consent: Consent | None, where: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Those of the scopes that are granted wherever they would be good."""
    return tuple(name for name, there in where.items() if all(_granted(consent, name, uri) for uri in there))


def _granted(consent: Consent | None, name: str, uri: str) -> bool:
    said = _said(consent, uri)
    return said is not None and name in said.granted


def _answered(consent: Consent | None, name: str, uri: str) -> bool:
    said = _said(consent, uri)
    return said is not None and (name in said.granted or name in said.refused)


def _said(consent: Consent | None, uri: str) -> Consent | ConsentAt | None:
    if consent is None or uri == ITSELF:
        return consent
    return consent.at.get(uri)


def in_words(asking: Question, client: Client, remembered: Consent | None) -> tuple[str, str]:
    """What was decided about asking, and why; for who wants to know how a login came out."""
    if asking.is_needed:
        at = " ".join(uri for uri in asking.at if uri != ITSELF)
        return "asked", f"about {' '.join(asking.to_ask) or 'going on'}{f' at {at}' if at else ''}"
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


def asked_at(pending: PendingConsent) -> Mapping[str, tuple[str, ...]]:
    """Where a page asks about what; what was asked before pages said that is the app's own."""
    return pending.at or {ITSELF: pending.to_ask}


def remember(
    before: Consent | None,
    at: Mapping[str, Collection[str]],
    *,
    granted: Collection[str],
    fresh: Consent,
) -> Consent:
    """The consent after an answer: what was asked anew replaces what was said of it before.

    Something taken back makes it another consent, so that the grants which stood on the old one end.

    Args:
        before: what was remembered until now.
        at: what was asked, by where it would be good.
        granted: what of it was allowed.
        fresh: a new consent, with nothing but the moment, and the words and names by which it was asked.
    """
    kept, known = before or fresh, dict(before.at if before is not None else {})
    yes, no, taken_back = _after(kept, at.get(ITSELF, ()), granted)
    for uri in at.keys() - {ITSELF}:
        now, earlier = fresh.at[uri], known.get(uri, fresh.at[uri])
        said_yes, said_no, less = _after(earlier, at[uri], granted)
        words = {**earlier.words, **now.words}
        known[uri] = replace(
            now, id=earlier.id, granted=said_yes, refused=said_no, since=earlier.since, words=words
        )
        taken_back = taken_back or less
    return replace(
        kept,
        id=fresh.id if taken_back else kept.id,
        granted=yes,
        refused=no,
        last_used=fresh.last_used,
        expires_at=fresh.expires_at,
        words={**kept.words, **fresh.words},
        at=known,
        withdrawn={uri: gone for uri, gone in kept.withdrawn.items() if uri not in known},
    )


def withdrawn_at(before: Consent, uri: str, *, now: float) -> Consent | None:
    """The consent without what was allowed at one API; None where nothing was. The rest stands as it did."""
    if uri not in before.at:
        return None
    at = {other: said for other, said in before.at.items() if other != uri}
    gone = Withdrawn(name=before.at[uri].name, at=now)
    return replace(before, at=at, withdrawn={**before.withdrawn, uri: gone})


def still_at(grant: Grant, client: Client, consent: Consent | None) -> tuple[str, ...]:
    """Those of the grant's APIs at which its person still allows what they allowed when it was given.

    Where the app's tokens are for anyhow is no API of its own; None is a grant that needed no consent.
    """
    if consent is None:
        return grant.resources
    known = {uri: said.id for uri, said in consent.at.items()}
    return tuple(
        uri
        for uri in grant.resources
        if uri == client.audience or known.get(uri) == grant.consents_at.get(uri, "")
    )


def _after(
    before: Consent | ConsentAt, to_ask: Collection[str], granted: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """What is granted and refused in one place after an answer, and whether something is taken back."""
    yes = [name for name in before.granted if name not in to_ask]
    no = [name for name in before.refused if name not in to_ask]
    yes += [name for name in to_ask if name in granted]
    no += [name for name in to_ask if name not in granted]
    taken_back = any(name in to_ask and name not in granted for name in before.granted)
    return tuple(dict.fromkeys(yes)), tuple(dict.fromkeys(no)), taken_back
