"""How fresh a login is, for upstreams that may ignore what is asked of them (Core §3.1.2.1, ``max_age``)."""

from __future__ import annotations

from broker.connector import Login, UpstreamIdentity


def is_too_old(identity: UpstreamIdentity, login: Login, now: float) -> bool:
    """Whether the person signed in longer ago than was asked."""
    if login.max_age is None or identity.auth_time is None:
        return False
    return now - identity.auth_time > login.max_age
