"""What a client app may exchange: the policy of its entry, for the rules of `broker.protocol.exchange`.

RFC 8693 §1.1 (impersonation and delegation) and §5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["access_token", "id_token", "jwt"]
"""Which tokens may be brought: of ours, or the assertion of an issuer that the operator trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePolicy:
    """What one client app may exchange, as its entry says. Whatever is not said is refused."""

    subject_tokens: tuple[Kind, ...] = ("access_token",)
    clients: tuple[str, ...] = ()
    """Whose tokens, beside its own and those that are meant for it."""
    own_audiences: tuple[str, ...] = ()
    """The names by which tokens are meant for it: the APIs that it is."""
    audiences: tuple[str, ...] = ()
    """For where: what it may name as ``audience`` or ``resource``."""
    scopes: frozenset[str] | None = None
    """With which scopes at most, of those assigned to it; None is all of them."""
    may_impersonate: bool = False
    """Whether it may leave out who acts."""
    max_actors: int = 4
    """How many may act for one another, the last one included."""
    upstream_token: bool = False
    """Whether it may have the upstream's own access token of a login."""
