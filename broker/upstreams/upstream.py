"""One connector as the endpoints know it, isolated from the rest of the house.

Owns `Upstream`. A connector is somebody else's code talking to somebody else's server: whatever it raises,
however long it takes and whatever it returns, only this one login fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, MutableMapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from broker.config import ConnectorConfig
from broker.connector import (
    Asks,
    CanRefresh,
    Connector,
    Departure,
    Finding,
    HandsOff,
    LoggedOut,
    Login,
    Published,
    Question,
    Secret,
    Tools,
    Unsolicited,
    UpstreamDetour,
    UpstreamError,
    UpstreamIdentity,
    UpstreamRefused,
    UpstreamUnavailable,
)
from broker.mapping import ClaimsMap
from broker.outbound import Circuit
from broker.protocol.asking import UpstreamRefresh
from broker.protocol.claims_request import essential_acr
from broker.protocol.errors import OAuthError, ServerError, TemporarilyUnavailable
from broker.protocol.flow import AuthorizeRequest, PendingLogin
from broker.upstreams import checked, ending, telling
from broker.upstreams.answers import as_protocol_error
from broker.upstreams.enough import good_enough
from broker.upstreams.passing import Started, login_for
from broker.upstreams.tools import ClientKey

T = TypeVar("T")
_AWAY = frozenset({"upstream_unavailable", "upstream_too_slow", "upstream_temporarily_unavailable"})


class Upstream:
    """One connector, as the endpoints know it."""

    def __init__(
        self, config: ConnectorConfig, tools: Tools, key: ClientKey, *, deadline: float, circuit: Circuit
    ) -> None:
        self._config, self._tools, self._key = config, tools, key
        self._deadline, self._circuit = deadline, circuit

    @property
    def id(self) -> str:
        """Its name in the configuration; a part of every person's subject."""
        return self._config.id

    @property
    def type(self) -> str:
        """Which kind of upstream it is."""
        return self._config.type

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

    @property
    def is_left_alone(self) -> bool:
        """Whether it is known not to answer, so that a login at it is refused at once."""
        return not self._circuit.is_closed

    def look_again(self) -> asyncio.Task[None] | None:
        """Have somebody ask whether it answers again, if it is time; nobody need wait for that."""
        return None if self._circuit.is_closed else self._circuit.look_again(self._answers)

    async def begin(self, started: Started) -> Departure:
        """Where to send the browser for this login.

        Raises:
            OAuthError: it cannot be sent there now.
        """
        await self._is_there()
        return await self._isolated(self._begin(self._login(started)))

    async def finish(self, pending: PendingLogin, state: str, answer: Mapping[str, str]) -> UpstreamIdentity:
        """Who it is, checked to be as fresh and as strong as was asked; ``auth_time`` is what may be told.

        Raises:
            OAuthError: it is nobody, or not good enough.
            UpstreamDetour: the login begins once more.
        """
        await self._is_there()
        login = self._login(Started.of(pending, state))
        return await self._isolated(self._finish(login, pending, answer), detours=True)

    @property
    def asks(self) -> bool:
        """Whether people answer on a login page of ours."""
        return isinstance(self._connector, Asks)

    @property
    def keeps_people(self) -> bool:
        """Whether its people are in our own pool; told without making the connector."""
        return bool(getattr(self._config.module.Connector, "keeps_people", False))

    @property
    def hands_off(self) -> HandsOff | None:
        """What decides about its hand-offs; None where it has none."""
        return self._connector if isinstance(self._connector, HandsOff) else None

    async def question(self, pending: PendingLogin, state: str) -> Question:
        """What to ask on our login page now; for a connector that `asks`.

        Raises:
            OAuthError: nothing can be asked now.
        """
        return await self._isolated(self._question(self._login(Started.of(pending, state)), pending))

    async def answer(
        self, pending: PendingLogin, state: str, fields: Mapping[str, Secret]
    ) -> Question | UpstreamIdentity:
        """What to ask next, or who it is, as good as `finish` wants it.

        Raises:
            OAuthError: it is nobody, or not good enough.
        """
        return await self._isolated(self._answer(self._login(Started.of(pending, state)), pending, fields))

    async def published(self) -> Published | None:
        """The document that the upstream may read; None where there is none.

        Raises:
            OAuthError: it cannot be made.
        """
        return await self._isolated(telling.published(self._connector))

    def onward(self, answer: Mapping[str, str]) -> str | None:
        """Where a browser goes whose answer nobody asked for; None when that is not wanted."""
        connector = self._connector
        return connector.onward(answer) if isinstance(connector, Unsolicited) else None

    @property
    def refresh_rule(self) -> UpstreamRefresh:
        """When it is asked again, as the operator decided."""
        return self._config.refresh

    @property
    def gives_token(self) -> bool:
        """Whether client apps may have its own access token of a login, as the operator decided."""
        return self._config.gives_token

    @property
    def patience(self) -> float:
        """Seconds after which a call to it has ended in any case."""
        return self._deadline

    async def refresh(
        self, keep: Mapping[str, str], into: MutableMapping[str, str] | None = None
    ) -> UpstreamIdentity:
        """Who somebody is now, asked without them.

        ``into`` gets what is to be kept whatever becomes of the answer.

        Raises:
            AccessDenied: they may not sign in any more, as far as the upstream is concerned.
            TemporarilyUnavailable: it cannot be asked now.
            OAuthError: its answer is not believed.
        """
        await self._is_there()
        return await self._isolated(self._refresh(keep, {} if into is None else into))

    @property
    def offers_logout(self) -> bool:
        """Whether people may end their session there too, as the operator decided."""
        return self._config.offers_logout

    @property
    def logs_out_always(self) -> bool:
        """Whether they do so by themselves."""
        return self._config.logs_out_always

    async def logout_url(self, by: Mapping[str, str], back: str) -> str | None:
        """Where the browser ends its session there and then comes ``back``; None where there is no such way.

        Raises:
            OAuthError: that cannot be told now.
        """
        is_there = self.offers_logout and not self.is_left_alone
        return await self._isolated(ending.url(self._connector, by, back)) if is_there else None

    async def logged_out(self, token: str) -> LoggedOut:
        """What a logout token of its own ends, the token checked in full.

        Raises:
            OAuthError: it is not to be believed, or cannot be checked now.
        """
        return await self._isolated(ending.named(self._connector, token))

    async def ping(self) -> None:
        """Whether it could serve a login now.

        Raises:
            OAuthError: it could not; ``reason`` and ``detail`` say why.
        """
        await self._isolated(self._ping())

    async def probe(self) -> Sequence[Finding]:
        """What works and what does not, for the operator; for most upstreams more than `ping` can tell."""
        try:
            return await self._isolated(telling.probed(self._connector))
        except OAuthError as error:
            detail = f"{error.reason}: {error.detail}" if error.detail else error.reason
            return [Finding(what="upstream", good=False, detail=detail)]

    def public_jwks(self) -> dict[str, Any] | None:
        """The public half of the key by which we prove who we are there; None without one."""
        try:
            return self._key.public_jwks()
        except UpstreamError as error:
            raise as_protocol_error(error) from error

    def _login(self, started: Started) -> Login:
        return login_for(started, self._config, redirect_uri=self._tools.here.redirect_uri)

    @cached_property
    def _connector(self) -> Connector:
        connector: Connector = self._config.module.Connector(self._config.settings, self._tools)
        return connector

    async def _begin(self, login: Login) -> Departure:
        return checked.departure(await self._connector.begin(login))

    async def _finish(
        self, login: Login, pending: PendingLogin, answer: Mapping[str, str]
    ) -> UpstreamIdentity:
        identity = checked.identity(await self._connector.finish(login, answer, pending.memory))
        return self._enough(identity, pending)

    async def _question(self, login: Login, pending: PendingLogin) -> Question:
        if not isinstance(self._connector, Asks):
            raise TypeError("it asks nothing")
        return checked.question(self._connector.question(login, pending.memory))

    async def _answer(
        self, login: Login, pending: PendingLogin, fields: Mapping[str, Secret]
    ) -> Question | UpstreamIdentity:
        if not isinstance(self._connector, Asks):
            raise TypeError("it asks nothing")
        said = await self._connector.answer(login, fields, pending.memory)
        if isinstance(said, Question):
            return checked.question(said)
        return self._enough(checked.identity(said), pending)

    async def _refresh(self, keep: Mapping[str, str], into: MutableMapping[str, str]) -> UpstreamIdentity:
        if not isinstance(self._connector, CanRefresh) or not keep:
            raise UpstreamUnavailable("nothing was kept by which it could be asked")
        own = dict(keep)
        try:
            return checked.identity(await self._connector.refresh(own))
        except UpstreamRefused as error:
            if error.error in {"temporarily_unavailable", "server_error"}:
                raise UpstreamUnavailable(error.detail) from error
            raise UpstreamRefused("access_denied", f"{error.error}: {error.detail}") from error
        except UpstreamDetour as detour:  # only the person themselves could go that way
            raise UpstreamRefused("access_denied", f"{detour.detour}: {detour.detail}") from detour
        finally:
            into.update(checked.keep(own))

    async def _ping(self) -> None:
        await self._connector.ping()

    async def _is_there(self) -> None:
        """That it is not known to be away. The one who comes when it is time asks, and waits for the answer.

        Raises:
            TemporarilyUnavailable: it is, and nothing was asked of it.
        """
        if self._circuit.is_closed:
            return
        asking = self.look_again()
        if asking is not None:
            # Shielded: who happened to come first may leave, and the answer is everybody's.
            await asyncio.shield(asking)
        if not self._circuit.is_closed:
            raise TemporarilyUnavailable(reason="upstream_left_alone")

    async def _answers(self) -> bool:
        """Whether it answers at all, even if what it says is wrong."""
        try:
            await self.ping()
        except TemporarilyUnavailable as error:
            return error.reason not in _AWAY
        except (OAuthError, UpstreamDetour):
            return True
        return True

    async def _isolated(self, call: Awaitable[T], *, detours: bool = False) -> T:
        """The one gate for everything that a connector may do wrong. Only a login can begin once more."""
        try:
            async with asyncio.timeout(self._deadline):
                return await call
        except UpstreamError as error:
            if detours and isinstance(error, UpstreamDetour):
                raise
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

    def _enough(self, identity: UpstreamIdentity, pending: PendingLogin) -> UpstreamIdentity:
        wanted = essential_acr(pending.asked.claims) or self.steps_up(pending.asked)
        return good_enough(identity, pending, self._config, wanted=wanted, now=self._tools.now())

    def steps_up(self, asked: AuthorizeRequest) -> tuple[str, ...]:
        """Those of the ``acr_values`` asked for that the operator says this upstream can reach (RFC 9470)."""
        return tuple(value for value in asked.acr_values if value in self._config.acr)
