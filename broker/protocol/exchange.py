"""Token exchange: a token of somebody's becomes another, for another place, with no more than it had.

Owns the rules of RFC 8693: what may be asked (§2.1), for where (§2.1, RFC 8707 §2), with
which scopes, and who acts for whom (§4.1, §4.4). Nothing is allowed that the client's entry does not allow.
Pure: whether the tokens are good is found out elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.protocol import authorization_details, scopes
from broker.protocol.client import Client, ScopeRule
from broker.protocol.errors import InvalidRequest, InvalidScope, InvalidTarget, UnauthorizedClient
from broker.protocol.exchanging import ExchangePolicy, Kind
from broker.protocol.params import Params
from broker.protocol.tokens import lineage

_TYPE: Final = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN: Final = _TYPE + "access_token"
JWT: Final = _TYPE + "jwt"
_KINDS: Final[Mapping[str, Kind]] = {
    ACCESS_TOKEN: "access_token",
    _TYPE + "id_token": "id_token",
    JWT: "jwt",
}
_MAX_TARGETS: Final = 10
_MAX_FOREIGN: Final = 20
_LONGEST_LINEAGE: Final = 16
"""Tokens that one may have come of, by one exchange after another."""
UPSTREAM: Final = "connector:"
"""Before the id of a connector in ``audience``: what is asked for is the upstream's own access token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A well-formed request, before any token in it is believed."""

    subject_token: str = field(repr=False)
    kind: Kind
    actor_token: str | None = field(default=None, repr=False)
    targets: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    issued_type: str = ACCESS_TOKEN
    upstream: str | None = None
    """The connector whose own token is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject token that is good, as far as the rules of exchange look at it."""

    client_ids: tuple[str, ...]
    """To whom it was given."""
    audiences: tuple[str, ...] = ()
    """For where it is."""
    scopes: tuple[str, ...] | None = None
    """What it is good for; None for one that knows no scopes."""
    actor: Mapping[str, Any] | None = None
    """Its ``act``."""
    may_act: Mapping[str, Any] | None = None
    jti: str = ""
    """The name that it is revoked by; empty for what cannot be revoked alone."""
    cnf: Mapping[str, str] = field(default_factory=dict)
    """The key that it is bound to; empty is none."""
    expires_at: float
    """Whatever comes of it ends no later."""


def read(params: Params, client: Client) -> tuple[Asked, ExchangePolicy]:
    """What is asked, and by which policy.

    Raises:
        UnauthorizedClient: this client may exchange nothing.
        InvalidRequest: a parameter is missing, malformed, or of a kind that it may not bring or have.
        InvalidTarget: it names a place that its entry does not.
        InvalidAuthorizationDetails: it asks for some; what a person allowed one app to do, no other does.
    """
    policy = client.token_exchange
    # RFC 8693 §5: who calls must be known, or a stolen token could be exchanged by anybody.
    if policy is None or client.is_public:
        raise UnauthorizedClient("This client may exchange no tokens.", reason="exchange_not_allowed")
    kind = _KINDS.get(params.require("subject_token_type"))
    if kind is None or kind not in policy.subject_tokens:
        raise InvalidRequest("This subject_token_type is not taken.", reason="subject_token_type_refused")
    authorization_details.none_asked(params.get("authorization_details"))
    upstream, targets = _targets(params, policy)
    asked = Asked(
        subject_token=params.require("subject_token"),
        kind=kind,
        actor_token=_actor_token(params),
        targets=targets,
        scopes=scopes.split(params.get("scope") or ""),
        issued_type=_issued_type(params, upstream),
        upstream=upstream,
    )
    return asked, policy


def _issued_type(params: Params, upstream: str | None) -> str:
    wanted = params.get("requested_token_type") or ACCESS_TOKEN
    # Of what form the token of an upstream is, nobody but the upstream decides.
    if wanted not in {ACCESS_TOKEN, JWT} or (upstream is not None and wanted != ACCESS_TOKEN):
        raise InvalidRequest("This requested_token_type is not given.", reason="requested_token_type_refused")
    return wanted


def _actor_token(params: Params) -> str | None:
    """The actor token, which must say its type, and only then (§2.1)."""
    token, kind = params.get("actor_token"), params.get("actor_token_type")
    if (token is None) != (kind is None):
        raise InvalidRequest("actor_token and actor_token_type go together.", reason="actor_token_incomplete")
    if kind not in {None, ACCESS_TOKEN}:
        raise InvalidRequest("This actor_token_type is not taken.", reason="actor_token_type_refused")
    return token


def _targets(params: Params, policy: ExchangePolicy) -> tuple[str | None, tuple[str, ...]]:
    """The connector whose token is asked for, if any, and the places that ours is to be for."""
    named = tuple(dict.fromkeys((*params.all("resource"), *params.all("audience"))))
    upstreams = [name for name in named if name.startswith(UPSTREAM)]
    if len(named) > _MAX_TARGETS or (upstreams and len(named) > 1):
        raise InvalidTarget("Too many targets at once.", reason="targets_too_many")
    if upstreams:
        if not policy.upstream_token:
            raise InvalidTarget("No upstream token is given to this client.", reason="upstream_not_allowed")
        return upstreams[0].removeprefix(UPSTREAM), ()
    for name in named:
        if name not in policy.audiences:
            raise InvalidTarget(
                "The target is unknown, or not for this client.", reason="target_not_allowed", detail=name
            )
    return None, named


def may_exchange(subject: Subject, client: Client, policy: ExchangePolicy) -> None:
    """That this client may come with this token: it is its own, or meant for it, or the entry says so.

    Raises:
        InvalidRequest: it is somebody else's (§2.2.2).
    """
    if len(lineage(subject.jti)) > _LONGEST_LINEAGE:
        raise unacceptable("exchanged_too_often")
    theirs = {client.client_id, *policy.clients}.intersection(subject.client_ids)
    meant_for_it = not set(policy.own_audiences).isdisjoint(subject.audiences)
    if not theirs and not meant_for_it:
        raise unacceptable("subject_token_of_others")


def granted(
    asked: Asked, subject: Subject, client: Client, policy: ExchangePolicy, rules: Mapping[str, ScopeRule]
) -> tuple[str, ...]:
    """The scopes of what is given: never more than the subject token has.

    Raises:
        InvalidScope: more is asked, or none is left.
    """
    names = asked.scopes or subject.scopes or scopes.by_default(client, rules)
    if subject.scopes is not None and not set(names) <= set(subject.scopes):
        raise InvalidScope("More scope is asked than the subject token has.", reason="scope_widened")
    left = [name for name in scopes.still_assigned(names, client, rules) if _within(name, policy, rules)]
    left = [name for name in left if name != scopes.OFFLINE_ACCESS]
    if asked.scopes and set(left) != set(asked.scopes):
        raise InvalidScope("A scope is not for this client to exchange.", reason="scope_not_assigned")
    if not left:
        raise InvalidScope("No scope is left that could be granted.", reason="scope_empty")
    return tuple(left)


def ends(subject: Subject, actor_ends: float, *, now: float) -> float:
    """When whatever comes of these tokens ends at the latest.

    Raises:
        InvalidRequest: nothing would be left of it, as of an assertion that clocks disagree about.
    """
    last = min(subject.expires_at, actor_ends)
    if last - int(now) < 1:
        raise unacceptable("subject_token_expired")
    return last


def _within(name: str, policy: ExchangePolicy, rules: Mapping[str, ScopeRule]) -> bool:
    rule = scopes.rule_for(name, rules)
    return policy.scopes is None or (rule is not None and rule.name in policy.scopes)


def acting(
    subject: Subject, actor: Mapping[str, Any] | None, client: Client, policy: ExchangePolicy
) -> Mapping[str, Any] | None:
    """The ``act`` of what is given: who acts now, and within it who acted before (§4.1).

    ``actor`` is whom the actor token speaks of; without one it is the client itself, unless it may stand in
    for the subject.

    Raises:
        InvalidRequest: the subject token names another who may act (§4.4), or too many act already.
    """
    now = actor or {"sub": client.client_id}
    if subject.may_act is not None and not _is_allowed(now, subject.may_act):
        raise unacceptable("may_act_violated")
    before = tuple(_chain(subject.actor))
    its_own = client.client_id in subject.client_ids
    if actor is None and (policy.may_impersonate or its_own):
        return subject.actor  # nobody new acts, and whoever acted before still does
    if before and _name(before[0]) == _name(now):
        return subject.actor
    if len(before) >= policy.max_actors:
        raise unacceptable("actors_too_many")
    if _name(now) in map(_name, before):
        raise unacceptable("actors_loop")
    return dict(now) if subject.actor is None else {**now, "act": subject.actor}


def _chain(actor: object) -> Iterator[Mapping[str, Any]]:
    """Everybody in an ``act``, the last one first."""
    while isinstance(actor, Mapping):
        yield actor
        actor = actor.get("act")


def _name(actor: Mapping[str, Any]) -> tuple[object, object]:
    return actor.get("iss"), actor.get("sub")


def _is_allowed(actor: Mapping[str, Any], may_act: Mapping[str, Any]) -> bool:
    """Whether the actor is the party that ``may_act`` identifies, by every claim that it says of it."""
    return bool(may_act) and all(actor.get(name) == value for name, value in may_act.items())


def actor_of(claims: Mapping[str, Any], issuer: str) -> Mapping[str, Any] | None:
    """The ``act`` that somebody else's token says, as far as we say it on: who, and by whose name (§4.1)."""
    actors = list(_chain(claims.get("act")))[:_MAX_FOREIGN]
    said: Mapping[str, Any] | None = None
    for one in reversed(actors):
        named = {"iss": one.get("iss", issuer), "sub": one.get("sub")}
        said = named if said is None else {**named, "act": said}
    return said


def unacceptable(reason: str, detail: str = "") -> InvalidRequest:
    """RFC 8693 §2.2.2: a token that is unacceptable by policy is an invalid request, and no more is said."""
    return InvalidRequest("The subject_token or actor_token is not acceptable.", reason=reason, detail=detail)
