"""The connectors of one configuration, each isolated from the rest of the house.

Owns `Upstreams` and `Upstream`. A connector is somebody else's code talking to somebody else's server:
whatever it raises, however long it takes and whatever it returns, only this one login fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, TypeVar

from broker.config import Config, ConnectorConfig
from broker.connector import (
    Connector,
    Departure,
    Login,
    Tools,
    UpstreamError,
    UpstreamIdentity,
    UpstreamStale,
    UpstreamUnmet,
)
from broker.mapping import ClaimsMap
from broker.outbound import Outbound
from broker.protocol.claims_request import essential_acr
from broker.protocol.errors import OAuthError, ServerError, TemporarilyUnavailable
from broker.protocol.flow import AuthorizeRequest, PendingLogin
from broker.protocol.freshness import Stale, resolve_auth_time
from broker.upstreams.answers import as_protocol_error
from broker.upstreams.passing import login_for
from broker.upstreams.tools import ClientKey, Verifier

T = TypeVar("T")

_MAX_FACT, _MAX_METHODS = 255, 32
"""Characters of an `acr`, a `sid`, one `amr`; and how many of the last."""
_MAX_MEMORY = 4096
"""Characters that a connector may want to find again; it is kept for every login under way."""


class Upstream:
    """One connector, as the endpoints know it."""

    def __init__(
        self, config: ConnectorConfig, tools: Tools, key: ClientKey, *, redirect_uri: str, deadline: float
    ) -> None:
        self._config, self._tools, self._key = config, tools, key
        self._redirect_uri, self._deadline = redirect_uri, deadline

    @property
    def id(self) -> str:
        """Its name in the configuration; a part of every person's subject."""
        return self._config.id

    @property
    def name(self) -> str:
        """What stands on its button."""
        return self._config.name

    @property
    def icon(self) -> str:
        """The path of its picture, or the kind of upstream it is, for which there may be one of ours."""
        return self._config.icon or self._config.type

    @property
    def enabled(self) -> bool:
        """Whether people may sign in through it."""
        return self._config.enabled

    @property
    def claims_map(self) -> ClaimsMap:
        """How its words become ours."""
        return self._config.claims

    async def begin(self, asked: AuthorizeRequest, state: str, nonce: str, verifier: str) -> Departure:
        """Where to send the browser for this login.

        Raises:
            OAuthError: it cannot be sent there now.
        """
        login = self._login(asked, state, nonce, verifier)
        return await self._isolated(self._begin(login))

    async def finish(self, pending: PendingLogin, state: str, answer: Mapping[str, str]) -> UpstreamIdentity:
        """Who it is, checked to be as fresh and as strong as was asked; ``auth_time`` is what may be told.

        Raises:
            OAuthError: it is nobody, or not good enough.
        """
        login = self._login(pending.asked, state, pending.nonce, pending.code_verifier)
        return await self._isolated(self._finish(login, pending, answer))

    async def ping(self) -> None:
        """Whether it could serve a login now.

        Raises:
            OAuthError: it could not; ``reason`` and ``detail`` say why.
        """
        await self._isolated(self._ping())

    def public_jwks(self) -> dict[str, Any] | None:
        """The public half of the key by which we prove who we are there; None without one."""
        try:
            return self._key.public_jwks()
        except UpstreamError as error:
            raise as_protocol_error(error) from error

    def _login(self, asked: AuthorizeRequest, state: str, nonce: str, verifier: str) -> Login:
        uri = self._redirect_uri
        return login_for(
            asked, self._config, redirect_uri=uri, state=state, nonce=nonce, code_verifier=verifier
        )

    @cached_property
    def _connector(self) -> Connector:
        connector: Connector = self._config.module.Connector(self._config.settings, self._tools)
        return connector

    async def _begin(self, login: Login) -> Departure:
        return _checked_departure(await self._connector.begin(login))

    async def _finish(
        self, login: Login, pending: PendingLogin, answer: Mapping[str, str]
    ) -> UpstreamIdentity:
        identity = _checked_identity(await self._connector.finish(login, answer, pending.memory))
        return self._good_enough(identity, pending)

    async def _ping(self) -> None:
        await self._connector.ping()

    async def _isolated(self, call: Awaitable[T]) -> T:
        """The one gate for everything that a connector may do wrong."""
        try:
            async with asyncio.timeout(self._deadline):
                return await call
        except UpstreamError as error:
            raise as_protocol_error(error) from error
        except TimeoutError as error:
            detail = f"no end after {self._deadline:.0f} s"
            raise TemporarilyUnavailable(reason="upstream_too_slow", detail=detail) from error
        except OAuthError:
            raise
        except (asyncio.CancelledError, SystemExit) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # it is this login that somebody ends, not something of the connector's
            raise ServerError(reason="connector_failed", detail=type(error).__name__) from error
        except Exception as error:  # its code is not ours, and one login is all that it may cost
            raise ServerError(reason="connector_failed", detail=type(error).__name__) from error

    def _good_enough(self, identity: UpstreamIdentity, pending: PendingLogin) -> UpstreamIdentity:
        """The identity, if it is as fresh and as strong as the client app asked (Core §3.1.2.1, §5.5.1.1)."""
        asked = pending.asked
        try:
            auth_time = resolve_auth_time(
                identity.auth_time,
                login_prompted="login" in asked.prompt,
                max_age=asked.max_age,
                started_at=pending.started_at,
                now=self._tools.now(),
                freshness=self._config.freshness,
            )
        except Stale as error:
            raise UpstreamStale(error.reason, error.detail) from error
        essential = essential_acr(asked.claims)
        if essential and identity.acr not in essential:
            raise UpstreamUnmet("acr_unmet", f"acr {str(identity.acr)[:100]!r}")
        return identity if auth_time == identity.auth_time else replace(identity, auth_time=auth_time)


class Upstreams(Mapping[str, Upstream]):
    """Every connector of a configuration by its id, the disabled ones too."""

    def __init__(self, found: Mapping[str, Upstream], outbound: Outbound) -> None:
        self._found, self._outbound = found, outbound

    @classmethod
    def open(
        cls, config: Config, now: Callable[[], float], *, clock: Callable[[], float] = time.monotonic
    ) -> Self:
        """The upstreams that the configuration names. Contacts none of them.

        ``now`` is the time of day, against which tokens are checked; ``clock`` only ever goes forward, and
        caches go by it.
        """
        outbound = Outbound(config.outbound, clock=clock)
        found = {}
        for connector in config.connectors.values():
            http = outbound.client(connector.id)
            key = ClientKey(getattr(connector.settings, "private_key", None), now)
            found[connector.id] = Upstream(
                connector,
                Tools(http=http, verify=Verifier(http, now), client_assertion=key, now=now),
                key,
                redirect_uri=f"{config.issuer}/callback/{connector.id}",
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


def _checked_departure(departure: object) -> Departure:
    """What ``begin`` returned, if it is what it promised to."""
    if not isinstance(departure, Departure) or not isinstance(departure.url, str):
        raise TypeError("begin returned no Departure")
    if not departure.url.startswith(("https://", "http://")) or not departure.url.isprintable():
        raise ValueError("begin sent the browser to something that is no URL")
    memory = dict(departure.memory)
    if not all(isinstance(text, str) for pair in memory.items() for text in pair):
        raise TypeError("begin wants to remember what is not text")
    if sum(len(key) + len(value) for key, value in memory.items()) > _MAX_MEMORY:
        raise ValueError("begin wants to remember too much")
    return Departure(url=departure.url, memory=memory)


def _checked_identity(identity: object) -> UpstreamIdentity:
    """What ``finish`` returned, if it is what it promised to."""
    if not isinstance(identity, UpstreamIdentity):
        raise TypeError("finish returned no UpstreamIdentity")
    named = (identity.issuer, identity.subject)
    if not all(isinstance(text, str) and text for text in named):
        raise TypeError("finish names no issuer or no subject")
    optional = (identity.acr, identity.sid)
    if not all(text is None or isinstance(text, str) for text in (*optional, *identity.amr)):
        raise TypeError("finish says acr, amr or sid that is not text")
    if any(len(text) > _MAX_FACT or not text.isprintable() for text in optional if text is not None):
        raise ValueError("finish says an acr or sid that is too long, or not plain text")
    plain = all(len(method) <= _MAX_FACT and method.isprintable() for method in identity.amr)
    if len(identity.amr) > _MAX_METHODS or not plain:
        raise ValueError("finish says too many ways of signing in, or some that are not plain text")
    if not isinstance(identity.auth_time, int | None) or isinstance(identity.auth_time, bool):
        raise TypeError("finish says an auth_time that is no whole number")
    if not isinstance(identity.id_token, Mapping) or not isinstance(identity.userinfo, Mapping):
        raise TypeError("finish returned claims that are no mapping")
    return identity
