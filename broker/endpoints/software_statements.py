"""Software statements: what somebody whom the operator trusts signed about an app.

RFC 7591 §2.3 and §3.1.1; RFC 8725 §3. Whoever signed it is found by its ``iss`` among those who are named in
the configuration, and verified with their keys alone. What it says wins over what the app says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.clients.keys import Keyholder
from broker.jose import ABSENT, ASYMMETRIC, JoseError, unverified
from broker.protocol.errors import InvalidSoftwareStatement
from broker.protocol.instants import LEEWAY, is_instant
from broker.services import Services

_TYPES: Final = frozenset({ABSENT, "jwt", "software-statement+jwt"})
_LONGEST: Final = 16 * 1024
_OF_THE_TOKEN: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "software_statement"})
"""What is said of the statement itself, and not of the app."""


async def attested(services: Services, statement: object) -> Mapping[str, Any]:
    """What the statement says of the app.

    Raises:
        InvalidSoftwareStatement: it is not one that we believe.
        TemporarilyUnavailable: the keys of its issuer cannot be had now.
    """
    if not isinstance(statement, str) or len(statement) > _LONGEST:
        raise InvalidSoftwareStatement(reason="statement_malformed")
    try:
        issuer = unverified(statement)[1].get("iss")
        known = services.config.registration.statement_issuers.get(str(issuer))
        if known is None:
            raise InvalidSoftwareStatement(reason="statement_issuer_unknown")
        holder = Keyholder(name=f"software statements of {issuer}", jwks=known.jwks, jwks_uri=known.jwks_uri)
        signed = await services.public_keys.verified(holder, statement, algorithms=ASYMMETRIC, typ=_TYPES)
    except JoseError as error:
        raise InvalidSoftwareStatement(reason=f"statement_{error.reason}", detail=error.detail) from error
    _is_good_now(signed.claims, services.issuer, services.now())
    return {name: value for name, value in signed.claims.items() if name not in _OF_THE_TOKEN}


def _is_good_now(claims: Mapping[str, Any], issuer: str, now: float) -> None:
    """RFC 7519 §4.1.3 to §4.1.6, as far as the statement says anything of it."""
    for name in ("exp", "nbf", "iat"):
        if name in claims and not is_instant(claims[name]):
            raise InvalidSoftwareStatement(reason="statement_malformed", detail=name)
    if claims.get("exp", now + 1) + LEEWAY <= now:
        raise InvalidSoftwareStatement(reason="statement_expired")
    if max(claims.get("nbf", 0), claims.get("iat", 0)) - LEEWAY > now:
        raise InvalidSoftwareStatement(reason="statement_of_the_future")
    audience = claims.get("aud", issuer)
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidSoftwareStatement(reason="statement_for_others")
