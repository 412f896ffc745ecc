"""What the broker says of itself: OpenID Connect Discovery 1.0 §3, RFC 8414 §2, RFC 9207 §3.

Built once, from the configuration alone. Every member is true, none is null, and what is absent from
the list is not offered; booleans whose absence has a meaning of its own are always said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from broker.protocol.client import Client, ScopeRule

AUTHORIZE, TOKEN, USERINFO = "/authorize", "/token", "/userinfo"
INTROSPECT, REVOKE, JWKS = "/introspect", "/revoke", "/jwks"
SIGNED_OUT = "/signed-out"
"""Where an upstream sends the browser that was signed out there; what operators register with it."""
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"

_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]
_OWN_CLAIMS = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"]


def oauth_document(issuer: str, rules: Mapping[str, ScopeRule]) -> dict[str, Any]:
    """The authorization server metadata (RFC 8414 §2)."""
    # A dynamic scope has no one name to list, so its pattern stays unsaid.
    names = [name for name in rules if not name.endswith(".*")]
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "jwks_uri": issuer + JWKS,
        "introspection_endpoint": issuer + INTROSPECT,
        "revocation_endpoint": issuer + REVOKE,
        "scopes_supported": names,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": _AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": _AUTH_METHODS[:2],
        "revocation_endpoint_auth_methods_supported": _AUTH_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        # Said in both documents: to leave the second out would say that it is supported.
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def openid_document(issuer: str, rules: Mapping[str, ScopeRule], clients: Iterable[Client]) -> dict[str, Any]:
    """The OpenID Provider metadata (Discovery §3)."""
    released = sorted({claim for rule in rules.values() for claim in rule.claims})
    algorithms = {"RS256"} | {client.id_token_signed_response_alg for client in clients}
    return oauth_document(issuer, rules) | {
        "userinfo_endpoint": issuer + USERINFO,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(algorithms),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_OWN_CLAIMS, *(c for c in released if c not in _OWN_CLAIMS)],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": True,
        "require_request_uri_registration": False,
    }
