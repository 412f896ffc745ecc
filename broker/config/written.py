"""What an operator writes, key by key.

Owns the models of the YAML: their docstrings are the explanations in `broker schema` and in the reference
page, so they are written for operators. RFC 7591 §2 names the keys of a client. What follows from
several keys together is checked where the section is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from broker.config.words import (
    DurationOrNone,
    Line,
    LocalPath,
    Network,
    StrongSecret,
    Switch,
    Written,
    one_or_more,
)
from broker.config.written_client import ClientEntry
from broker.config.written_connector import ConnectorEntry
from broker.config.written_grants import AssertionIssuerEntry
from broker.config.written_registration import ClientDocuments, Registration
from broker.config.written_requests import DetailTypeEntry, ResourceEntry
from broker.config.written_theme import SaidInWords, ThemeEntry
from broker.connector import Duration
from broker.protocol.client import SigningAlg
from broker.protocol.routing import ByDomain, Remembered
from broker.protocol.uris import check_issuer, check_origin

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Tls(Written):
    """The certificate for serving https without a proxy."""

    certificate: LocalPath
    """A PEM file with the certificate and what leads up to its root."""
    key: LocalPath
    """A PEM file with its private key, without a passphrase."""
    client_ca: LocalPath | None = None
    """A PEM file with the authorities whose client certificates are believed, at `listen_mtls`. An app's own
    certificates are known from its `jwks`."""


class TrustedProxies(Written):
    """The only machines that are believed about scheme, host and client address."""

    networks: tuple[Network, ...] = Field(min_length=1)
    """Where the proxies are, such as `10.0.0.7`, and nobody else: who is in them may say to be anybody."""
    headers: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    """Which headers they set: `X-Forwarded-*`, or `Forwarded` (RFC 7239). The other kind is ignored."""
    client_certificate_header: str | None = Field(default=None, min_length=1)
    """The header in which they pass a client certificate on, such as `Client-Cert` (RFC 9440), or nginx's
    `$ssl_client_escaped_cert` in a header of your choice. From anybody else it is ignored; the proxies must
    take it out of what they are sent."""
    client_ca: LocalPath | None = None
    """A PEM file with the authorities whose client certificates are believed when they come so. Needed for
    `tls_client_auth`; the chain may come in `Client-Cert-Chain`."""


class Store(Written):
    """Where logins, sessions, consents and grants are kept."""

    url: str = "embedded"
    """A server that speaks the Redis protocol: `redis://`, `rediss://` or `unix://`; or `embedded`, a
    store of the broker's own under `state_dir`, for one machine."""
    prefix: Annotated[str, StringConstraints(pattern=r"^[!-z|~]{0,64}$")] = "broker:"
    """Stands before the name of every key, so that several brokers can share a server."""
    encryption_keys: tuple[StrongSecret, ...] = Field(default=(), max_length=8)
    """Everything stored is encrypted: the first key encrypts, all of them decrypt. At least 32 random
    characters each. Needed with a store URL; the embedded store makes its own."""


class Keys(Written):
    """The keys that sign tokens. Without this the broker makes and rotates its own."""

    files: tuple[LocalPath, ...] = ()
    """Private keys as PEM files; the broker then makes none."""
    algorithms: tuple[SigningAlg, ...] | None = None
    """What tokens are signed with. RS256 must be among them (OpenID Connect Discovery). Without it RS256,
    whatever a client asks for, and, where the broker makes the keys, ES256."""
    rotate_every: Duration = 90 * 86400
    """How long a key that the broker made signs before the next one does."""


class ScopeEntry(Written):
    """A scope: what it is in words, and which claims come with it."""

    description: SaidInWords | None = None
    """The words on the consent page, or those of each language: `{ en: Read your invoices, de: … }`. For a
    dynamic scope, `{value}` stands for its last segment."""
    claims: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = ()
    """The claims that are released with it."""
    optional: Switch = True
    """Whether a person may untick it."""
    sensitive: Switch = False
    """Never ticked beforehand."""


class ContextEntry(Written):
    """A claim that the broker knows: its type, who may have it, and whether it is shown."""

    type: Literal["string", "integer", "number", "boolean", "list", "object", "timestamp"]
    """What its value is; one of another type is left out. A `timestamp` is seconds since the epoch."""
    description: Line | None = None
    """What it means."""
    scope: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
        BeforeValidator(one_or_more),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}},
                ]
            }
        ),
    ] = ()
    """The scope that releases it, or a list of them; beside what `scopes` says."""
    sensitive: Switch = False
    """Nothing of it is ever shown to an operator, not even its length."""


class RefreshTokenLifetimes(Written):
    """How long refresh tokens live."""

    idle: Duration = 14 * 86400
    """Without being used."""
    absolute: Duration = 90 * 86400
    """Altogether."""
    grace: DurationOrNone = Field(default=10, le=60)
    """How long the one before is answered again, for an app that lost the answer; `0s` is never."""


class SessionLifetimes(Written):
    """How long a browser stays signed in."""

    idle: Duration = 3600
    """Without being used."""
    absolute: Duration = 12 * 3600
    """Altogether."""


class Lifetimes(Written):
    """How long things live."""

    login: Duration = 600
    """From the first page to the upstream's answer."""
    code: Annotated[Duration, Field(le=600)] = 60
    """An authorization code; at most 10m (RFC 6749 §4.1.2)."""
    par: Annotated[Duration, Field(le=600)] = 90
    """A pushed request, until a browser brings its name (RFC 9126 §2.2); at most 10m."""
    device: Annotated[Duration, Field(le=1800)] = 600
    """The code that a device shows, until somebody has signed it in (RFC 8628); at most 30m."""
    access_token: Annotated[Duration, Field(le=86400)] = 300
    """An access token; at most 1d. An API that checks it by itself sees a withdrawal only at its end."""
    id_token: Annotated[Duration, Field(le=86400)] = 300
    """An ID Token; at most 1d."""
    refresh_token: RefreshTokenLifetimes = RefreshTokenLifetimes()
    """A refresh token."""
    session: SessionLifetimes = SessionLifetimes()
    """A browser's single sign-on."""
    explain: DurationOrNone = Field(default=600, le=86400)
    """For how long `broker explain` can tell how a login came out; at most 1d, `0s` is never."""
    consent: Duration = 365 * 86400
    """What a person allowed an app, until it is asked again."""


class Routing(Written):
    """Which way of signing in a person is sent to when several are possible."""

    email_domains: ByDomain = "redirect"
    """What an e-mail address does whose domain is among the `domains` of a connector: `redirect` sends the
    person there at once, `choose` offers only the connectors of the domain, `off` looks at no address."""
    remembered: Remembered = "first"
    """What becomes of the way that a browser used last: `first` puts it first, `straight` takes it without
    asking. A person can take that back, on the page where they choose and on their account page."""


class Outbound(Written):
    """How the broker speaks to upstreams and client apps."""

    timeout: Annotated[Duration, Field(le=60)] = 5
    """How long one call may take; at most 1m."""
    allow_networks: tuple[Network, ...] = ()
    """Private or loopback networks that may be spoken to; without it none."""


class BrokerFile(Written):
    """The configuration of the federation broker. A file named under `include` has the same keys."""

    issuer: Annotated[str, AfterValidator(check_issuer)]
    """The URL that people's browsers and client apps know the broker by, without a slash at its end. Where
    it has a path, a proxy may take that away or leave it."""
    listen: Annotated[str, StringConstraints(min_length=1, max_length=300)] = "127.0.0.1:8080"
    """Where to listen: `address:port`, or `unix:` and the path of a socket."""
    tls: Tls | None = None
    """Serve https directly, without a proxy."""
    listen_mtls: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    """Where to listen for apps that show a client certificate: `address:port`, with the certificate of `tls`.
    Browsers stay at `listen`, so that they are never asked for one."""
    mtls_url: Annotated[str, AfterValidator(check_origin)] | None = None
    """Scheme, host and port by which apps know `listen_mtls`, or the place where a proxy asks for
    certificates, for the metadata; without it the host of `issuer` and the port of `listen_mtls`."""
    trusted_proxies: TrustedProxies | None = None
    """The proxies in front of the broker."""
    store: Store = Store()
    """Where state is kept."""
    state_dir: LocalPath | None = None
    """A folder for the embedded store, and with it the signing keys and the subject key. Back it up."""
    subject_key: StrongSecret | None = None
    """Every person's `sub` hangs on it: back it up, and never change it. Needed with a store URL; beside
    the embedded store the broker makes its own."""
    keys: Keys = Keys()
    """The keys that sign tokens."""
    connectors: dict[str, ConnectorEntry] = Field(default_factory=dict)
    """The identity providers, by an id of your choice. The id is part of every person's `sub`: it never
    changes."""
    clients: dict[str, ClientEntry] = Field(default_factory=dict)
    """The apps, by their `client_id`."""
    registration: Registration = Registration()
    """Apps that register themselves. Off until it says otherwise."""
    client_id_metadata_documents: ClientDocuments = ClientDocuments()
    """Apps that are described by a document of their own. Off until it says otherwise."""
    scopes: dict[str, ScopeEntry] = Field(default_factory=dict)
    """Scopes beside openid, profile, email, address, phone and offline_access; one of those may be named to
    add claims to it or to change its words."""
    resources: dict[str, ResourceEntry] = Field(default_factory=dict)
    """The APIs that client apps may ask tokens for, by URI (RFC 8707). An API among the `clients` whose
    `audience` is a URI is one of them without being said here."""
    authorization_details_types: dict[str, DetailTypeEntry] = Field(default_factory=dict)
    """What client apps may ask for in particular, beyond scopes, by type (RFC 9396)."""
    require_pushed_authorization_requests: Switch = False
    """`true` takes requests from no client app but those that were pushed to `/par` first (RFC 9126 §5)."""
    assertion_issuers: dict[str, AssertionIssuerEntry] = Field(default_factory=dict)
    """Whose signed assertions are taken for a grant (RFC 7523), by a name of your choice. The name is part of
    the `sub` of everybody who comes by it: it never changes."""
    context: dict[str, ContextEntry] = Field(default_factory=dict)
    """The claims that the broker knows beside the standard ones. With this section a claims map or a scope
    that names another is a mistake; without it any claim may be given."""
    theme: ThemeEntry = ThemeEntry()
    """How the pages look."""
    lifetimes: Lifetimes = Lifetimes()
    """How long logins, tokens, sessions and consents live."""
    routing: Routing = Routing()
    """How people come to their way of signing in."""
    outbound: Outbound = Outbound()
    """Calls to upstreams and client apps."""
    workspaces: dict[str, Any] = Field(default_factory=dict)
    """Further issuers in the same process, by name: `NAME` is at the issuer's URL with `/t/NAME` behind it.
    Each has the keys of this file, or names a file that has them, except those about the machine, which it
    shares; its `lifetimes` are these unless it says others. Nothing of one is reachable from another."""
    include: tuple[Name, ...] = ()
    """Further files, as paths or patterns such as `clients.d/*.yaml`. Each is a piece of this one; the same
    name in two of them is a mistake."""
