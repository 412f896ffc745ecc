"""The tools of a connector: everything that it may use of the world outside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from broker.connector.errors import UpstreamInvalid
from broker.connector.settings import Secret
from broker.connector.values import Json, SignedClaims
from broker.protocol.id_token import Expected
from broker.protocol.logout import ExpectedLogout
from broker.strictjson import StrictJSONError, parse


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's HTTP answer, read whole and within its limits."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case; of one that repeats, the first."""

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

    async def get(
        self,
        url: str,
        *,
        bearer: str | None = None,
        accept: str = ...,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET, with a bearer token in its header if there is one; ``headers`` are for an API's version."""
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

    async def post_json(
        self,
        url: str,
        body: Json,
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a JSON document once."""
        ...

    async def document(self, url: str) -> Mapping[str, Json]:
        """A JSON object that rarely changes (discovery): cached, fetched by one task at a time."""
        ...

    async def newer_document(self, url: str) -> Mapping[str, Json]:
        """The same, asked for anew unless that was done within the last minute."""
        ...

    async def file(self, url: str) -> bytes:
        """A file that rarely changes and is no JSON (SAML metadata): cached like a document."""
        ...

    async def newer_file(self, url: str) -> bytes:
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

    async def logout_token(self, token: str, *, jwks_uri: str, expected: ExpectedLogout) -> SignedClaims:
        """A logout token's claims, the token checked in full (Back-Channel Logout 1.0 §2.6).

        That nobody says it again is for the broker to see to.

        Raises:
            UpstreamInvalid: any check failed; ``reason`` names it.
            UpstreamUnavailable: the keys could not be had.
        """
        ...

    async def signed(
        self,
        token: str,
        *,
        jwks_uri: str,
        algorithms: tuple[str, ...],
        types: tuple[str, ...] | None = None,
    ) -> Mapping[str, Json]:
        """The claims of another token that the upstream's keys signed: nothing else of it is checked.

        ``types`` are the values that its ``typ`` may have, in lower case, the empty one for none; without
        them any.

        Raises:
            UpstreamInvalid: it is not signed by one of these keys.
            UpstreamUnavailable: the keys could not be had.
        """
        ...

    async def algorithms(self, *, jwks_uri: str) -> frozenset[str]:
        """What the keys that are published there now can verify.

        Raises:
            UpstreamInvalid: that is no set of keys.
            UpstreamUnavailable: the keys could not be had.
        """
        ...

    def opened(self, token: str, *, algorithm: str, encodings: tuple[str, ...]) -> str:
        """The signed token inside one that was encrypted to this connector's ``decryption_key`` (RFC 7516).

        Raises:
            UpstreamInvalid: it is not encrypted, not to this key, or not in the way that was agreed on.
        """
        ...


class Assert(Protocol):
    """Makes a client assertion (RFC 7523 §2.2) with this connector's own key."""

    def __call__(
        self,
        *,
        client_id: str,
        audience: str,
        secret: Secret | None = None,
        issuer: str | None = None,
        kid: str | None = None,
        x5t: str | None = None,
    ) -> str:
        """A fresh signed assertion with a ``jti`` of its own, good for a minute.

        With ``secret`` it is an HMAC (``client_secret_jwt``, Core §9) instead of a signature. ``issuer`` and
        ``kid`` are for an upstream that wants others than the client_id and the key's thumbprint there.
        ``x5t``, the SHA-256 thumbprint of a certificate, is for one that finds our key by it and then wants
        RSA with PSS.
        """
        ...


class Once(Protocol):
    """Remembers what may be used only once, for all workers of the broker."""

    async def __call__(self, name: str, *, ttl: float) -> bool:
        """True for the first who names it; False for everybody else within ``ttl`` seconds."""
        ...


class HandOffs(Protocol):
    """Logins that another program of the operator's decides (`connectors.custom`)."""

    async def open(self, asked: Mapping[str, Json], *, back: str) -> tuple[str, str]:
        """A new one: its ``login_id`` and ``login_state``. It lives as long as a login may take.

        ``asked`` is what the other program may read; ``back`` is where it sends the browser once it has
        decided, and is told to nobody before.
        """
        ...

    async def take(self, login_id: str) -> Mapping[str, Json] | None:
        """What was decided, once: the members of an accept or a reject; None where nothing was yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of the built-in pool whose password was right."""

    id: str
    """Random, and never used again for somebody else."""
    username: str = ""
    """As its owner writes it."""
    claims: Mapping[str, Json] = field(default_factory=dict)
    totp: bool = False
    """Whether a second factor is set up, and must be shown."""


class People(Protocol):
    """The built-in pool of one connector.

    Raises:
        UpstreamUnavailable: the store is away, or more passwords come than can be checked.
    """

    async def check_password(self, username: str, password: Secret) -> Person | None:
        """The person, or None: no such one, disabled, or another password; each after the same work."""
        ...

    async def check_totp(self, person_id: str, code: str) -> Person | None:
        """The person, if this is the code of the moment and was not used before (RFC 6238 §5.2)."""
        ...

    async def person(self, person_id: str) -> Person | None:
        """Who that is now; None when gone or disabled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Where this connector is, seen from the upstream."""

    connector: str
    """Its id in the operator's file."""
    issuer: str
    redirect_uri: str
    """Where the upstream answers: our callback, which SAML calls the assertion consumer service."""
    login_uri: str
    """The login page of ours, for a connector that `Asks`."""
    metadata_uri: str
    """Where what it `Publishes` is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Everything a connector may use of the world outside it."""

    http: UpstreamHTTP
    verify: Verify
    client_assertion: Assert
    now: Callable[[], float]
    """Seconds since the epoch."""
    fresh: Callable[[], str]
    """A fresh name that nobody can guess, of letters, digits, ``-`` and ``_``."""
    here: Here
    once: Once
    people: People
    hand_offs: HandOffs
