"""The connectors of one configuration, by id.

Owns `Upstreams`: each connector with tools of its own, opened without contacting anybody.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Self

from broker.config import Config, ConnectorConfig
from broker.connector import Here, Tools, UpstreamHTTP
from broker.outbound import Outbound, Way
from broker.protocol.names import Names
from broker.protocol.searching import Directory
from broker.upstreams.keeping import Keeper, nowhere
from broker.upstreams.tools import ClientKey, Opener, Verifier
from broker.upstreams.upstream import Upstream

_DIRECTORIES = 64
"""Lists of connectors that are kept ready to be searched; there is one for all apps that name none."""


def _nobody(_connector: str, _opened: bool, _why: str) -> None:
    """Hears nothing."""


class Upstreams(Mapping[str, Upstream]):
    """Every connector of a configuration by its id, the disabled ones too; each is made at its first use."""

    def __init__(
        self,
        config: Config,
        outbound: Outbound,
        now: Callable[[], float],
        keeper: Keeper,
        between: Callable[[UpstreamHTTP], UpstreamHTTP] | None,
    ) -> None:
        self._config, self._outbound = config, outbound
        self._now, self._keeper, self._between = now, keeper, between
        self._found: dict[str, Upstream] = {}
        self._directory = lru_cache(maxsize=_DIRECTORIES)(self._named)

    @classmethod
    def open(
        cls,
        config: Config,
        now: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
        keeper: Keeper = nowhere,
        between: Callable[[UpstreamHTTP], UpstreamHTTP] | None = None,
        told: Callable[[str, bool, str], None] = _nobody,
    ) -> Self:
        """The upstreams that the configuration names. Contacts none of them.

        ``now`` is the time of day, against which tokens are checked; ``clock`` only ever goes forward, and
        caches go by it. ``keeper`` makes what a connector may keep in the store. ``between`` puts something
        between the connectors and the network: what stands in for the hosts of a vendor in tests. ``told``
        hears which upstream is left alone since it does not answer (True) or asked again (False), and why.
        """
        outbound = Outbound(config.outbound, clock=clock, now=now, told=told)
        return cls(config, outbound, now, keeper, between)

    def __getitem__(self, connector_id: str) -> Upstream:
        upstream = self._found.get(connector_id)
        if upstream is None:
            upstream = self._found[connector_id] = self._made(self._config.connectors[connector_id])
        return upstream

    def __contains__(self, connector_id: object) -> bool:
        return connector_id in self._config.connectors

    def __iter__(self) -> Iterator[str]:
        return iter(self._config.connectors)

    def __len__(self) -> int:
        return len(self._config.connectors)

    @property
    def enabled(self) -> Names:
        """The ids of those that people may sign in through, in the operator's order."""
        return self._config.routing.routes.all

    def directory(self, connectors: Names) -> Directory:
        """These by the names that people know them by."""
        return self._directory(connectors)

    def public_jwks(self, connector_id: str) -> dict[str, Any] | None:
        """The key set that we publish for this connector; None for one without a key, or an unknown one."""
        return self[connector_id].public_jwks() if connector_id in self else None

    async def close(self) -> None:
        """Close every connection."""
        await self._outbound.close()

    def _made(self, connector: ConnectorConfig) -> Upstream:
        way = _way(connector)
        client, keeping = self._outbound.client(connector.id, way), self._keeper(connector.id)
        http: UpstreamHTTP = client if self._between is None else self._between(client)
        opener = Opener.of(connector.settings)
        key = ClientKey(getattr(connector.settings, "private_key", None), self._now, opener)
        tools = Tools(
            http=http,
            verify=Verifier(http, self._now, opener),
            client_assertion=key,
            now=self._now,
            fresh=_fresh,
            here=_here(self._config.issuer, connector.id),
            once=keeping.once,
            people=keeping.people,
            hand_offs=keeping.hand_offs,
        )
        # A cold login takes several calls; all of them together get no more than two deadlines.
        deadline = 2 * (way.timeout or self._config.outbound.timeout)
        return Upstream(connector, tools, key, deadline=deadline, circuit=client.circuit)

    def _named(self, connectors: Names) -> Directory:
        return Directory((key, name) for key in connectors for name in self._names(key))

    def _names(self, connector: str) -> Iterator[str]:
        """What it is called, and what it is called in each language that the operator named it in."""
        name = self._config.connectors[connector].name
        others = [words[name] for words in self._config.said.values() if name in words]
        yield from dict.fromkeys((name, *others))


def _here(issuer: str, connector: str) -> Here:
    """The addresses that the upstream knows us by."""
    return Here(
        connector=connector,
        issuer=issuer,
        redirect_uri=f"{issuer}/callback/{connector}",
        login_uri=f"{issuer}/login/{connector}",
        metadata_uri=f"{issuer}/connectors/{connector}/metadata",
    )


def _way(connector: ConnectorConfig) -> Way:
    """How it is reached, and by which certificate we show ourselves there."""
    own, settings = connector.outbound, connector.settings
    return Way(
        timeout=own.timeout,
        ca=own.ca,
        proxy=own.proxy,
        certificate=getattr(settings, "tls_client_certificate", None),
        key=getattr(settings, "tls_client_key", None),
    )


def _fresh() -> str:
    return secrets.token_urlsafe(32)
