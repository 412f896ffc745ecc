"""An access token of ours, presented: found, checked against the grant it came from, and the one policy.

RFC 6750 §2; RFC 9068 §4; RFC 7662 §4. A revoked token is refused here at once, whatever its own `exp` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from broker.endpoints import http
from broker.endpoints.standing import may_be_used
from broker.protocol import authorization_details, handles, policy, scopes, tokens
from broker.protocol.authorization_details import Detail
from broker.protocol.client import TOKEN_EXCHANGE, Client
from broker.protocol.errors import InvalidRequest, InvalidToken
from broker.protocol.flow import Grant
from broker.protocol.tokens import AccessToken
from broker.record import replace
from broker.services import Services
from broker.store import GrantState

_HEADER = re.compile(r"(bearer|dpop) +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE | re.ASCII)
_SCHEME = re.compile(r"(bearer|dpop)( |$)", re.IGNORECASE | re.ASCII)
_MAX = 16384


@dataclass(frozen=True, slots=True)
class Presented:
    """An access token that a request carries, and how."""

    scheme: Literal["bearer", "dpop"]
    text: str = field(repr=False)


async def presented(request: web.Request) -> Presented | None:
    """The one token that this request carries: in the header, or as a bearer token in a form.

    RFC 6750 §2.1 and §2.2; RFC 9449 §7.1. Who comes by another scheme alone has brought none (§3.1).

    Raises:
        InvalidRequest: more than one, or a malformed header. A token in the URL is never taken.
    """
    found = []
    headers = request.headers.getall("Authorization", [])
    for header in headers:
        if len(headers) == 1 and _SCHEME.match(header) is None:
            continue
        match = _HEADER.fullmatch(header) if len(header) <= _MAX else None
        if match is None:
            raise InvalidRequest("The Authorization header is malformed.", reason="bearer_malformed")
        found.append(Presented("dpop" if match[1].lower() == "dpop" else "bearer", match[2]))
    if request.method == "POST" and request.can_read_body:
        token = (await http.read_form(request)).without_repeats().get("access_token")
        found += [Presented("bearer", token)] if token else []
    if len(found) > 1:
        raise InvalidRequest("Send the access token once.", reason="two_tokens")
    return found[0] if found else None


async def resolve(
    services: Services, text: str, *, seen_by: Client | None = None
) -> tuple[AccessToken, Grant]:
    """The token and the grant it came from, both good right now.

    The person is as ``seen_by`` may see them; without one, as whoever the token was given to.

    Raises:
        InvalidToken: anything is wrong with either.
    """
    token, state = await find(services, text)
    if services.now() >= token.expires_at:
        raise InvalidToken(reason="token_expired")
    holder = await _holder(services, token, state.grant)
    grant = await may_be_used(services, state, refusal=InvalidToken, holder=seen_by or holder)
    await of_no_ended_session(services, token.issued_at, grant)
    kept = tuple(name for name in token.scopes if name in grant.scopes)
    if holder is not None:
        kept = scopes.still_assigned(kept, holder, services.scopes)
    audience = await _still_for(services, token, state.grant, grant, holder)
    details = await _still_details(services, token, grant)
    return replace(token, scopes=kept, audience=audience, authorization_details=details), grant


async def _still_for(
    services: Services, token: AccessToken, given: Grant, grant: Grant, holder: Client | None
) -> str | tuple[str, ...]:
    """For where the token still is: an API that was taken from its app since is none of its any more.

    Raises:
        InvalidToken: it is for nowhere.
    """
    kept = [name for name in token.audiences if name not in given.resources or name in grant.resources]
    if holder is None and given.grant_type == TOKEN_EXCHANGE:
        holder = await services.clients.find(given.client_id)
    if holder is not None:
        named = holder.token_exchange.audiences if holder.token_exchange is not None else ()
        kept = [name for name in kept if name in named or name == tokens.audience(holder, services.issuer)]
    if not kept:
        raise InvalidToken(reason="resource_gone")
    return kept[0] if len(kept) == 1 else tuple(kept)


async def _still_details(services: Services, token: AccessToken, grant: Grant) -> tuple[Detail, ...]:
    """What it allows in particular, as far as its app may ask for that today (RFC 9396 §9)."""
    client = await services.clients.find(grant.client_id) if token.authorization_details else None
    if client is None:
        return ()
    types = services.rules.detail_types
    return authorization_details.still_allowed(token.authorization_details, client, types)


async def of_no_ended_session(services: Services, issued_at: float, grant: Grant) -> None:
    """That a token is not from before a sign-out that its grant has outlived.

    What stands for who is away stays (Back-Channel Logout §2.7): it gives new ones, and they are good.

    Raises:
        InvalidToken: it is.
    """
    if not grant.sid or scopes.OFFLINE_ACCESS not in grant.scopes:
        return  # without it the grant itself ends with the session
    ended_at = await services.store.session_ended_at(grant.sid)
    if ended_at is not None and issued_at <= ended_at:
        raise InvalidToken(reason="session_ended")


async def find(services: Services, text: str) -> tuple[AccessToken, GrantState]:
    """The token and the grant it came from, whether or not they are good now.

    Raises:
        InvalidToken: it is none of ours, or was revoked.
    """
    if "." in text:
        token = _signed(services, text)
        state = await services.store.read_grant(token.grant_id, jti=token.jti)
    else:
        handle = handles.parse("access", text, services.store.handle_keys)
        if handle is None:
            raise InvalidToken(reason="token_unknown")
        state = await services.store.read_grant(handle.grant_id, access=handle)
        if state is None or state.access is None:
            raise InvalidToken(reason="token_unknown")
        token = state.access
        if len(tokens.lineage(token.jti)) > 1:  # what it was exchanged for may have been given back
            state = await services.store.read_grant(handle.grant_id, jti=token.jti)
    if state is None or state.jti_revoked:
        raise InvalidToken(reason="token_revoked")
    return token, state


async def _holder(services: Services, token: AccessToken, grant: Grant) -> Client | None:
    """Who has exchanged another token for this one, and may still do that; None where nobody has."""
    if token.holder(grant) == grant.client_id:
        return None
    holder = await services.clients.find(token.client_id)
    objection = policy.holder_objection(grant, holder)
    if objection is not None:
        raise InvalidToken(reason=objection)
    return holder


def _signed(services: Services, text: str) -> AccessToken:
    claims: dict[str, Any] | None = services.keys.verify_own(text, typ="at+jwt")
    if claims is None or claims.get("iss") != services.issuer:
        raise InvalidToken(reason="token_not_ours")
    return AccessToken(
        grant_id=claims["jti"].partition(".")[0],
        jti=claims["jti"],
        scopes=tuple(claims["scope"].split()),
        audience=tuple(claims["aud"]) if isinstance(claims["aud"], list) else claims["aud"],
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        client_id=claims["client_id"],
        subject=claims["sub"],
        actor=claims.get("act"),
        cnf=claims.get("cnf", {}),
        authorization_details=tuple(claims.get("authorization_details", ())),
    )
