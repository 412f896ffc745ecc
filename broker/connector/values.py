"""What the broker asks of a connector for one login, and what comes back of it. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NewType

# Claims whose signature, issuer, audience, times and nonce have been checked. Only a `Verify` makes them.
SignedClaims = NewType("SignedClaims", Mapping[str, Any])

Json = Any
"""A decoded JSON value, as an upstream sent it: nothing is known of it until it is looked at."""

Freshness = Literal["proven", "trusted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One login that the broker asks of an upstream: its own one-time values and what to pass on.

    The parameters are already cut by the connector's ``pass_through`` policy; ``prompt`` and
    ``max_age`` are always here when the client app asked for them.
    """

    redirect_uri: str
    """Our callback for this connector."""
    state: str
    nonce: str
    code_verifier: str
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds (Core §3.1.2.1)."""
    login_hint: str | None = None
    acr_values: tuple[str, ...] = ()
    """Already in the upstream's own words."""
    ui_locales: tuple[str, ...] = ()
    client_id: str = ""
    """The client app that asks; a connector may show it to the person, and decides nothing by it."""
    client_name: str = ""
    scopes: tuple[str, ...] = ()
    """What the client app asks of us."""
    detour: str = ""
    """The word with which the last `UpstreamDetour` of this login asked to begin once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where the browser goes next, and what the connector wants to find again at ``finish``."""

    url: str
    memory: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    """The fields to post there; without them the browser goes there by GET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamToken:
    """The upstream's own access token of a login, for what the upstream itself offers."""

    access_token: str = field(repr=False)
    expires_at: int | None = None
    """Seconds since the epoch, where that was told."""
    scope: str | None = None
    """What was granted there, where that was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """What an upstream says has ended there: a session, or all that somebody has. Verified."""

    issuer: str
    jti: str
    """Names this word of its: whoever says it again says nothing new."""
    sid: str | None = None
    subject: str | None = None
    """Its ``sub``. With a ``sid``, whose session that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamIdentity:
    """Who the upstream says this is: verified, and not yet in our own words."""

    issuer: str
    subject: str
    """The subject key: the connector's choice of something stable, never a name or an address."""
    id_token: Mapping[str, Json] = field(default_factory=dict)
    userinfo: Mapping[str, Json] = field(default_factory=dict)
    api: Mapping[str, Json] = field(default_factory=dict)
    """What it said by any other way: a REST API, the attributes of a SAML assertion, an LDAP entry, an
    accepted login. A claims map reads it after the two above."""
    auth_time: int | None = None
    """Seconds since the epoch, as the upstream stated it; None where it did not."""
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None
    session_ends: int | None = None
    """Seconds since the epoch after which its own session is over, where it says so: ours ends no later."""
    keep: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What `CanRefresh.refresh` wants to find again, such as a refresh token. Kept sealed, and only where
    the operator wants the upstream asked again."""
    token: UpstreamToken | None = field(default=None, repr=False)
    """Its own access token. Kept sealed with ``keep``, and only where the operator lets client apps have it
    (RFC 8693). A connector that says one has ``gives_token = True``."""
    logout_by: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What `CanLogOut.logout_url` wants to find again, such as the ID Token as a hint. Kept sealed with the
    session, and only where the operator offers people to sign out there."""
