"""When an upstream is asked again about somebody, and what is made of its answer.

Owns the rules of ``upstream_refresh``: a client app that refreshes its tokens (RFC 6749 §6) may keep somebody
signed in long after their own provider has let them go. Pure; the asking is `broker.endpoints.asking`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from broker.protocol.flow import AuthenticationContext, Held
from broker.record import replace


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRefresh:
    """What the operator decided for one connector. Lengths are seconds."""

    older_than: int | None = None
    """Asked again when the last answer is older than this; 0 is always, None never."""
    on_denied: Literal["revoke", "refuse"] = "revoke"
    allow_until: int = 0
    """How old the last answer may be while the upstream cannot be reached."""


def is_due(held: Held, rule: UpstreamRefresh, *, now: float) -> bool:
    """Whether the upstream is asked before this refresh is answered."""
    return rule.older_than is not None and now - held.checked_at >= rule.older_than


def may_go_on(held: Held, rule: UpstreamRefresh, *, now: float) -> bool:
    """Whether what it said last is still good enough, now that it says nothing; "no" is never."""
    return not held.refused and now - held.checked_at < rule.allow_until


def as_it_is(context: AuthenticationContext, held: Held) -> AuthenticationContext:
    """Somebody as the upstream described them last: what it took away is gone here too.

    When and how they signed in stays what it was (Core §12.2: a refreshed ID Token says the same auth_time).
    """
    latest = held.context
    return replace(
        latest,
        auth_time=context.auth_time,
        acr=context.acr,
        amr=context.amr,
        since=context.since,
        held=context.held,
    )
