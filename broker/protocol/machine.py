"""Grants that no person stands behind: a client app that speaks for itself, or that brings an assertion.

RFC 6749 §4.4 (client_credentials); RFC 7523 §2.1 (jwt-bearer); RFC 9068 §2.2 and §5 (``sub`` is the client's
own ``client_id``, and never that of a person). Pure: which scopes such a grant has, and who its subject is.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.protocol import scopes
from broker.protocol.client import Client, ScopeRule
from broker.protocol.errors import InvalidScope
from broker.protocol.flow import AuthenticationContext
from broker.protocol.params import Params


def of_client(client: Client) -> AuthenticationContext:
    """A client app as the subject of its own tokens: nobody signed in, so nothing is said of how and when."""
    return AuthenticationContext(subject=client.client_id, connector="", auth_time=None)


def own_scopes(params: Params, client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """The scopes of client_credentials: as asked or all, and never one that is about a person.

    Raises:
        InvalidScope: one is asked for that is not the client's, or is about a person; or none is left.
    """
    asked = scopes.split(params.get("scope") or "")
    if scopes.OF_OPENID.intersection(asked):
        raise InvalidScope("OpenID scopes are for people who sign in.", reason="scope_of_openid")
    named = asked or [name for name in scopes.by_default(client, rules) if name not in scopes.OF_OPENID]
    return scopes.allowed(named, client, rules)


def brought_scopes(params: Params, client: Client, rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """The scopes of jwt-bearer: as asked or all, but nothing that outlives the assertion.

    Raises:
        InvalidScope: one is asked for that the client does not have; or none is left.
    """
    asked = scopes.split(params.get("scope") or "")
    if scopes.OFFLINE_ACCESS in asked:
        raise InvalidScope("An assertion gives no refresh token.", reason="scope_offline")
    return scopes.allowed(asked or scopes.by_default(client, rules), client, rules)
