"""The connectors of one configuration, by id.

Owns `Upstreams`: each connector with tools of its own, opened without contacting anybody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

from broker.config import Config
from broker.connector import Here, Tools
from broker.outbound import Outbound
from broker.upstreams.keeping import Keeper, nowhere
from broker.upstreams.tools import ClientKey, Verifier
from broker.upstreams.upstream import Upstream


class Upstreams(Mapping[str, Upstream]):
    """Every connector of a configuration by its id, the disabled ones too."""

    def __init__(self, found: Mapping[str, Upstream], outbound: Outbound) -> None:
        self._found, self._outbound = found, outbound

    @classmethod
    def open(
        cls,
        config: Config,
        now: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        keeper: Keeper = nowhere,
    ) -> Self:
        """The upstreams that the configuration names. Contacts none of them.

        ``now`` is the time of day, against which tokens are checked; ``clock`` only ever goes forward, and
        caches go by it. ``keeper`` makes what a connector may keep in the store.
        """
        outbound = Outbound(config.outbound, clock=clock)
        found = {}
        for connector in config.connectors.values():
            http = outbound.client(connector.id)
            key = ClientKey(getattr(connector.settings, "private_key", None), now)
            here, keeping = _here(config.issuer, connector.id), keeper(connector.id)
            tools = Tools(
                http=http,
                verify=Verifier(http, now),
                client_assertion=key,
                now=now,
                fresh=_fresh,
                here=here,
                once=keeping.once,
                people=keeping.people,
                hand_offs=keeping.hand_offs,
            )
            found[connector.id] = Upstream(
                connector,
                tools,
                key,
                # A cold login takes several calls; all of them together get no more than two deadlines.
                deadline=2 * config.outbound.timeout,
            )
        return cls(found, outbound)

    def __getitem__(self, connector_id: str) -> Upstream:
        return self._found[connector_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @cached_property
    def enabled(self) -> tuple[str, ...]:
        """The ids of those that people may sign in through, in the operator's order."""
        return tuple(name for name, upstream in self._found.items() if upstream.enabled)

    def public_jwks(self, connector_id: str) -> dict[str, Any] | None:
        """The key set that we publish for this connector; None for one without a key, or an unknown one."""
        upstream = self._found.get(connector_id)
        return None if upstream is None else upstream.public_jwks()

    async def close(self) -> None:
        """Close every connection."""
        await self._outbound.close()


def _here(issuer: str, connector: str) -> Here:
    """The addresses that the upstream knows us by."""
    return Here(
        connector=connector,
        issuer=issuer,
        redirect_uri=f"{issuer}/callback/{connector}",
        login_uri=f"{issuer}/login/{connector}",
        metadata_uri=f"{issuer}/connectors/{connector}/metadata",
    )


def _fresh() -> str:
    return secrets.token_urlsafe(32)
