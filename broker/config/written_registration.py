"""What an operator writes about apps that come without one: by registration, or by a document of their own.

Owns the sections ``registration`` and ``client_id_metadata_documents``; the docstrings are the explanations
in `broker schema` and the reference page. RFC 7591, RFC 7592, OAuth Client ID Metadata Document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from broker.config.words import LocalPath, SpaceSeparated, StrongSecret, Switch, Written, one_or_more
from broker.connector import Duration
from broker.protocol.client import AuthMethod, GrantType

Url = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Text = Annotated[str, StringConstraints(min_length=1)]
HostPattern = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class SoftwareStatementIssuer(Written):
    """Somebody whose word about an app is believed: one of `jwks` and `jwks_uri` says by which keys."""

    jwks: LocalPath | None = None
    """A file with their public keys, a JWK set."""
    jwks_uri: Url | None = None
    """Where their public keys are, fetched as `outbound` allows."""


class Registration(Written):
    """Apps that register themselves (RFC 7591). They are never trusted: people are always asked."""

    policy: Literal["off", "token", "open"] = "off"
    """`off`: nobody can. `token`: whoever has an initial access token. `open`: anybody."""
    initial_access_tokens: Annotated[tuple[StrongSecret, ...], BeforeValidator(one_or_more)] = Field(
        default=(), max_length=32
    )
    """Who sends one of these may register where the policy is `token`. At least 32 random characters each."""
    scope: SpaceSeparated = ("openid", "profile", "email", "offline_access")
    """The scopes that such an app may ask for. It gets those of them that it registers, or all."""
    connectors: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The connectors that its people may use; without it all of them."""
    grant_types: tuple[GrantType, ...] = Field(default=("authorization_code", "refresh_token"), min_length=1)
    """What it may register to redeem."""
    token_endpoint_auth_methods: tuple[AuthMethod, ...] = Field(
        default=("none", "client_secret_basic", "client_secret_post", "private_key_jwt"), min_length=1
    )
    """How it may prove who it is."""
    require_pkce: Switch = True
    """`false` lets an app with a secret do without PKCE."""
    max_clients: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """How many there may be at one time."""
    per_address: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """How many one address may register within an hour."""
    unused: Duration = 86400
    """After what time an app is forgotten that nobody has signed in to."""
    idle: Duration = 365 * 86400
    """After what time an app is forgotten that got no token any more."""
    software_statement_issuers: dict[Text, SoftwareStatementIssuer] = Field(default_factory=dict)
    """Whose software statements are believed, by the `iss` in them. What a statement says wins over what the
    app says of itself."""
    require_software_statement: Switch = False
    """Whether nobody may register without one."""


class ClientDocuments(Written):
    """Apps whose `client_id` is the https URL of a document that describes them, without any registration.

    People see the host, and are always asked unless you trust the very document.
    """

    enabled: Switch = False
    """`true` lets them in."""
    allow_hosts: tuple[HostPattern, ...] = Field(default=(), max_length=1000)
    """The hosts that such documents may be on, `*.` standing for every host below; without it any that
    `outbound` allows."""
    scope: SpaceSeparated = ("openid", "profile", "email", "offline_access")
    """The scopes that such an app may ask for."""
    connectors: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The connectors that its people may use; without it all of them."""
    trusted: tuple[Url, ...] = Field(default=(), max_length=1000)
    """The URLs of documents of your own apps: people are not asked for their consent."""
    ca: LocalPath | None = None
    """A PEM file: whom the certificates of those hosts must be from, instead of the system's roots."""
