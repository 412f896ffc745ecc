"""Values to start from: one good client, one good request, one person, one grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from broker.protocol.authorize import Rules, validate
from broker.protocol.client import Client, ScopeRule, secret_digest
from broker.protocol.flow import (
    AuthenticationContext,
    AuthorizeRequest,
    ClaimAsk,
    ClaimsRequest,
    Consent,
    Grant,
    Session,
)
from broker.protocol.params import Params
from broker.protocol.pkce import challenge_of
from broker.protocol.reply import AnsweredAtClient, ReplyTo

ISSUER = "https://login.acme.example"
NOW = 1_800_000_000.0
REDIRECT_URI = "https://app.example/callback"
SECRET = "correct horse battery staple"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 Appendix B

SCOPES: Mapping[str, ScopeRule] = {
    rule.name: rule
    for rule in (
        ScopeRule(name="openid", description="Know that it is you", optional=False),
        ScopeRule(name="profile", description="See your name", claims=("name", "picture")),
        ScopeRule(name="email", description="See your email address", claims=("email", "email_verified")),
        ScopeRule(name="phone", description="See your phone number", claims=("phone_number",)),
        ScopeRule(name="offline_access", description="Keep this access"),
        ScopeRule(name="terms", description="Know that you agreed", optional=False),
        ScopeRule(name="account.*", description="Use account {value}", claims=("account_holder",)),
        ScopeRule(name="claim_sources", description="See where it came from", claims=("claim_sources",)),
    )
}


def client(**changes: Any) -> Client:
    """A confidential web app with most scopes; ``phone`` is declared and not assigned to it."""
    members: dict[str, Any] = {
        "client_id": "app",
        "client_name": "The app",
        "redirect_uris": (REDIRECT_URI, "https://app.example/other"),
        "secret_digests": (secret_digest(SECRET),),
        "grant_types": ("authorization_code", "refresh_token"),
        "scopes": frozenset(SCOPES) - {"phone"},
    }
    return Client(**members | changes)


PUBLIC: dict[str, Any] = {"token_endpoint_auth_method": "none", "secret_digests": ()}
LOOPBACK: dict[str, Any] = PUBLIC | {
    "application_type": "native",
    "redirect_uris": ("http://127.0.0.1/callback", "http://[::1]:3000/callback", "http://localhost/callback"),
}


def hears_nobody(hint: str) -> None:
    """Reads no ``id_token_hint`` as one of ours."""


class Against(NamedTuple):
    """What a request is held against: the rules, and the client apps there are."""

    rules: Rules
    clients: Mapping[str, Client]


def validated(params: Params, against: Against) -> AuthorizeRequest:
    known = against.clients.get(params.get("client_id") or "")
    return validate(params, known, against.rules)


def rules(*clients: Client, **changes: Any) -> Against:
    known = {one.client_id: one for one in clients or (client(),)}
    members: dict[str, Any] = {
        "issuer": ISSUER,
        "scopes": SCOPES,
        "connectors": ("staff", "partners"),
        "read_hint": hears_nobody,
    }
    return Against(Rules(**members | changes), known)


VALID = {
    "client_id": "app",
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "scope": "openid profile",
    "state": "xyz",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def pairs(**changes: str | tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
    """The pairs of a good request: None takes a parameter away, a tuple sends it several times."""
    for name, value in {**VALID, **changes}.items():
        if isinstance(value, tuple):
            yield from ((name, one) for one in value)
        elif value is not None:
            yield name, value


def ask(against: Against | None = None, /, **changes: str | tuple[str, ...] | None) -> AuthorizeRequest:
    """A good request, changed, and validated."""
    return validated(Params.of(pairs(**changes)), against or rules())


def refused(against: Against | None = None, /, **changes: str | tuple[str, ...] | None) -> AnsweredAtClient:
    """What the client app hears of a request that must be refused there."""
    try:
        ask(against, **changes)
    except AnsweredAtClient as error:
        return error
    raise AssertionError("the request was taken")


def reply_to(**changes: Any) -> ReplyTo:
    members: dict[str, Any] = {
        "client_id": "app",
        "redirect_uri": REDIRECT_URI,
        "response_mode": "query",
        "state": "xyz",
        "issuer": ISSUER,
    }
    return ReplyTo(**members | changes)


def asked(*scopes: str, **changes: Any) -> AuthorizeRequest:
    """A request already valid."""
    members: dict[str, Any] = {"client_id": "app", "reply_to": reply_to(), "scopes": scopes or ("openid",)}
    return AuthorizeRequest(**members | changes)


def claims(id_token: dict[str, Any] | None = None, userinfo: dict[str, Any] | None = None) -> ClaimsRequest:
    """A claims request; a claim's values alone make it essential."""

    def place(members: dict[str, Any] | None) -> dict[str, ClaimAsk]:
        return {
            name: value if isinstance(value, ClaimAsk) else ClaimAsk(essential=bool(value), values=value)
            for name, value in (members or {}).items()
        }

    return ClaimsRequest(id_token=place(id_token), userinfo=place(userinfo))


def context(**changes: Any) -> AuthenticationContext:
    members: dict[str, Any] = {
        "subject": "ada",
        "connector": "staff",
        "auth_time": int(NOW) - 60,
        "acr": "silver",
        "amr": ("pwd", "otp"),
        "claims": {
            "name": "Ada",
            "email": "ada@people.example",
            "email_verified": True,
            "phone_number": "+49 30 1",
            "account_holder": "Ada & Co",
            "preferred_username": "ada.l",
        },
        "sources": {"name": "userinfo: name", "email": "id_token: mail", "phone_number": "map: value"},
    }
    return AuthenticationContext(**members | changes)


def session(**changes: Any) -> Session:
    members: dict[str, Any] = {
        "sid": "sid",
        "context": context(),
        "started_at": NOW - 60,
        "ends_at": NOW + 3600,
    }
    return Session(**members | changes)


def consent(**changes: Any) -> Consent:
    members: dict[str, Any] = {
        "id": "consent-1",
        "client_id": "app",
        "granted": (),
        "since": NOW - 100,
        "last_used": NOW - 100,
        "expires_at": NOW + 1000,
    }
    return Consent(**members | changes)


def grant(**changes: Any) -> Grant:
    members: dict[str, Any] = {
        "id": "grant-1",
        "client_id": "app",
        "redirect_uri": REDIRECT_URI,
        "code_challenge": challenge_of(VERIFIER),
        "nonce": "n-0S6_WzA2Mj",
        "scopes": ("openid", "profile"),
        "covered": ("profile",),
        "claims": ClaimsRequest(),
        "context": context(),
        "sid": "sid",
        "consent_id": None,
        "issued_at": NOW,
        "code_expires_at": NOW + 60,
    }
    return Grant(**members | changes)
