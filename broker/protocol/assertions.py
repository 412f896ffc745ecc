"""A client app that proves who it is by a signed assertion: what the assertion must say.

RFC 7523 §3 as RFC 7523bis has it: ``aud`` is our issuer, as one string; OpenID Connect Core §9 (``jti``,
once); FAPI 2.0 §5.3.2.1 on clocks. Who signed it is known before; nothing here looks at a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from broker.protocol.errors import InvalidClient
from broker.protocol.instants import LEEWAY, is_instant

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})
"""The ``typ`` it may say: its own, the usual one, or none, as most apps do (RFC 7523bis §4)."""
LONGEST: Final = 3600
"""Seconds that one may live at most: so long its name is remembered."""
_LONGEST_JTI = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class OneUse:
    """What must not be seen again, and until when."""

    jti: str
    until: float
    made_at: float | None
    """When it says that it was made."""


def check(
    claims: Mapping[str, Any], *, client_id: str, issuer: str, also: Collection[str] = (), now: float
) -> OneUse:
    """That the assertion is this client's, for us, and good now.

    Args:
        claims: what was signed.
        client_id: whose key signed it.
        issuer: our issuer identifier.
        also: what else ``aud`` may be for this client, where its entry allows that.
        now: seconds since the epoch.

    Raises:
        InvalidClient: anything else.
    """
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise InvalidClient(reason="assertion_of_other")
    audience = claims.get("aud")
    # A list names others too, and whoever is named may send it on to us (RFC 7523bis §3).
    if not isinstance(audience, str) or (audience != issuer and audience not in also):
        raise InvalidClient(reason="assertion_audience")
    until = _times(claims, now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise InvalidClient(reason="assertion_jti")
    return OneUse(jti=jti, until=until, made_at=claims.get("iat"))


def _times(claims: Mapping[str, Any], now: float) -> float:
    """When it ends, if it has begun, is not over, and does not live for too long."""
    exp, iat, nbf = (_instant(claims, name) for name in ("exp", "iat", "nbf"))
    if exp is None or now >= exp:
        raise InvalidClient(reason="assertion_expired")
    if exp > now + LONGEST + LEEWAY or (iat is not None and iat <= now - LONGEST):
        raise InvalidClient(reason="assertion_lives_too_long")
    if any(begun is not None and begun > now + LEEWAY for begun in (iat, nbf)):
        raise InvalidClient(reason="assertion_from_the_future")
    return exp


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if not is_instant(value):
        raise InvalidClient(reason="assertion_time")
    return value
