"""Resource indicators: for which APIs a token is asked, and what follows from that.

Owns `Resource` and the rules of RFC 8707: which a client may name (§2), that a token is for no more than was
granted (§2.2), and that scopes which none of the APIs understands are left out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from broker.protocol import scopes
from broker.protocol.algorithms import FAPI
from broker.protocol.client import Client, ScopeRule, SigningAlg
from broker.protocol.errors import InvalidScope, InvalidTarget

MAX_RESOURCES = 10
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """An API that tokens may be for."""

    uri: str
    name: str
    """What people know it as."""
    scopes: frozenset[str] | None = None
    """The scopes that it understands, as they are declared; None where it says nothing of them."""
    access_token_format: Literal["jwt", "opaque"] | None = None
    access_token_signing_alg: SigningAlg | None = None


def is_absolute(uri: str) -> bool:
    """Whether this could be a resource at all: an absolute URI without a fragment (§2)."""
    if len(uri) > _LONGEST or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    try:
        split = urlsplit(uri)
    except ValueError:
        return False
    return bool(split.scheme and (split.netloc or split.path)) and "#" not in uri


def asked(named: Sequence[str], client: Client, resources: Mapping[str, Resource]) -> tuple[str, ...]:
    """The resources that a request names, each once.

    Raises:
        InvalidTarget: one is malformed, unknown, or not for this client (§2).
    """
    names = tuple(dict.fromkeys(named))
    if len(names) > MAX_RESOURCES:
        raise InvalidTarget("Too many resources.", reason="resource_too_many")
    for name in names:
        if not is_absolute(name):
            raise InvalidTarget("resource must be an absolute URI.", reason="resource_malformed")
        if not _may_name(name, client, resources):
            # Unknown and not allowed sound alike: who may not use an API learns nothing of it.
            raise InvalidTarget(
                "The resource is unknown, or not for this client.", reason="resource_unknown", detail=name
            )
    return names


def _may_name(name: str, client: Client, resources: Mapping[str, Resource]) -> bool:
    if name == client.audience:  # what its tokens are for anyhow
        return True
    return name in resources and (client.resources is None or name in client.resources)


def narrowed(granted: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """Those of the granted resources that this token is for; all where none is named (§2.2).

    Raises:
        InvalidTarget: one is named that was not granted.
    """
    if any(name not in granted for name in named):
        raise InvalidTarget("The resource was not granted.", reason="resource_widened")
    return tuple(dict.fromkeys(named)) or tuple(granted)


def still_allowed(
    granted: Sequence[str], client: Client, resources: Mapping[str, Resource]
) -> tuple[str, ...]:
    """Those of granted resources that are there now, and the client's."""
    return tuple(name for name in granted if _may_name(name, client, resources))


def understood(
    names: Sequence[str],
    targets: Sequence[str],
    resources: Mapping[str, Resource],
    rules: Mapping[str, ScopeRule],
) -> tuple[str, ...]:
    """Those of the scopes that at least one of the targets understands, and those that are our own.

    A target that says nothing of scopes understands all of them.
    """
    known = [resources[target].scopes if target in resources else None for target in targets]
    if not known or None in known:
        return tuple(names)
    understands = frozenset[str]().union(*[one for one in known if one is not None])
    found = ((name, scopes.rule_for(name, rules)) for name in names)
    return tuple(
        name
        for name, rule in found
        if name in scopes.OF_OPENID or (rule is not None and rule.name in understands)
    )


def understands(
    name: str, target: str, resources: Mapping[str, Resource], rules: Mapping[str, ScopeRule]
) -> bool:
    """Whether this scope means something to the target itself, and not only to us."""
    return name not in scopes.OF_OPENID and bool(understood((name,), (target,), resources, rules))


def cut(
    names: Sequence[str],
    targets: Sequence[str],
    resources: Mapping[str, Resource],
    rules: Mapping[str, ScopeRule],
) -> tuple[str, ...]:
    """As `understood`, for a request; what is left out is told in the token answer.

    Raises:
        InvalidScope: nothing is left.
    """
    left = understood(names, targets, resources, rules)
    if names and not left:
        raise InvalidScope("The resource understands none of the scopes.", reason="scope_not_of_resource")
    return left


def form(
    targets: Sequence[str], client: Client, resources: Mapping[str, Resource]
) -> tuple[Literal["jwt", "opaque"], SigningAlg]:
    """How the token is made: as its API wants it where it is for one, else as the client's entry says.

    A profile wins over both: its apps get no token that is signed by anything else.
    """
    only = resources.get(targets[0]) if len(targets) == 1 else None
    kind = (only.access_token_format if only is not None else None) or client.access_token_format
    alg = (only.access_token_signing_alg if only is not None else None) or client.access_token_signing_alg
    if client.profile is not None and alg not in FAPI:  # FAPI 2.0 Security Profile §5.4.1
        alg = client.access_token_signing_alg
    return kind, alg
