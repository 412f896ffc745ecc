"""What our tokens say: ID Token, access token, userinfo and introspection as plain claim sets.

OpenID Connect Core §2, §3.1.3.6, §5.3.2, §5.4, §5.5; RFC 9068 §2.2; RFC 7662 §2.2. Signing is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.mapping import PROTOCOL_CLAIMS
from broker.protocol import scopes
from broker.protocol.client import Client, ScopeRule, SigningAlg
from broker.protocol.flow import AuthenticationContext, Grant
from broker.protocol.id_token import HASHES, half_hash
from broker.record import Record

CLAIM_SOURCES = "claim_sources"
"""Released like any claim: where the value of each of the others came from."""
AUTHORITY = frozenset({"roles", "groups", "entitlements"})
"""What an API decides by: told with the token, where a scope of it releases that (RFC 9068 §2.2.3)."""
_OURS_ALONE = PROTOCOL_CLAIMS | {CLAIM_SOURCES}
"""What a token stands on is minted here; an upstream's word for it never is, even where we have none."""


class AccessToken(Record, frozen=True, kw_only=True):
    """An access token of ours, as far as the protocol cares."""

    grant_id: str
    jti: str
    scopes: tuple[str, ...]
    audience: str | tuple[str, ...]
    """One, or several (RFC 8707 §2)."""
    issued_at: int
    expires_at: int
    client_id: str = ""
    """To whom it was given; empty is whom the grant was given to. Anybody else has exchanged one for it."""
    subject: str = ""
    """Its ``sub``; empty is everybody's."""
    actor: Mapping[str, Any] | None = None
    """Who acts for the subject, as the ``act`` claim says it (RFC 8693 §4.1)."""
    cnf: Mapping[str, str] = {}
    """The key that whoever presents it must have (RFC 7800 §3.1), as ``jkt`` or ``x5t#S256``; or nothing."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """What it is good for beyond scopes (RFC 9396 §7)."""

    def holder(self, grant: Grant) -> str:
        """The client app that it was given to."""
        return self.client_id or grant.client_id

    def said_of(self, grant: Grant) -> str:
        """The ``sub`` wherever this token is spoken of."""
        return self.subject or grant.context.subject

    @property
    def token_type(self) -> str:
        """How it is presented (RFC 9449 §5 and §6.2): a certificate changes nothing of that."""
        return "DPoP" if "jkt" in self.cnf else "Bearer"

    @property
    def audiences(self) -> tuple[str, ...]:
        """All of them, however many."""
        return (self.audience,) if isinstance(self.audience, str) else self.audience


def lineage(jti: str) -> tuple[str, ...]:
    """The names that an access token ends with: its own, and those of whatever it was exchanged for.

    A name goes on from that of the token before it, and the first of all from the grant's.
    """
    parts = jti.split(".")
    return (*(".".join(parts[:length]) for length in range(2, len(parts))), jti)


def at_hash(access_token: str, alg: SigningAlg) -> str:
    """The left half of the token's hash, by the ID Token's algorithm (Core §3.1.3.6)."""
    return half_hash(access_token, HASHES[alg])


def _released(
    grant: Grant, names: frozenset[str], by_name: Mapping[str, Any], rules: Mapping[str, ScopeRule]
) -> dict[str, Any]:
    """The claims of ``names``, and those asked for by name that the grant covers (Core §5.5)."""
    if by_name:
        names |= scopes.claims_of(grant.covered, rules) & by_name.keys()
    context = grant.context
    known = {n: context.claims[n] for n in sorted(names - _OURS_ALONE) if n in context.claims}
    if CLAIM_SOURCES in names:  # of what is told, and of nothing else
        known[CLAIM_SOURCES] = {n: context.sources[n] for n in known if n in context.sources}
    return known


def _authentication(context: AuthenticationContext) -> dict[str, Any]:
    """When and how the person signed in, as far as the upstream said (Core §2)."""
    said = {"auth_time": context.auth_time, "acr": context.acr}
    return {name: value for name, value in said.items() if value is not None}


def id_token(
    grant: Grant,
    client: Client,
    rules: Mapping[str, ScopeRule],
    *,
    issuer: str,
    lives: tuple[int, int],
    access_token: str,
    nonce: str | None,
    subject: str = "",
) -> dict[str, Any]:
    """The claims of an ID Token (Core §2), from and until the instants of ``lives``.

    ``nonce`` is None for a refreshed one (Core §12.2). ``subject`` is its ``sub``; without one everybody's.
    The ``jti`` names the grant, by which a token exchange finds it.
    """
    context = grant.context
    hashed = at_hash(access_token, client.id_token_signed_response_alg)
    said: dict[str, Any] = {
        "iss": issuer,
        "sub": subject or context.subject,
        "aud": client.client_id,
        "exp": lives[1],
        "iat": lives[0],
        "jti": f"{grant.id}.{hashed}",
        "at_hash": hashed,
    }
    if grant.sid:
        said["sid"] = grant.sid
    if nonce is not None:
        said["nonce"] = nonce
    said |= _authentication(context)
    if context.session_expiry is not None:
        said["session_expiry"] = context.session_expiry
    if context.amr:
        said["amr"] = list(context.amr)
    # Core §5.4: scope claims belong to userinfo unless the client's entry wants them here too.
    names = scopes.claims_of(grant.scopes, rules) if client.id_token_claims else frozenset()
    return _released(grant, names, grant.claims.id_token, rules) | said


def userinfo(token: AccessToken, grant: Grant, rules: Mapping[str, ScopeRule]) -> dict[str, Any]:
    """The userinfo answer (Core §5.3.2) for an access token."""
    names = scopes.claims_of(token.scopes, rules)
    # What was asked for by name was asked by the app that the person signed in to.
    by_name = grant.claims.userinfo if token.holder(grant) == grant.client_id else {}
    return _released(grant, names, by_name, rules) | {"sub": token.said_of(grant)}


def access_token(
    token: AccessToken, grant: Grant, rules: Mapping[str, ScopeRule], *, issuer: str
) -> dict[str, Any]:
    """The claims of an access token that is a JWT (RFC 9068 §2.2)."""
    holder = token.holder(grant)
    said = _released(grant, scopes.claims_of(token.scopes, rules) & AUTHORITY, {}, rules)
    said |= {
        "iss": issuer,
        "sub": token.said_of(grant),
        "aud": token.audience if isinstance(token.audience, str) else list(token.audience),
        "exp": token.expires_at,
        "iat": token.issued_at,
        "jti": token.jti,
        "client_id": holder,
        "scope": " ".join(token.scopes),
    }
    if token.cnf:
        said["cnf"] = dict(token.cnf)
    if token.actor is not None:
        said["act"] = token.actor
    if token.authorization_details:  # RFC 9396 §9.1, §9.2
        said["authorization_details"] = list(token.authorization_details)
    return said | _authentication(grant.context)


def introspection(
    token: AccessToken, grant: Grant, rules: Mapping[str, ScopeRule], *, issuer: str
) -> dict[str, Any]:
    """What an API hears of a token that is active (RFC 7662 §2.2).

    ``username`` is the person's own only where the token's scopes release it; many clients want one.
    """
    released = _released(grant, scopes.claims_of(token.scopes, rules) & {"preferred_username"}, {}, rules)
    return access_token(token, grant, rules, issuer=issuer) | {
        "active": True,
        "token_type": token.token_type,
        "username": released.get("preferred_username", token.said_of(grant)),
    }


def audience(client: Client, issuer: str, resources: tuple[str, ...] = ()) -> str | tuple[str, ...]:
    """The ``aud`` of an access token: its ``resources``, else the client's own (RFC 9068 §2.2, §3)."""
    if resources:
        return resources[0] if len(resources) == 1 else resources
    return client.audience or issuer
