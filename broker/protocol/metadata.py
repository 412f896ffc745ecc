"""What the broker says of itself: OpenID Connect Discovery 1.0 §3, RFC 8414 §2, RFC 9207 §3.

Built once, from the configuration alone. Every member is true, none is null, and what is absent from
the list is not offered; booleans whose absence has a meaning of its own are always said. Each part of the
house says its own members, in a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from broker.protocol import algorithms, dpop, request_object
from broker.protocol.client import (
    DEVICE_CODE,
    AuthMethod,
    Client,
    EncryptionAlg,
    EncryptionEnc,
    GrantType,
    ScopeRule,
)
from broker.protocol.languages import LANGUAGES
from broker.protocol.registration import Allowed

AUTHORIZE, TOKEN, USERINFO = "/authorize", "/token", "/userinfo"
PUSHED_REQUEST = "/par"
INTROSPECT, REVOKE, JWKS = "/introspect", "/revoke", "/jwks"
DEVICE_AUTHORIZATION, DEVICE = "/device_authorization", "/device"
REGISTER = "/register"
ACCOUNT = "/account"
END_SESSION = "/logout"
SIGNED_OUT = "/signed-out"
"""Where an upstream sends the browser that was signed out there; what operators register with it."""
_DIRECT = (
    "token_endpoint",
    "userinfo_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "registration_endpoint",
)
"""What client apps call themselves, as the metadata names it."""
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
OAUTH_METADATA = "/.well-known/oauth-authorization-server"

_AUTH_METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)
_ALWAYS: frozenset[AuthMethod] = frozenset({"client_secret_basic", "client_secret_post", "none"})
_OWN_CLAIMS = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "at_hash",
    "jti",
    "sid",
    "session_expiry",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an issuer offers, as far as its metadata depends on it."""

    issuer: str
    scopes: Mapping[str, ScopeRule]
    clients: Mapping[str, Client]
    """The operator's."""
    registration: bool = False
    """Whether apps can register themselves."""
    certificates: bool = False
    """Whether client certificates can be shown."""
    mtls_url: str | None = None
    """Where they are shown, if that is elsewhere."""
    detail_types: tuple[str, ...] = ()
    """The types of authorization details that there are."""
    pushed_only: bool = False
    """Whether every request must be pushed."""
    client_documents: bool = False
    """Whether a ``client_id`` may be the URL of a document."""
    strangers: tuple[Allowed, ...] = ()
    """What apps may have that come without an operator, where any can."""

    @property
    def grant_types(self) -> frozenset[GrantType]:
        """What any app here may redeem."""
        theirs = [client.grant_types for client in self.clients.values()]
        return frozenset[GrantType]().union(*theirs, *(allowed.grant_types for allowed in self.strangers))

    @property
    def auth_methods(self) -> frozenset[AuthMethod]:
        """How any app here may prove who it is."""
        theirs = {client.token_endpoint_auth_method for client in self.clients.values()}
        return frozenset[AuthMethod](theirs).union(*(allowed.auth_methods for allowed in self.strangers))


Part = Callable[[Offer], dict[str, Any]]


def _endpoints(offer: Offer) -> dict[str, Any]:
    issuer = offer.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "jwks_uri": issuer + JWKS,
        "introspection_endpoint": issuer + INTROSPECT,
        "revocation_endpoint": issuer + REVOKE,
    }


def _requests(offer: Offer) -> dict[str, Any]:
    return {
        # A dynamic scope has no one name to list, so its pattern stays unsaid.
        "scopes_supported": [name for name in offer.scopes if not name.endswith(".*")],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        # Said in both documents: to leave it out would say that it is supported. Nothing is fetched by it.
        "request_uri_parameter_supported": False,
    }


def _signed_and_pushed(offer: Offer) -> dict[str, Any]:
    """RFC 9126 §5; RFC 9101 §10.5 and Discovery §3; JARM §4; RFC 9396 §10."""
    said: dict[str, Any] = {
        "pushed_authorization_request_endpoint": offer.issuer + PUSHED_REQUEST,
        "request_object_signing_alg_values_supported": list(request_object.ALGORITHMS),
        "authorization_signing_alg_values_supported": _signing(offer),
        **_encrypting("authorization"),
    }
    if offer.pushed_only:
        said["require_pushed_authorization_requests"] = True
    if offer.detail_types:
        said["authorization_details_types_supported"] = list(offer.detail_types)
    return said


def _tokens(offer: Offer) -> dict[str, Any]:
    usual = ("authorization_code", "refresh_token")
    return {"grant_types_supported": [*usual, *sorted(offer.grant_types.difference(usual))]}


def _client_authentication(offer: Offer) -> dict[str, Any]:
    """RFC 8414 §2: by which methods, and by which algorithms where one signs."""
    known = _ALWAYS | offer.auth_methods
    methods = [one for one in _AUTH_METHODS if one in known]
    by_key = list(algorithms.BY_KEY) if "private_key_jwt" in known else []
    by_secret = list(algorithms.BY_SECRET) if "client_secret_jwt" in known else []
    said: dict[str, Any] = {}
    for endpoint in ("token", "introspection", "revocation"):
        # RFC 7662 §2.1: whoever introspects proves who they are.
        allowed = [one for one in methods if endpoint != "introspection" or one != "none"]
        said[f"{endpoint}_endpoint_auth_methods_supported"] = allowed
        if by_key or by_secret:
            said[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = by_key + by_secret
    return said


def _possession(offer: Offer) -> dict[str, Any]:
    """RFC 9449 §5.1; RFC 8705 §3.3 and §5."""
    said: dict[str, Any] = {"dpop_signing_alg_values_supported": list(dpop.ALGORITHMS)}
    if offer.certificates:
        said["tls_client_certificate_bound_access_tokens"] = True
    return said


def _introspection(offer: Offer) -> dict[str, Any]:
    """RFC 9701 §7."""
    return {"introspection_signing_alg_values_supported": _signing(offer), **_encrypting("introspection")}


def _signing(offer: Offer) -> list[str]:
    """What an answer may be signed with: RS256, and whatever a client may have."""
    theirs = (
        {
            client.id_token_signed_response_alg,
            client.userinfo_signed_response_alg,
            client.introspection_signed_response_alg,
            client.authorization_signed_response_alg,
        }
        for client in offer.clients.values()
    )
    named = frozenset[str | None]({"RS256"}).union(*theirs, *(one.signing_algs for one in offer.strangers))
    return sorted(name for name in named if name is not None)


def _encrypting(kind: str) -> dict[str, Any]:
    """How an answer may be encrypted to the client's own key."""
    return {
        f"{kind}_encryption_alg_values_supported": list(get_args(EncryptionAlg)),
        f"{kind}_encryption_enc_values_supported": list(get_args(EncryptionEnc)),
    }


def _people(offer: Offer) -> dict[str, Any]:
    released = sorted({claim for rule in offer.scopes.values() for claim in rule.claims})
    return {
        "userinfo_endpoint": offer.issuer + USERINFO,
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": _signing(offer),
        **_encrypting("id_token"),
        "userinfo_signing_alg_values_supported": _signing(offer),
        **_encrypting("userinfo"),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_OWN_CLAIMS, *(c for c in released if c not in _OWN_CLAIMS)],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": True,
        "ui_locales_supported": list(LANGUAGES),
        "require_request_uri_registration": False,
    }


def _devices(offer: Offer) -> dict[str, Any]:
    """RFC 8628 §4."""
    if DEVICE_CODE not in offer.grant_types:
        return {}
    return {"device_authorization_endpoint": offer.issuer + DEVICE_AUTHORIZATION}


def _registration(offer: Offer) -> dict[str, Any]:
    """RFC 8414 §2; OAuth Client ID Metadata Document, metadata of the authorization server."""
    said: dict[str, Any] = {}
    if offer.registration:
        said["registration_endpoint"] = offer.issuer + REGISTER
    if offer.client_documents:
        said["client_id_metadata_document_supported"] = True
    return said


def _logout(offer: Offer) -> dict[str, Any]:
    """RP-Initiated Logout §2.1; Back-Channel Logout §2.1; Front-Channel Logout §3."""
    kinds = ("backchannel", "frontchannel")
    said = {f"{kind}_logout_{what}": True for kind in kinds for what in ("supported", "session_supported")}
    return {"end_session_endpoint": offer.issuer + END_SESSION, **said}


_OAUTH: tuple[Part, ...] = (
    _devices,
    _registration,
    _endpoints,
    _requests,
    _signed_and_pushed,
    _tokens,
    _client_authentication,
    _possession,
    _introspection,
)
_OPENID: tuple[Part, ...] = (*_OAUTH, _people, _logout)


def oauth_document(offer: Offer) -> dict[str, Any]:
    """The authorization server metadata (RFC 8414 §2)."""
    return _said(offer, _OAUTH)


def openid_document(offer: Offer) -> dict[str, Any]:
    """The OpenID Provider metadata (Discovery §3): the same, and what is about people."""
    return _said(offer, _OPENID)


def _said(offer: Offer, parts: tuple[Part, ...]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for part in parts:
        said |= part(offer)
    if offer.mtls_url is not None:  # RFC 8705 §5
        paths = {name: said[name].removeprefix(offer.issuer) for name in _DIRECT if name in said}
        said["mtls_endpoint_aliases"] = {name: offer.mtls_url + path for name, path in paths.items()}
    return said
