"""Whether a login at an upstream is as fresh as it was asked to be.

OpenID Connect Core §3.1.2.1 (``prompt=login``, ``max_age``) and §2 (``auth_time``). An upstream may ignore
what we pass on and answer from its own session, so only what it states about the time counts, unless the
operator trusts it without. Where nothing was asked, a time that was not stated stays unknown: to call it
now would let an old login pass for a fresh one later.
"""

from __future__ import annotations

from typing import Literal

from broker.protocol.instants import LEEWAY


class Stale(Exception):
    """The login is older than was asked for, or cannot prove that it is not."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def resolve_auth_time(
    stated: int | None,
    *,
    login_prompted: bool,
    max_age: int | None,
    started_at: float,
    now: float,
    freshness: Literal["proven", "trusted"],
) -> int | None:
    """When the person was authenticated; None where the upstream does not say and nobody asked.

    Raises:
        Stale: a fresh login was asked for, and this one is not proved to be one.
    """
    if not login_prompted and max_age is None:
        return stated or None
    if not stated:
        if freshness == "trusted":
            return int(now)
        raise Stale("auth_time_missing", "the upstream did not state when the person signed in")
    # Whoever signed in after we asked is fresh; with `max_age` alone also who did not long before now.
    # auth_time is whole seconds and started_at is not: the second that the login began in counts.
    since = int(started_at) if login_prompted or max_age is None else min(int(started_at), now - max_age)
    if stated < since - LEEWAY:
        raise Stale(
            "auth_time_too_old", f"signed in {now - stated:.0f} s ago, {since - stated:.0f} s too early"
        )
    return stated
