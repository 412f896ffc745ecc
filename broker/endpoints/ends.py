"""Whether the operator has ended everything that somebody of our own pool had.

Asked for each session and grant, and only where the people are ours: nobody else's requests pay for it.
"""

from __future__ import annotations

from broker.protocol.flow import AuthenticationContext
from broker.services import Services


async def is_over(services: Services, who: AuthenticationContext, began: float) -> bool:
    """Whether what began then, for them, has been ended since."""
    upstream = services.upstreams.get(who.connector)
    if upstream is None or not upstream.keeps_people:
        return False
    before = await services.store.ended_before(who.subject)
    since = began if who.since is None else min(began, who.since)
    return before is not None and since <= before
