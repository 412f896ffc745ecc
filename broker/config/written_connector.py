"""What an operator writes about a connector, whatever its type; the type's own keys are its ``Settings``.

Owns `ConnectorEntry` and the kinds of values in it. The docstrings are the reference's words.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from broker.config.words import LocalPath, Switch, Written
from broker.config.written_theme import SaidInWords
from broker.connector import Duration, Freshness, LocalFile, Secret
from broker.domains import read_pattern

ConnectorType = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Fixed(Written):
    """Always this value, whatever the client app sent."""

    fixed: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    """The value."""


def _way(value: Any) -> Any:
    if value in ("drop", "pass") or isinstance(value, (dict, Fixed)):
        return value
    raise ValueError("expected drop, pass, or { fixed: … }")


def _hint_way(value: Any) -> Any:
    if value in ("drop", "pass", "domains") or isinstance(value, (dict, Fixed)):
        return value
    raise ValueError("expected drop, pass, domains, or { fixed: … }")


def _ways(*words: str) -> WithJsonSchema:
    fixed = {
        "type": "object",
        "properties": {"fixed": {"type": "string", "minLength": 1}},
        "required": ["fixed"],
        "additionalProperties": False,
    }
    return WithJsonSchema({"anyOf": [{"enum": list(words)}, fixed]})


Way = Annotated[Literal["drop", "pass"] | Fixed, BeforeValidator(_way), _ways("drop", "pass")]
HintWay = Annotated[
    Literal["drop", "pass", "domains"] | Fixed,
    BeforeValidator(_hint_way),
    _ways("drop", "pass", "domains"),
]
Domain = Annotated[
    str,
    Field(max_length=300),
    AfterValidator(read_pattern),
    WithJsonSchema({"type": "string", "examples": ["acme.example", "*.acme.example"]}),
]


class PassThrough(Written):
    """Which parameters of a request reach the upstream. `prompt=login` and `max_age` always do."""

    login_hint: HintWay = "drop"
    """Who the client app thinks is signing in, or what the person typed on the chooser. With `domains` only
    an e-mail address in one of this connector's `domains` goes on."""
    acr_values: Way = "drop"
    """How strong a login the client app asks for, by `acr_values` or by an essential `acr` in `claims`. Only
    with `pass` does that reach the upstream; an essential `acr` is demanded of its answer in any case."""
    ui_locales: Way = "pass"
    """The languages the person reads."""


def _map_or_path(value: Any) -> Any:
    if isinstance(value, (str, dict)):
        return value
    raise ValueError("expected the path of a claims map, or the map itself")


ClaimsSource = Annotated[
    str | dict[str, Any],
    BeforeValidator(_map_or_path),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "object"}]}),
]


class OlderThan(Written):
    """Only where its last answer is so old."""

    if_older_than: Duration
    """How old."""


class AllowUntil(Written):
    """For a while."""

    allow_until: Duration
    """How old its last answer may be."""


def _when(value: Any) -> Any:
    if value in ("never", "always") or isinstance(value, (dict, OlderThan)):
        return value
    raise ValueError("expected never, always, or { if_older_than: … }")


def _unreachable(value: Any) -> Any:
    if value == "refuse" or isinstance(value, (dict, AllowUntil)):
        return value
    raise ValueError("expected refuse, or { allow_until: … }")


AskedAgain = Annotated[Literal["never", "always"] | OlderThan, BeforeValidator(_when)]
Unreachable = Annotated[Literal["refuse"] | AllowUntil, BeforeValidator(_unreachable)]
Acr = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


def _one_acr_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Acrs = Annotated[
    tuple[Acr, ...],
    BeforeValidator(_one_acr_or_more),
    Field(min_length=1, max_length=16),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]


def _proxy(secret: Secret) -> Secret:
    try:
        parts = urlsplit(secret.reveal())
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port is not None
    except ValueError:
        sound = False
    if not sound or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("expected http://host:port or https://host:port, perhaps with name:password@")
    return secret


class OwnOutbound(Written):
    """How the broker speaks to this upstream, where that is not as to the others."""

    ca: LocalFile | None = None
    """A PEM file with the authorities that its certificate may be from. The system's then do not count."""
    proxy: Annotated[Secret, AfterValidator(_proxy)] | None = None
    """The proxy that https to it goes through, such as `http://proxy.acme.example:3128`. The proxy's own
    address must then be public or within `outbound.allow_networks`; which addresses it connects to is the
    proxy's to guard."""
    timeout: Annotated[Duration, Field(le=60)] | None = None
    """How long one call may take; at most 1m. Without it what `outbound.timeout` says."""


class ConnectorEntry(Written):
    """An identity provider that people sign in at."""

    type: ConnectorType
    """Which kind of connector: one that is installed, or the path of a Python module such as
    `mycompany.sso`. It decides which further keys there are."""
    name: SaidInWords
    """What stands on its button, or that in each language: `{ en: Staff, de: Belegschaft }`."""
    icon: LocalPath | None = None
    """An SVG or PNG file for its button, at most 64 kB; the broker serves it."""
    enabled: Switch = True
    """`false` takes it out of service: nobody signs in through it, and what it gave is not valid."""
    domains: tuple[Domain, ...] = Field(default=(), max_length=10_000)
    """The e-mail domains of its people: `acme.example`, or `*.acme.example` for all below that one. Who gives
    an address there is sent to it (see `routing`); where several connectors name a domain, all of them are
    offered."""
    claims: ClaimsSource | None = None
    """How its words become ours: the path of a claims map, or the map itself. Without it the map that the
    connector brings along."""
    pass_through: PassThrough = PassThrough()
    """Which parameters of a request reach it."""
    freshness: Freshness = "proven"
    """`proven`: after `prompt=login` or `max_age` it must state when the person signed in (`auth_time`).
    `trusted`: it is believed to have asked anew without stating it."""
    acr: dict[Acr, Acrs] = Field(default_factory=dict)
    """How strong a login is, in our words and in its own: `our value: its value`, or a list of its values of
    which the first is asked for. What an app asks for is then translated and passed on, and only what
    stands here is told to apps; an app that asks for one of these values and does not get it is refused."""
    upstream_refresh: AskedAgain = "never"
    """Whether it is asked again when an app refreshes its tokens: `never`, `always`, or
    `{ if_older_than: 15m }`. The claims map then runs again, and what it took away is gone here too. Most
    upstreams want `offline_access` in `scope` for that."""
    on_denied: Literal["revoke", "refuse"] = "revoke"
    """When it then says that the person may not sign in any more. `revoke` ends everything that came of that
    login; `refuse` only refuses this one refresh."""
    on_unreachable: Unreachable = "refuse"
    """When it then cannot be reached: `refuse` until it can, or `{ allow_until: 1h }`."""
    give_token: Switch = False
    """`true`: the upstream's own access token of a login is kept, encrypted, and given to apps that may
    have it (`token_exchange: { upstream_token: true }`)."""
    upstream_logout: Literal["offer", "always", "never"] = "never"
    """`offer`: who signs out here is shown a link that ends their session there too, and comes back to
    `/signed-out`, an address to register there. `always`: they go there by themselves, and from there on to
    where the app wants them."""
    outbound: OwnOutbound = OwnOutbound()
    """How the broker speaks to it, where that is not as to the others."""
