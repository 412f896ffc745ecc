"""The configuration as the rest of the house reads it: complete, checked, and never changed.

Owns `Config` and its parts. Lengths of time are whole seconds. Nothing here prints a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import ModuleType
from typing import Literal

from broker.config.problems import Problem
from broker.config.registration import ClientDocumentsConfig, RegistrationConfig
from broker.config.written_connector import Fixed, OwnOutbound, PassThrough
from broker.connector import ConnectorSettings, Freshness, Secret
from broker.domains import DomainIndex
from broker.mapping import ClaimsMap
from broker.protocol.asking import UpstreamRefresh
from broker.protocol.assertion_grants import AssertionIssuer
from broker.protocol.authorization_details import DetailType
from broker.protocol.client import Client, ScopeRule, SigningAlg
from broker.protocol.metadata import Offer
from broker.protocol.names import Names
from broker.protocol.resources import Resource
from broker.protocol.routing import ByDomain, Remembered, Routes

__all__ = [
    "Config",
    "ConnectorConfig",
    "Fixed",
    "Image",
    "KeysConfig",
    "Lifetimes",
    "Listen",
    "OutboundConfig",
    "PassThrough",
    "RefreshTokenLifetimes",
    "RoutingConfig",
    "SessionLifetimes",
    "StoreConfig",
    "Theme",
    "TlsConfig",
    "TrustedProxies",
]

EMBEDDED = "embedded"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen: an address and port, or the path of a Unix socket."""

    host: str | None = None
    port: int | None = None
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if self.host and ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The files for serving https directly."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """The authorities whose client certificates are believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """Whose forwarding headers are believed, and which kind. Without networks, nobody's."""

    networks: tuple[Network, ...] = ()
    headers: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    client_certificate_header: str | None = None
    """Where they pass a client certificate on; None is nowhere."""
    client_ca: Path | None = None
    """The authorities whose client certificates are believed when they come so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where state is kept."""

    url: str = field(default=EMBEDDED, repr=False)  # it may hold a password
    """``embedded``, or the URL of a server."""
    prefix: str = "broker:"
    encryption_keys: tuple[Secret, ...] = ()
    """The first encrypts, all decrypt. May be empty with the embedded store only."""
    workspace: str = ""
    """Whose part of the store it is; each derives keys of its own."""
    home: Path | None = None
    """Where the embedded store lies, where that is not ``state_dir``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """The keys that sign tokens."""

    files: tuple[Path, ...] = ()
    algorithms: tuple[SigningAlg, ...] = ("RS256", "ES256")
    """Every algorithm that a client asks for is among them, and RS256."""
    rotate_every: int = 90 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTokenLifetimes:
    """How long refresh tokens live, and how long a superseded one is answered again."""

    idle: int = 14 * 86400
    absolute: int = 90 * 86400
    grace: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLifetimes:
    """How long a browser stays signed in."""

    idle: int = 3600
    absolute: int = 12 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things live, in seconds."""

    login: int = 600
    code: int = 60
    device: int = 600
    par: int = 90
    access_token: int = 300
    id_token: int = 300
    refresh_token: RefreshTokenLifetimes = field(default_factory=RefreshTokenLifetimes)
    session: SessionLifetimes = field(default_factory=SessionLifetimes)
    consent: int = 365 * 86400
    explain: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundConfig:
    """How the broker speaks to others."""

    timeout: float = 5.0
    allow_networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    """Which way of signing in a person is sent to, and what is looked up for that."""

    email_domains: ByDomain = "redirect"
    remembered: Remembered = "first"
    domains: DomainIndex = field(default_factory=DomainIndex, repr=False)
    """The enabled connectors by e-mail domain; empty where addresses are not looked at."""
    routes: Routes = field(repr=False)
    """The enabled connectors by client app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """How the pages look: the issuer's, or a client app's with the rest from it."""

    name: str = ""
    logo: str | None = None
    """A path under ``/static``, or None."""
    accent: str | None = None
    """``#rrggbb``, before anything is done so that it can be read."""
    radius: int | None = None
    """In pixels."""
    help_url: str | None = None
    privacy_url: str | None = None
    terms_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that the operator gave and the broker serves."""

    content: bytes = field(repr=False)
    media_type: Literal["image/svg+xml", "image/png"]
    ratio: float
    """Its width over its height, so that a page can keep its place free before it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """One upstream, with the module that knows it and the settings of that module."""

    id: str
    type: str
    name: str
    icon: str | None = None
    """A path under ``/static``, or None."""
    enabled: bool = True
    domains: Names = field(default_factory=Names)
    """The e-mail domains of its people, as `broker.domains.read_pattern` gives them."""
    claims: ClaimsMap
    pass_through: PassThrough
    freshness: Freshness
    acr: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ours → theirs."""
    refresh: UpstreamRefresh = field(default_factory=UpstreamRefresh)
    gives_token: bool = False
    """Whether client apps may have its own access token of a login, where their entry lets them."""
    offers_logout: bool = False
    """Whether who signs out here may end their session there too."""
    logs_out_always: bool = False
    """Whether they do so without being asked."""
    outbound: OwnOutbound = field(default_factory=OwnOutbound)
    settings: ConnectorSettings
    module: ModuleType


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextClaim:
    """A claim that the operator declared."""

    type: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything an operator decided."""

    issuer: str
    listen: Listen
    tls: TlsConfig | None
    trusted_proxies: TrustedProxies
    store: StoreConfig
    state_dir: Path
    subject_key: Secret | None
    """Never None with a store URL."""
    keys: KeysConfig
    connectors: Mapping[str, ConnectorConfig]
    """All of them, in the order of the files; the disabled ones too."""
    clients_by_id: Mapping[str, Client]
    scope_rules: Mapping[str, ScopeRule]
    lifetimes: Lifetimes
    outbound: OutboundConfig
    routing: RoutingConfig
    images: Mapping[str, Image]
    """What is served at the paths that ``Client.logo``, ``ConnectorConfig.icon`` and ``Theme.logo`` name."""
    theme: Theme = Theme()
    """How the pages look."""
    client_themes: Mapping[str, Theme] = field(default_factory=dict)
    """How they look for the client apps that say so."""
    said: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The operator's words in other languages: language → the default words → those words."""
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    client_documents: ClientDocumentsConfig = field(default_factory=ClientDocumentsConfig)
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """What tokens may be asked for by name: the declared ones, and the APIs among the clients."""
    authorization_details_types: Mapping[str, DetailType] = field(default_factory=dict)
    require_pushed_authorization_requests: bool = False
    assertion_issuers: Mapping[str, AssertionIssuer] = field(default_factory=dict)
    """Whose assertions are taken for a grant, by the operator's name for them."""
    listen_mtls: Listen | None = None
    """Where apps show client certificates; None is nowhere."""
    mtls_url: str | None = None
    """The same as a URL, with the path of the issuer: what an endpoint's path stands behind there."""
    context: Mapping[str, ContextClaim] = field(default_factory=dict)
    """The claims that the operator declared; empty where none were."""
    notes: tuple[Problem, ...] = ()
    """What is allowed but worth telling the operator."""
    workspace: str = ""
    """Its name, where it is one of several issuers under one host; empty for the host's own."""
    workspaces: Mapping[str, Config] = field(default_factory=dict)
    """The other issuers that this process serves, by name; each is whole by itself."""

    @property
    def offer(self) -> Offer:
        """What the metadata is made from."""
        registers, documents = self.registration.policy != "off", self.client_documents.enabled
        strangers = ((self.registration, registers), (self.client_documents, documents))
        return Offer(
            issuer=self.issuer,
            scopes=self.scope_rules,
            clients=self.clients_by_id,
            detail_types=tuple(self.authorization_details_types),
            pushed_only=self.require_pushed_authorization_requests,
            registration=registers,
            certificates=self.listen_mtls is not None
            or self.trusted_proxies.client_certificate_header is not None,
            mtls_url=self.mtls_url,
            client_documents=documents,
            strangers=tuple(section.allowed for section, is_on in strangers if is_on),
        )
