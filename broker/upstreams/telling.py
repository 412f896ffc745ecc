"""What a connector tells without anybody signing in: how its upstream is, and what that may read of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from broker.connector import CanProbe, Connector, Finding, Published, Publishes


async def published(connector: Connector) -> Published | None:
    """The document for the upstream; None where there is none."""
    # Its keys may be loaded for it, which takes longer than others should wait.
    return await asyncio.to_thread(connector.published) if isinstance(connector, Publishes) else None


async def probed(connector: Connector) -> Sequence[Finding]:
    """What works and what does not there; of most more than whether it answers."""
    if isinstance(connector, CanProbe):
        return await connector.probe()
    await connector.ping()
    return [Finding(what="upstream", good=True, detail="it answers")]
