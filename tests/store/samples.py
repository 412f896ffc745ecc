"""Records with every member filled, so that what is lost on the way is seen."""

from __future__ import annotations

import secrets
from typing import Any

from broker.protocol.flow import (
    AuthenticationContext,
    AuthorizeRequest,
    ClaimAsk,
    ClaimsRequest,
    Consent,
    Grant,
    PendingConsent,
    PendingLogin,
    PendingRequest,
    Session,
)
from broker.protocol.handles import Handle, grant_id, mint
from broker.protocol.reply import ReplyTo
from broker.protocol.tokens import AccessToken
from broker.store import Store

NOW = 1_800_000_000.0
EMAIL = "ada@people.example"


def asked() -> AuthorizeRequest:
    return AuthorizeRequest(
        client_id="billing",
        reply_to=ReplyTo(
            client_id="billing",
            redirect_uri="https://billing.example/callback?a=b",
            response_mode="query",
            state="the app's state",
            issuer="https://login.example",
        ),
        scopes=("openid", "email", "offline_access"),
        nonce="the app's nonce",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        prompt=frozenset({"login", "consent"}),
        max_age=0,
        acr_values=("gold",),
        claims=ClaimsRequest(id_token={"acr": ClaimAsk(essential=True, values=("gold", 3, None))}),
        connector="staff",
    )


def context() -> AuthenticationContext:
    return AuthenticationContext(
        subject="subject-of-ada",
        connector="staff",
        auth_time=int(NOW),
        acr="gold",
        amr=("pwd", "otp"),
        claims={"email": EMAIL, "groups": ["a", "b"], "address": {"country": "DE"}, "n": 1.5},
        sources={"email": "userinfo: email"},
    )


def pending_request() -> PendingRequest:
    return PendingRequest(asked=asked())


def pending_login(connector: str = "staff") -> PendingLogin:
    return PendingLogin(
        asked=asked(),
        connector=connector,
        nonce="our nonce",
        code_verifier="our verifier",
        memory={"dc": "eu"},
        started_at=NOW,
    )


def session() -> Session:
    return Session(sid="our-sid", context=context(), started_at=NOW, ends_at=NOW + 43_200)


def pending_consent() -> PendingConsent:
    return PendingConsent(
        asked=asked(),
        context=context(),
        sid="our-sid",
        to_ask=("email",),
        granted=("openid",),
    )


def consent(client_id: str = "billing", **changes: Any) -> Consent:
    members: dict[str, Any] = {
        "id": secrets.token_hex(8),
        "client_id": client_id,
        "granted": ("openid", "email"),
        "refused": ("phone",),
        "since": NOW,
        "last_used": NOW,
        "expires_at": NOW + 86_400,
    }
    return Consent(**members | changes)


def grant(**changes: Any) -> Grant:
    members: dict[str, Any] = {
        "id": grant_id(secrets.token_bytes(15)),
        "client_id": "billing",
        "redirect_uri": "https://billing.example/callback",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "nonce": "the app's nonce",
        "scopes": ("openid", "offline_access"),
        "claims": asked().claims,
        "context": context(),
        "sid": "our-sid",
        "consent_id": "consent",
        "issued_at": NOW,
        "code_expires_at": NOW + 60,
    }
    return Grant(**members | changes)


def handle(store: Store, purpose: Any, of: Grant) -> Handle:
    return mint(purpose, of.id, secrets.token_bytes(24), store.handle_keys[0])


def access_token(of: Grant, lifetime: int = 300, **changes: Any) -> AccessToken:
    members: dict[str, Any] = {
        "grant_id": of.id,
        "jti": secrets.token_hex(8),
        "scopes": ("openid",),
        "audience": "https://login.example",
        "issued_at": int(NOW),
        "expires_at": int(NOW) + lifetime,
    }
    return AccessToken(**members | changes)


async def remember(store: Store, subject: str, given: Consent, ttl: float) -> None:
    """Put this consent there, whatever was there before."""
    await store.change_consent(subject, given.client_id, lambda _before: given, ttl)
