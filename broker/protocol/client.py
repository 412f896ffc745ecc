"""What the broker knows of a client app: the metadata of RFC 7591, typed.

Owns `Client` and `ScopeRule`. A client app comes from the configuration, from its registration (RFC 7591)
or from a document of its own (CIMD); who reads a `Client` need not know which, but for how far to trust it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Literal

from broker.protocol.exchanging import ExchangePolicy

AuthMethod = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
]
GrantType = Literal[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
SigningAlg = Literal["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
EncryptionAlg = Literal["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
EncryptionEnc = Literal["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]
Profile = Literal["fapi2_security", "fapi2_message_signing"]
Origin = Literal["config", "registered", "document"]


def secret_digest(secret: str) -> bytes:
    """How a client secret is kept in memory: only ever compared, so only its hash."""
    return sha256(b"client secret\0" + secret.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client app. Field names are those of RFC 7591 where it has one."""

    client_id: str
    client_name: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...] = ()
    application_type: Literal["web", "native"] = "web"
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    secret_digests: tuple[bytes, ...] = field(default=(), repr=False)
    """`secret_digest` of each secret that is valid now; two during rotation."""
    secret_hashes: tuple[str, ...] = field(default=(), repr=False)
    """The same for secrets that people chose: Argon2id, as `broker clients hash` writes it."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """In plain, and only where nothing less will do: for ``client_secret_jwt`` (RFC 7518 §3.2)."""
    grant_types: tuple[GrantType, ...] = ("authorization_code",)
    scopes: frozenset[str] = frozenset({"openid", "profile", "email"})
    trusted: bool = False
    connectors: Sequence[str] | None = None
    """The connectors it allows, of the configuration `Names`; None is all of them."""
    id_token_signed_response_alg: SigningAlg = "RS256"
    access_token_format: Literal["jwt", "opaque"] = "jwt"
    access_token_signing_alg: SigningAlg = "RS256"
    audience: str | None = None
    id_token_claims: bool = False
    require_pkce: bool = True
    enabled: bool = True
    logo: str | None = None
    """A path of ours under /static, or None."""
    origin: Origin = "config"
    """Where it comes from: the operator, its own registration, or a document of its own."""
    grants_since: float = 0.0
    """What it was granted before this instant is over: its registration says something else since."""

    # ── how it proves who it is, and what it holds (RFC 7523, RFC 8705, RFC 9449) ─────────────
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    jwks_uri: str | None = None
    token_endpoint_auth_signing_alg: str | None = None
    """The only one its assertions are signed by; None is any that its method allows."""
    allow_token_endpoint_audience: bool = False
    """Whether the token endpoint's URL is taken for the ``aud`` of its assertions too."""
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    dpop_nonce: Literal["optional", "required"] = "optional"
    """Whether its proofs must carry a nonce of ours (RFC 9449 §8)."""

    # ── what it must send, and how it is answered (RFC 9126, RFC 9101, JARM, Core §2, RFC 9701) ─
    profile: Profile | None = None
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    authorization_signed_response_alg: SigningAlg | None = None
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_signed_response_alg: SigningAlg | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    introspection_signed_response_alg: SigningAlg | None = None
    introspection_encrypted_response_alg: str | None = None
    introspection_encrypted_response_enc: str | None = None
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None
    default_max_age: int | None = None
    require_auth_time: bool = False

    # ── what it may ask for (RFC 8707, RFC 9396) ──────────────────────────────────────────────
    resources: tuple[str, ...] | None = None
    """The resource indicators it may name; None is all that are declared."""
    authorization_details_types: tuple[str, ...] = ()
    token_exchange: ExchangePolicy | None = None
    """What it may exchange (RFC 8693); None is nothing."""

    # ── how it hears of a sign-out, and where it begins one's sign-in ─────────────────────────
    initiate_login_uri: str | None = None
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    revoke_on_logout: bool = False
    """Whether a sign-out ends its refresh tokens with ``offline_access`` too."""

    @property
    def is_public(self) -> bool:
        """Whether it has no credentials of its own (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"

    @property
    def registered_itself(self) -> bool:
        """Whether it came without an operator: people are told so. Only a named document is trusted."""
        return self.origin != "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRule:
    """What a scope is in words, and which claims it releases (Core §5.4)."""

    name: str
    """As declared; ``account.*`` stands for one further segment."""
    description: str
    """The sentence on the consent page; ``{value}`` is the further segment."""
    claims: tuple[str, ...] = ()
    optional: bool = True
    """Whether the person may untick it."""
    sensitive: bool = False
    """Never pre-ticked."""
