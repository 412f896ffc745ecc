"""What the broker knows of a client app: the metadata of RFC 7591, typed.

Owns `Client` and `ScopeRule`; they are made from the configuration and never change while it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

AuthMethod = Literal["client_secret_basic", "client_secret_post", "none"]
GrantType = Literal["authorization_code", "refresh_token"]
SigningAlg = Literal["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]


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

    @property
    def is_public(self) -> bool:
        """Whether it has no credentials of its own (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"


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
