"""Making the tokens of a grant, once everything is proved.

RFC 6749 §5.1; RFC 9068; OpenID Connect Core §3.1.3.3. Owns nothing that decides: the protocol's claim sets,
the key ring and the store meet here.
"""

from __future__ import annotations

import math
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from broker.endpoints import sealing
from broker.protocol import handles, tokens
from broker.protocol import resources as indicators
from broker.protocol.client import DEVICE_CODE, Client, GrantType
from broker.protocol.flow import Grant
from broker.protocol.handles import Handle
from broker.protocol.scopes import OFFLINE_ACCESS, OPENID
from broker.protocol.tokens import AccessToken
from broker.record import Record
from broker.services import Services
from broker.store import FirstRefresh, OpaqueAccess

_JTI_BYTES = 12
_WITH_ID_TOKEN: Final[frozenset[GrantType]] = frozenset({"authorization_code", DEVICE_CODE})
"""How a person signs in to a client app; whatever else gives tokens is no sign-in (Core §3.1.3.3)."""


class Issued(Record, frozen=True, kw_only=True):
    """An access token about to be given."""

    HIDDEN: ClassVar = frozenset({"text"})
    text: str
    token: AccessToken
    opaque: OpaqueAccess | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What is said of an access token for which another was exchanged (RFC 8693)."""

    actor: Mapping[str, Any] | None = None
    """Who acts for the subject, as the ``act`` claim says it."""
    of: str = ""
    """The ``jti`` of the token that it was exchanged for, with which it ends; empty where that has none."""
    as_jwt: bool = False
    """Whether a JWT was asked for, whatever the client's entry says."""


def refresh_token(services: Services, grant: Grant) -> Handle:
    """A fresh refresh token for ``grant``."""
    chance = services.chance(handles.SECRET_BYTES)
    return handles.mint("refresh", grant.id, chance, services.store.handle_keys[0])


def first(services: Services, refresh: Handle | None) -> FirstRefresh | None:
    """The refresh token that a code gives, with both its ends."""
    if refresh is None:
        return None
    now, lives = services.now(), services.config.lifetimes.refresh_token
    return FirstRefresh(handle=refresh, idle_until=now + lives.idle, absolute_until=now + lives.absolute)


def longest_life(services: Services, grant: Grant, *, now: float) -> float:
    """For how many seconds something that came of ``grant`` may still be good.

    The record stays as long: it is what makes a replay known for what it is.
    """
    lifetimes = services.config.lifetimes
    access = now + max(lifetimes.access_token, lifetimes.code)
    if OFFLINE_ACCESS not in grant.scopes:
        return access - now
    return max(access, grant.issued_at + lifetimes.code + lifetimes.refresh_token.absolute) - now


def access_token(
    services: Services,
    grant: Grant,
    client: Client,
    scopes: tuple[str, ...],
    *,
    cnf: Mapping[str, str],
    resources: tuple[str, ...] | None = None,
    no_later: float = math.inf,
    exchanged: Exchanged | None = None,
) -> Issued:
    """A signed or an opaque access token, as the client's entry says.

    Args:
        services: one issuer's parts.
        grant: what it comes of.
        client: whom it is for.
        scopes: what it is good for, of those of the grant.
        cnf: the key it is bound to; empty is none.
        resources: where it may be used, of those of the grant; None is all of them.
        no_later: when it ends at the latest, in seconds since the epoch.
        exchanged: what else is said of it where another token was exchanged for it.
    """
    now, targets = int(services.now()), grant.resources if resources is None else resources
    kind, alg = indicators.form(targets, client, services.rules.resources)
    lives = int(min(services.config.lifetimes.access_token, no_later - now))
    named = urlsafe_b64encode(services.chance(_JTI_BYTES)).decode()
    token = tokens.AccessToken(
        grant_id=grant.id,
        jti=f"{(exchanged.of if exchanged is not None else '') or grant.id}.{named}",
        scopes=indicators.understood(scopes, targets, services.rules.resources, services.scopes),
        audience=tokens.audience(client, services.issuer, targets),
        issued_at=now,
        expires_at=now + lives,
        client_id=client.client_id,
        subject=services.sub(grant.context, client),
        actor=exchanged.actor if exchanged is not None else None,
        cnf=cnf,
        # What a person allowed one app to do, no other does by a token that it exchanged.
        authorization_details=grant.authorization_details if exchanged is None else (),
    )
    if kind == "jwt" or (exchanged is not None and exchanged.as_jwt):
        claims = tokens.access_token(token, grant, services.scopes, issuer=services.issuer)
        return Issued(text=services.keys.sign(alg, claims, typ="at+jwt"), token=token, opaque=None)
    return _opaque(services, token)


def _opaque(services: Services, token: AccessToken) -> Issued:
    """A token that only we can read: whatever it says is in the store."""
    chance, key = services.chance(handles.SECRET_BYTES), services.store.handle_keys[0]
    handle = handles.mint("access", token.grant_id, chance, key)
    return Issued(text=handle.text, token=token, opaque=OpaqueAccess(handle=handle, token=token))


def bare(token: Issued) -> dict[str, object]:
    """What is said of an access token in any answer (RFC 6749 §5.1)."""
    return {
        "access_token": token.text,
        "token_type": token.token.token_type,
        "expires_in": token.token.expires_at - token.token.issued_at,
        "scope": " ".join(token.token.scopes),
    }


async def answer(
    services: Services,
    grant: Grant,
    client: Client,
    token: Issued,
    *,
    refresh: str | None,
    nonce: str | None,
) -> dict[str, object]:
    """The successful token response (RFC 6749 §5.1, Core §3.1.3.3)."""
    body = bare(token)
    if token.token.authorization_details:  # RFC 9396 §7
        body["authorization_details"] = list(token.token.authorization_details)
    if refresh is not None:
        body["refresh_token"] = refresh
    if OPENID in grant.scopes and grant.grant_type in _WITH_ID_TOKEN:
        now = int(services.now())
        claims = tokens.id_token(
            grant,
            client,
            services.scopes,
            issuer=services.issuer,
            lives=(now, now + services.config.lifetimes.id_token),
            access_token=token.text,
            nonce=nonce,
            subject=services.sub(grant.context, client),
        )
        if grant.sid:
            claims["sid"] = services.sid(grant.sid, client)
        body["id_token"] = await sealing.id_token(services, client, claims)
    return body
