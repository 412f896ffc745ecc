"""What every connector does, and what only some can do: small protocols, found with ``isinstance``."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from broker.connector.settings import Secret
from broker.connector.values import Departure, Json, LoggedOut, Login, UpstreamIdentity


@runtime_checkable
class Connector(Protocol):
    """An upstream: where to send the browser, and how to read what it brings back.

    One that never uses `Tools.http` says ``speaks_http = False``; an entry's ``outbound`` is then refused.
    One whose logins come with an access token (`UpstreamIdentity.token`) says ``gives_token = True``.
    """

    async def begin(self, login: Login) -> Departure:
        """Where to send the browser for this login."""
        ...

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """Check what the browser brought back, redeem it, and say who it is."""
        ...

    async def ping(self) -> None:
        """Raises UpstreamError when the upstream could not serve a login now."""
        ...


@runtime_checkable
class CanRefresh(Protocol):
    """An upstream that can be asked again about somebody who is not there.

    Its settings may have a property ``cannot_refresh`` that says why not with them; None where it can be.
    """

    async def refresh(self, keep: MutableMapping[str, str]) -> UpstreamIdentity:
        """Who they are now, of the same issuer and subject. ``keep`` is what the last identity kept.

        What is put into ``keep`` stays, also where the rest then fails: a refresh token that is good once
        belongs there as soon as it came.

        Raises:
            UpstreamRefused: the person or what they allowed is gone: what stands on it ends.
            UpstreamUnavailable: nobody knows.
        """
        ...


@runtime_checkable
class CanLogOut(Protocol):
    """An upstream where the browser can end its session too (RP-Initiated Logout 1.0 §2).

    Its settings may have a property ``cannot_log_out`` that says why not with them; None where it can be.
    """

    async def logout_url(self, by: Mapping[str, str], back: str) -> str | None:
        """Where the browser goes for that, to come ``back`` afterwards; None where there is no such place.

        ``by`` is `UpstreamIdentity.logout_by` of the login, and empty where nothing was kept of it.
        """
        ...


@runtime_checkable
class HearsLogout(Protocol):
    """An upstream that tells us by a logout token what is over there (Back-Channel Logout 1.0 §2)."""

    async def logged_out(self, token: str) -> LoggedOut:
        """What it ends, the token checked in full.

        Raises:
            UpstreamInvalid: it is not to be believed.
            UpstreamUnavailable: it cannot be checked now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """In the operator's words: ``metadata``, ``issuer``, ``keys``, ``PKCE``."""
    good: bool | None
    """None where it could not be told."""
    detail: str = ""


@runtime_checkable
class CanProbe(Protocol):
    """A connector that can say more of its upstream than whether it is there."""

    async def probe(self) -> Sequence[Finding]:
        """What works and what does not, without anybody signing in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the person is to answer on our login page."""

    kind: Literal["password", "one_time_code"]
    memory: Mapping[str, str] = field(default_factory=dict)
    """What the connector wants to find again with the answer; it never leaves the broker."""
    wrong: bool = False
    """The last answer was wrong."""


@runtime_checkable
class Asks(Protocol):
    """A connector without a page of its own. Its ``begin`` sends the browser to `Here.login_uri`.

    The broker counts the attempts, and lets nobody try without end.
    """

    def question(self, login: Login, memory: Mapping[str, str]) -> Question:
        """What to ask now; without a memory, from the beginning."""
        ...

    async def answer(
        self, login: Login, fields: Mapping[str, Secret], memory: Mapping[str, str]
    ) -> Question | UpstreamIdentity:
        """What to ask next, or who it is. ``fields`` are ``username`` and ``password``, or ``code``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A document for the upstream."""

    content_type: str
    body: bytes


@runtime_checkable
class Publishes(Protocol):
    """A connector that the upstream reads something of, at `Here.metadata_uri`."""

    def published(self) -> Published:
        """The document."""
        ...


@runtime_checkable
class Unsolicited(Protocol):
    """An upstream that may send people of its own accord (SAML calls it IdP-initiated)."""

    def onward(self, answer: Mapping[str, str]) -> str | None:
        """Where the browser goes to begin a login of its own; None when that is not wanted.

        Nothing that such an answer says is ever believed: anybody may have put it into this browser.
        """
        ...


@runtime_checkable
class HandsOff(Protocol):
    """A connector whose people another program of the operator's signs in, and tells us of by our API."""

    def is_from_the_page(self, client_id: str, secret: Secret) -> bool:
        """Whether these are the credentials of that program, compared in constant time."""
        ...

    def accepted(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What an accept says, as `HandOffs.take` is to give it back.

        Raises:
            UpstreamInvalid: it cannot be believed; ``detail`` is for that program to read.
        """
        ...

    def rejected(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """The same for a reject."""
        ...


@runtime_checkable
class KeepsPeople(Protocol):
    """A connector whose people are in our own pool, where the operator may end everything of one of them."""

    keeps_people: bool
