"""The contract between the broker and a connector: what a connector is given, and what it returns.

Owns the values that cross that line and the tools a connector may use. It knows no upstream, no
client app, no store; a connector imports this module and nothing else of the broker.

A connector is a module with three names:

    Settings    a frozen pydantic model, the keys an operator writes in YAML
    Connector   a class made as ``Connector(settings, tools)`` with ``begin``, ``finish``, ``ping``
    CLAIMS      the text of the claims map that holds when the operator names none

What only some upstreams can do is a separate small protocol, found with ``isinstance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NewType, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from broker.protocol.id_token import Expected as Expected  # noqa: PLC0414 - connectors find it here
from broker.strictjson import StrictJSONError, parse

# Claims whose signature, issuer, audience, times and nonce have been checked. Only a `Verify` makes them.
SignedClaims = NewType("SignedClaims", Mapping[str, Any])

Json = Any
"""A decoded JSON value, as an upstream sent it: nothing is known of it until it is looked at."""


class Secret:
    """A string that does not print itself; ``reveal()`` is the one way to its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one line that sends or compares it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.with_info_after_validator_function(cls._read, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def _read(cls, text: str, info: ValidationInfo) -> Secret:
        """Whoever reads the operator's file knows how to open ``file:PATH``."""
        opener = (info.context or {}).get("secret")
        return cls(opener(text) if opener is not None else text)


class ConnectorSettings(BaseModel):
    """What every connector's ``Settings`` inherits: frozen, and no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


# ── What the broker asks, and what comes back ─────────────────────────────────────────────────


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
    ui_locales: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where the browser goes next, and what the connector wants to find again at ``finish``."""

    url: str
    memory: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamIdentity:
    """Who the upstream says this is: verified, and not yet in our own words."""

    issuer: str
    subject: str
    """The subject key: the connector's choice of something stable, never a name or an address."""
    id_token: Mapping[str, Json] = field(default_factory=dict)
    userinfo: Mapping[str, Json] = field(default_factory=dict)
    auth_time: int | None = None
    """Seconds since the epoch, as the upstream stated it; None where it did not."""
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None


# ── What goes wrong at an upstream ────────────────────────────────────────────────────────────


class UpstreamError(Exception):
    """Something upstream went wrong. ``detail`` is for our log and is never shown to anyone.

    UpstreamError
    ├── UpstreamRefused      it answered with an OAuth error of its own
    ├── UpstreamUnavailable  it could not be reached, was too slow, or said "later"
    └── UpstreamInvalid      it answered, and the answer must not be believed
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class UpstreamRefused(UpstreamError):
    """The upstream answered with ``error``, one of the codes of OAuth or OpenID Connect."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(detail or error)
        self.error = error


class UpstreamUnavailable(UpstreamError):
    """No answer in time, or an answer that says to come back later."""


class UpstreamInvalid(UpstreamError):
    """An answer that breaks a rule: a wrong signature, issuer, nonce, shape or size.

    ``reason`` is a short stable word for the audit log, such as ``nonce_mismatch``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class UpstreamStale(UpstreamInvalid):
    """The login is genuine but older than was asked for (``max_age``, ``prompt=login``)."""


class UpstreamUnmet(UpstreamInvalid):
    """The login is genuine but did not reach the essential ``acr`` that was asked for."""


# ── The tools a connector works with ──────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's HTTP answer, read whole and within its limits."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Json:
        """The body as JSON.

        Raises:
            UpstreamInvalid: it is not JSON, or a key repeats in one of its objects.
        """
        try:
            return parse(self.body)
        except StrictJSONError as error:
            raise UpstreamInvalid("not_json", str(error)) from error


class UpstreamHTTP(Protocol):
    """HTTP to one upstream: with a deadline, a size limit, no redirects, no cookies, guarded addresses.

    Raises:
        UpstreamUnavailable: no whole answer in time.
        UpstreamInvalid: the address is not allowed, or the answer is too large.
    """

    async def get(self, url: str, *, bearer: str | None = None, accept: str = ...) -> Answer:
        """GET, with a bearer token in its header if there is one."""
        ...

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: str | None = None,
    ) -> Answer:
        """POST a form once, never again by itself (a code is single use)."""
        ...

    async def document(self, url: str) -> Mapping[str, Json]:
        """A JSON object that rarely changes (discovery): cached, fetched by one task at a time."""
        ...

    async def newer_document(self, url: str) -> Mapping[str, Json]:
        """The same, asked for anew unless that was done within the last minute."""
        ...


class Verify(Protocol):
    """Checks what an upstream signed: Core §3.1.3.7, RFC 8725."""

    async def __call__(self, token: str, *, jwks_uri: str, expected: Expected) -> SignedClaims:
        """An ID Token's claims, the token checked in full.

        Raises:
            UpstreamInvalid: any check failed; ``reason`` names it.
            UpstreamUnavailable: the keys could not be had.
        """
        ...

    async def signed(self, token: str, *, jwks_uri: str, algorithms: tuple[str, ...]) -> Mapping[str, Json]:
        """The claims of another token that the upstream's keys signed: nothing else of it is checked.

        Raises:
            UpstreamInvalid: it is not signed by one of these keys.
            UpstreamUnavailable: the keys could not be had.
        """
        ...


class Assert(Protocol):
    """Makes a client assertion (RFC 7523 §2.2) with this connector's own key."""

    def __call__(self, *, client_id: str, audience: str) -> str:
        """A fresh signed assertion with a ``jti`` of its own, good for a minute."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Everything a connector may use of the world outside it."""

    http: UpstreamHTTP
    verify: Verify
    client_assertion: Assert
    now: Callable[[], float]
    """Seconds since the epoch."""


@runtime_checkable
class Connector(Protocol):
    """An upstream: where to send the browser, and how to read what it brings back."""

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


Freshness = Literal["proven", "trusted"]
