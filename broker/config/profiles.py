"""Profiles: what a client app that is under one must have, and what it cannot have.

FAPI 2.0 Security Profile §5.3.2 and §5.4; FAPI 2.0 Message Signing §5.3 to §5.5. Owns what a profile makes of
an entry, and the mistakes of one that says otherwise; so whoever serves looks at what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from broker.config.tree import Node
from broker.protocol.algorithms import FAPI
from broker.protocol.client import Client, SigningAlg

METHODS = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
_DEFAULT: SigningAlg = "ES256"
OURS = (
    "id_token_signed_response_alg",
    "access_token_signing_alg",
    "authorization_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
)
_PLAIN = "userinfo_signed_response_alg"
"""Signed only where the entry says so, or where it is encrypted."""
_THEIRS = ("token_endpoint_auth_signing_alg", "request_object_signing_alg")
_NEEDED: Mapping[str, str] = {
    "require_pkce": "the profile needs PKCE",
    "require_pushed_authorization_requests": "the profile needs every request to be pushed",
}
_SIGNED: Mapping[str, str] = {"require_signed_request_object": "the profile needs every request to be signed"}
_FORBIDDEN: Mapping[str, str] = {
    "allow_token_endpoint_audience": "the profile takes nothing for an audience but the issuer",
}
Wrong = Callable[[str, str], None]


def check(client: Client, node: Node, wrong: Wrong) -> None:
    """What the entry says against its profile; ``wrong`` is told the key and why."""
    if client.profile is None:
        return
    for key, why in {**_NEEDED, **(_SIGNED if _signs(client) else {})}.items():
        if node.child(key) is not None and not getattr(client, key):
            wrong(key, why)
    for key, why in _FORBIDDEN.items():
        if getattr(client, key):
            wrong(key, why)
    for key in (*OURS, *_THEIRS):
        if node.child(key) is not None and getattr(client, key) not in (None, *FAPI):
            wrong(key, f"the profile allows {', '.join(FAPI)}")
    _proves_itself(client, node, wrong)


def _proves_itself(client: Client, node: Node, wrong: Wrong) -> None:
    """Who it is by a key, and every access token belongs to a key (§5.3.2.1); answers go by https alone."""
    if client.token_endpoint_auth_method not in METHODS:
        wrong("token_endpoint_auth_method", f"the profile needs one of {', '.join(METHODS)}")
    said_no = node.child("dpop_bound_access_tokens") is not None and not client.dpop_bound_access_tokens
    if said_no and not client.tls_client_certificate_bound_access_tokens:
        wrong("dpop_bound_access_tokens", "the profile needs tokens that are bound by DPoP or by certificate")
    if any(not uri.startswith("https://") for uri in client.redirect_uris):
        wrong("redirect_uris", "the profile needs https")


def applied(client: Client) -> Client:
    """The client app with everything that its profile turns on."""
    if client.profile is None:
        return client
    # Whatever of ours may be signed for it is signed by one of those, also where the app decides that it is
    # signed at all: an answer by JARM, introspection as a token, userinfo that is encrypted (§5.4.1).
    needed = [key for key in OURS if key != _PLAIN or client.userinfo_encrypted_response_alg is not None]
    chosen = {key: _DEFAULT for key in needed if getattr(client, key) not in FAPI}
    return replace(
        client,
        require_pkce=True,
        require_pushed_authorization_requests=True,
        require_signed_request_object=_signs(client) or client.require_signed_request_object,
        dpop_bound_access_tokens=client.dpop_bound_access_tokens
        or not client.tls_client_certificate_bound_access_tokens,
        allow_token_endpoint_audience=False,
        **chosen,  # type: ignore[arg-type]
    )


def _signs(client: Client) -> bool:
    return client.profile == "fapi2_message_signing"
