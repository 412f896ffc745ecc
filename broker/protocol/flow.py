"""The values that one login is made of, in the order in which they come to be.

    AuthorizeRequest       what the client app asked, validated               /authorize
    PendingRequest         the same, waiting for a GET of ours or the chooser
    PendingLogin           on its way to an upstream                          until /callback
    AuthenticationContext  who it is, in our words, and where each came from  mapping.apply
    Held                   what the upstream is asked again by                until it refuses
    Session                the browser's single sign-on                       until it ends
    PendingConsent         waiting for the person's answer                    until /consent
    Consent                what a person allowed a client                     until withdrawn
    Grant                  what a code stands for, and its tokens after it    until the last expires

All are frozen. A pending record is found only by both its id, which travels, and the browser's own
cookie; neither alone opens anything. Instants are seconds since the epoch, lengths are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from broker.protocol.client import GrantType
from broker.protocol.reply import ReplyTo
from broker.record import Record

Prompt = Literal["none", "login", "consent", "select_account"]


class ClaimAsk(Record, frozen=True, kw_only=True):
    """One entry of the ``claims`` parameter (Core §5.5.1)."""

    essential: bool = False
    values: tuple[Any, ...] = ()


class ClaimsRequest(Record, frozen=True, kw_only=True):
    """The ``claims`` parameter (Core §5.5), by the place where each is to be returned."""

    id_token: Mapping[str, ClaimAsk] = {}
    userinfo: Mapping[str, ClaimAsk] = {}


class ForDevice(Record, frozen=True, kw_only=True):
    """A device that a person signs in for (RFC 8628 §3.3)."""

    id: str
    """Names it in the store, and opens nothing."""
    from_link: bool = False
    """Its code came with a link (§3.3.1), so nobody has read it off the device."""


class AuthorizeRequest(Record, frozen=True, kw_only=True):
    """A valid authentication request (Core §3.1.2.1). Nobody after this asks whether it is valid."""

    HIDDEN: ClassVar = frozenset({"pushed"})
    client_id: str
    reply_to: ReplyTo
    """The permission to redirect: made only from a registered redirect_uri."""
    scopes: tuple[str, ...]
    """Asked for, declared and assigned to the client; in the order asked."""
    nonce: str | None = None
    code_challenge: str | None = None
    """S256 only; None only where the client need not use PKCE."""
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None
    acr_values: tuple[str, ...] = ()
    ui_locales: tuple[str, ...] = ()
    claims: ClaimsRequest = ClaimsRequest()
    connector: str | None = None
    """The upstream the client hints at, already known to be one it allows."""
    subject: str | None = None
    """Whom the ``id_token_hint`` names: nobody else may be answered about."""
    session_may_answer: bool = True
    """False after an ``id_token_hint`` that is not a good one of ours."""
    correlation_id: str = ""
    """Names this login in the log from its first request to its last token."""
    resources: tuple[str, ...] = ()
    """Where the access tokens are to be used (RFC 8707 §2.1)."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """What is asked beyond scopes (RFC 9396 §2), each of a declared type."""
    dpop_jkt: str | None = None
    """The key that must prove itself when the code is redeemed (RFC 9449 §10)."""
    pushed: str = ""
    """The reference that it was pushed under (RFC 9126 §2.2), good for one answer; empty where it was not."""
    device: ForDevice | None = None
    """The device that a person signs in for; None where an app asks for its own browser."""


class PendingRequest(Record, frozen=True, kw_only=True):
    """A request that waits for our own GET, which has the cookies, or for a choice of upstream."""

    asked: AuthorizeRequest


class Decision(Record, frozen=True, kw_only=True):
    """One decision of a login, for `broker explain`: about session, routing, upstream or consent."""

    about: str
    outcome: str
    why: str = ""


class PendingLogin(Record, frozen=True, kw_only=True):
    """A login on its way to an upstream, and what must come back unchanged."""

    HIDDEN: ClassVar = frozenset({"nonce", "code_verifier", "memory"})
    asked: AuthorizeRequest
    connector: str
    nonce: str
    code_verifier: str
    memory: Mapping[str, str]
    started_at: float
    detour: str = ""
    """Why it began once more, in a word of the connector's."""
    detours: int = 0
    """How often it did."""
    decisions: tuple[Decision, ...] = ()
    """What was decided before the person left; empty where nobody will ask."""


class AuthenticationContext(Record, frozen=True, kw_only=True):
    """Who signed in, in our own words."""

    HIDDEN: ClassVar = frozenset({"claims", "documents"})
    subject: str
    """Our ``sub``: minted, stable, not reversible."""
    connector: str
    """Where they signed in; empty where nobody did, because a client app speaks for itself."""
    auth_time: int | None
    """As the upstream stated it; None where it did not and nobody asked."""
    acr: str | None = None
    amr: tuple[str, ...] = ()
    claims: Mapping[str, Any] = {}
    sources: Mapping[str, str] = {}
    """Claim → where its value came from, such as ``userinfo: email``."""
    documents: Mapping[str, Any] | None = None
    """What the upstream said, as far as a map reads it that says something else for each client app; the
    claims are then those that every app may have. None for every other map."""
    since: float | None = None
    """The moment from which on it was looked up who they are, where they are people of ours: what has been
    ended after it is ended for this login too, however long that took. None elsewhere."""
    session_expiry: int | None = None
    """When the upstream's own session is over, as it stated it: ours and the apps' end no later."""
    held: str | None = None
    """The `Held` record by which the upstream is asked again; None where it never is."""


class HeldToken(Record, frozen=True, kw_only=True):
    """The upstream's own access token of a login."""

    HIDDEN: ClassVar = frozenset({"access_token"})
    access_token: str
    expires_at: int | None = None
    """None where the upstream did not say."""
    scope: str | None = None


class Held(Record, frozen=True, kw_only=True):
    """What is kept of a login so that its upstream can be asked again. Whatever stands on it ends with it."""

    HIDDEN: ClassVar = frozenset({"keep", "token"})
    keep: Mapping[str, str]
    """The connector's own, such as a refresh token."""
    context: AuthenticationContext
    """As the upstream said it last."""
    checked_at: float
    """When that was."""
    refused: bool = False
    """Whether it has said no since, where that does not end everything."""
    token: HeldToken | None = None
    """Its own access token, where the operator lets client apps have it."""


class Session(Record, frozen=True, kw_only=True):
    """One browser's single sign-on. Its cookie is a secret; ``sid`` is what client apps see."""

    HIDDEN: ClassVar = frozenset({"logout_by"})
    sid: str
    context: AuthenticationContext
    started_at: float
    ends_at: float
    """The absolute end; the idle end is the key's TTL in the store."""
    logout_by: Mapping[str, str] = {}
    """By what the browser's session at the upstream can be ended too; empty unless the operator offers it."""


class PendingConsent(Record, frozen=True, kw_only=True):
    """A consent page that waits for its answer."""

    asked: AuthorizeRequest
    context: AuthenticationContext
    sid: str
    """The session this page was shown to."""
    to_ask: tuple[str, ...]
    """The scopes that the page asks about."""
    granted: tuple[str, ...]
    """Scopes that were granted before and are not asked again."""
    at: Mapping[str, tuple[str, ...]] = {}
    """Each API that is named, with those of the scopes that are asked about there; by an empty name the app
    itself. Empty where everything is the app's."""


class Worded(Record, frozen=True, kw_only=True):
    """In which words a person was asked about a scope, and when they answered."""

    sentence: str
    language: str
    at: float


class ConsentAt(Record, frozen=True, kw_only=True):
    """What a person allowed a client app at one API that it named (RFC 8707 §2)."""

    id: str = ""
    """A grant for that API stands on it too; what is allowed anew, after it was withdrawn, has another."""
    name: str
    """As the page called the API."""
    granted: tuple[str, ...]
    refused: tuple[str, ...] = ()
    since: float
    words: Mapping[str, Worded] = {}
    """As those of the consent."""


class Withdrawn(Record, frozen=True, kw_only=True):
    """That a person took back what a client app may do at one API, and when."""

    name: str
    """As the page called the API."""
    at: float


class Consent(Record, frozen=True, kw_only=True):
    """What a person allowed a client app. A grant that stands on it dies with it."""

    id: str
    client_id: str
    granted: tuple[str, ...]
    """To the app itself, and wherever its tokens are for when it names no API."""
    refused: tuple[str, ...] = ()
    since: float
    last_used: float
    expires_at: float
    words: Mapping[str, Worded] = {}
    """Scope → how it was asked about; for receipts."""
    at: Mapping[str, ConsentAt] = {}
    """URI of an API → what was allowed there: what is allowed at one is not allowed at another."""
    withdrawn: Mapping[str, Withdrawn] = {}
    """URI of an API → that it was taken back there, until it is allowed anew; for receipts."""


class Grant(Record, frozen=True, kw_only=True):
    """What a client app was given: what a code stands for, and the tokens that come of it."""

    HIDDEN: ClassVar = frozenset({"nonce"})
    id: str
    client_id: str
    grant_type: GrantType = "authorization_code"
    """How it came to be."""
    redirect_uri: str | None = None
    """Where the code was sent; None where there never was one."""
    code_challenge: str | None = None
    nonce: str | None = None
    scopes: tuple[str, ...]
    """Granted, of those asked for."""
    covered: tuple[str, ...] = ()
    """Granted scopes that stand behind claims asked for by name (Core §5.5)."""
    claims: ClaimsRequest = ClaimsRequest()
    context: AuthenticationContext
    sid: str = ""
    """The session it came from; empty where there was none."""
    consent_id: str | None = None
    """The consent it stands on; None where none was needed."""
    consents_at: Mapping[str, str] = {}
    """URI of an API → the id of what the person allowed there."""
    issued_at: float
    code_expires_at: float = 0.0
    correlation_id: str = ""
    resources: tuple[str, ...] = ()
    """Where its access tokens may be used (RFC 8707); empty is the client's own audience."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """Granted beyond scopes (RFC 9396 §7)."""
    dpop_jkt: str | None = None
    """The key that must prove itself when the code is redeemed (RFC 9449 §10)."""
    cnf: Mapping[str, str] = {}
    """What its refresh tokens are bound to (RFC 7800 §3.1); empty is nothing."""
