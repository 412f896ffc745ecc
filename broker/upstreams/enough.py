"""Whether somebody signed in as freshly and as strongly as the client app asked (Core §3.1.2.1, §5.5.1.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from broker.config import ConnectorConfig
from broker.connector import UpstreamIdentity, UpstreamStale, UpstreamUnmet
from broker.protocol.flow import PendingLogin
from broker.protocol.freshness import Stale, resolve_auth_time
from broker.upstreams.passing import ours


def good_enough(
    identity: UpstreamIdentity,
    pending: PendingLogin,
    config: ConnectorConfig,
    *,
    wanted: Collection[str],
    now: float,
) -> UpstreamIdentity:
    """The identity, with what may be told of when and how; ``wanted`` are the ``acr`` of which one must be.

    Raises:
        UpstreamStale: the person may not have signed in anew, or are not signed in there any more.
        UpstreamUnmet: they did not in any of the ways that are wanted.
    """
    try:
        auth_time = resolve_auth_time(
            identity.auth_time,
            login_prompted="login" in pending.asked.prompt,
            max_age=pending.asked.max_age,
            started_at=pending.started_at,
            now=now,
            freshness=config.freshness,
        )
    except Stale as error:
        raise UpstreamStale(error.reason, error.detail) from error
    if identity.session_ends is not None and identity.session_ends <= now:
        raise UpstreamStale("session_over", "the session there has ended already")
    acr = ours(identity.acr, config.acr)
    if wanted and acr not in wanted:
        raise UpstreamUnmet("acr_unmet", f"acr {str(identity.acr)[:100]!r}")
    if (auth_time, acr) == (identity.auth_time, identity.acr):
        return identity
    return replace(identity, auth_time=auth_time, acr=acr)
