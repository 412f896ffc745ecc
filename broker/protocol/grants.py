"""Redeeming a grant: what a code or refresh token must prove before anything is spent.

RFC 6749 §4.1.3, §5.1 and §6; RFC 7636 §4.6; RFC 9700 §2.1.1 and §4.14. Look, prove, spend, mint: what is
here is the proving, and it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.protocol import authorization_details, pkce, resources, scopes
from broker.protocol.authorization_details import DetailType
from broker.protocol.client import Client, ScopeRule
from broker.protocol.errors import InvalidGrant, InvalidScope, UnauthorizedClient
from broker.protocol.flow import Grant
from broker.protocol.params import Params
from broker.record import replace


def may_use(client: Client, grant_type: str) -> None:
    """That the client is registered for this grant type.

    Raises:
        UnauthorizedClient: it is not.
    """
    if grant_type not in client.grant_types:
        raise UnauthorizedClient(
            "This grant type is not registered for the client.", reason="grant_type_not_allowed"
        )


def is_for(grant: Grant, client: Client) -> None:
    """That the code or refresh token was given to this client (RFC 6749 §5.2).

    Raises:
        InvalidGrant: it was given to another.
    """
    if grant.client_id != client.client_id:
        raise InvalidGrant(reason="grant_of_other_client")


def prove_code(grant: Grant, params: Params, *, now: float) -> None:
    """That whoever redeems the code is who asked for it, where and in time.

    Raises:
        InvalidGrant: expired, another or no redirect_uri (RFC 6749 §4.1.3), or PKCE fails.
    """
    if now >= grant.code_expires_at:
        raise InvalidGrant(reason="code_expired")
    if params.get("redirect_uri") != grant.redirect_uri:
        said = "redirect_uri is not that of the authorization request."
        raise InvalidGrant(said, reason="redirect_uri_differs")
    pkce.prove(params.get("code_verifier"), grant.code_challenge)


def as_assigned(grant: Grant, client: Client, rules: Mapping[str, ScopeRule]) -> Grant:
    """The grant without what the client no longer has: the operator may have taken scopes away since."""
    still = scopes.still_assigned(grant.scopes, client, rules)
    covered = scopes.still_assigned(grant.covered, client, rules)
    if (still, covered) == (grant.scopes, grant.covered):
        return grant
    return replace(grant, scopes=still, covered=covered)


def narrowed(grant: Grant, params: Params) -> tuple[str, ...]:
    """The scopes of a refreshed access token: those of the grant, or fewer when fewer are asked (§6).

    Raises:
        InvalidScope: more is asked than is granted.
    """
    asked = scopes.split(params.get("scope") or "")
    if not set(asked) <= set(grant.scopes):
        raise InvalidScope("More scope is asked than was granted.", reason="scope_widened")
    return asked or grant.scopes


def as_asked(grant: Grant, params: Params, client: Client, types: Mapping[str, DetailType]) -> Grant:
    """What of the grant one token is for: fewer APIs and details where fewer are named.

    Raises:
        InvalidTarget: an API is named that was not granted (RFC 8707 §2.2).
        InvalidAuthorizationDetails: more is asked than was granted (RFC 9396 §6).
    """
    targets = resources.narrowed(grant.resources, params.all("resource"))
    asked = authorization_details.read(params.get("authorization_details"), client, types)
    details = authorization_details.narrowed(grant.authorization_details, asked)
    if (targets, details) == (grant.resources, grant.authorization_details):
        return grant
    return replace(grant, resources=targets, authorization_details=details)


def gives_refresh_token(grant: Grant, client: Client) -> bool:
    """Whether the code comes with a refresh token (Core §11)."""
    return scopes.OFFLINE_ACCESS in grant.scopes and "refresh_token" in client.grant_types
