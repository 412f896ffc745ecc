"""An access token of ours, presented: found, checked against the grant it came from, and the one policy.

RFC 6750 §2; RFC 9068 §4; RFC 7662 §4. A revoked token is refused here at once, whatever its own `exp` says.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from broker.endpoints import http
from broker.endpoints.standing import may_be_used
from broker.protocol import handles
from broker.protocol.errors import InvalidRequest, InvalidToken
from broker.protocol.flow import Grant
from broker.protocol.tokens import AccessToken
from broker.services import Services

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)
_MAX = 16384


async def presented(request: web.Request) -> str | None:
    """The one token that this request carries, in the header or in a form (RFC 6750 §2.1, §2.2).

    Raises:
        InvalidRequest: more than one, or a malformed header. A token in the URL is never taken.
    """
    found = []
    for header in request.headers.getall("Authorization", []):
        match = _BEARER.fullmatch(header) if len(header) <= _MAX else None
        if match is None:
            raise InvalidRequest("The Authorization header is malformed.", reason="bearer_malformed")
        found.append(match[1])
    if request.method == "POST" and request.can_read_body:
        token = (await http.read_form(request)).without_repeats().get("access_token")
        found += [token] if token else []
    if len(found) > 1:
        raise InvalidRequest("Send the access token once.", reason="two_tokens")
    return found[0] if found else None


async def resolve(services: Services, text: str) -> tuple[AccessToken, Grant]:
    """The token and the grant it came from, both good right now.

    Raises:
        InvalidToken: anything is wrong with either.
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
    if state is None or state.jti_revoked:
        raise InvalidToken(reason="token_revoked")
    if services.now() >= token.expires_at:
        raise InvalidToken(reason="token_expired")
    grant = await may_be_used(services, state, refusal=InvalidToken)
    kept = tuple(name for name in token.scopes if name in grant.scopes)
    return replace(token, scopes=kept), grant


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
    )
