"""What an operator writes about an OpenID Provider.

Owns `Common`, the keys that every OpenID Connect upstream has, and `Settings`, those of the generic one.
Names are those of RFC 7591 and RFC 8414 where they have one.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    Tag,
    model_validator,
)

from broker.connector import ConnectorSettings, IssuerRule, Secret
from connectors.oauth2 import AuthMethod

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[!-~]([ -~]*[!-~])?$")]


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its name or number."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def check_url(url: str, *, query: bool = True) -> str:
    """An absolute https URL (http only on loopback) without user, fragment or anything hidden."""
    parts = urlsplit(url)
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("has characters that no URL has")
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        raise ValueError("is not an absolute https URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; http is for loopback only")
    if "@" in parts.netloc or "#" in url or ("?" in url and not query):
        raise ValueError("must have no user or fragment" + ("" if query else " or query"))
    _ = parts.port  # raises ValueError when it is no number
    return url


def _issuer(url: str) -> str:
    return check_url(url, query=False)


def _openid(scope: str) -> str:
    if "openid" not in scope.split():
        raise ValueError("must contain openid")
    return " ".join(scope.split())


Url = Annotated[str, AfterValidator(check_url)]
IssuerUrl = Annotated[str, AfterValidator(_issuer)]


class TokenIssuer(ConnectorSettings):
    """The issuers of tokens where each tenant has one of its own."""

    template: Annotated[Text, AfterValidator(check_url)]
    """The issuer, with `{…}` where the claim stands, such as `https://login.example/{tid}/v2.0`."""
    claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "tid"
    """The claim of the token that names the tenant."""
    allowed: tuple[Text, ...] = Field(min_length=1)
    """The tenants that may sign in; `["*"]` lets everybody in who has one."""

    @model_validator(mode="after")
    def _bound(self) -> Self:
        """Without the claim in it the template would be an issuer that no tenant is bound to."""
        if self.template.count(f"{{{self.claim}}}") != 1:
            raise ValueError(f"template: must have {{{self.claim}}} in it, once")
        if "*" in self.allowed and len(self.allowed) > 1:
            raise ValueError('allowed: "*" is everybody, and stands alone')
        return self


def _shape(value: Any) -> str:
    return "text" if isinstance(value, str) else "list" if isinstance(value, list | tuple) else "rule"


TokenIssuers = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[tuple[Text, ...], Field(min_length=1), Tag("list")]
    | Annotated[TokenIssuer, Tag("rule")],
    Discriminator(_shape),
]


class Common(ConnectorSettings):
    """The keys of every OpenID Connect upstream."""

    client_id: Text
    """Who the broker is at this upstream."""
    client_secret: Secret | None = None
    """Its secret there."""
    private_key: Secret | None = None
    """For `private_key_jwt`: a private key in PEM or as a JWK. The broker serves its public half under
    `/connectors/<id>/jwks`."""
    token_endpoint_auth_method: AuthMethod | None = None
    """How the broker proves who it is. Without it: `private_key_jwt` with a private key, else what the
    upstream's metadata lists, `client_secret_basic` first."""
    client_assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    """For `private_key_jwt`: whom the assertion is for. `token_endpoint` only where the upstream insists."""
    scope: Annotated[Text, AfterValidator(_openid)] = "openid profile email"
    """What is asked of the upstream, with a space between the scopes."""
    get_user_info: StrictBool = False
    """Pulls the userinfo answer at each login."""
    pkce: Literal["auto", "always", "never"] = "auto"
    """`auto` uses PKCE unless the upstream's metadata lists other methods only."""
    response_mode: Literal["query", "form_post"] | None = None
    """How the upstream answers the browser; without it by query."""
    id_token_signing_algs: tuple[Algorithm, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"), min_length=1
    )
    """The algorithms that its ID Tokens may be signed with."""
    token_audiences: tuple[Text, ...] = ()
    """Who else may stand in the audience of its ID Tokens, beside the broker."""

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        """The credentials that the method needs are there, and those it does not need are not."""
        method, secret, key = self.token_endpoint_auth_method, self.client_secret, self.private_key
        if method is None and secret is None and key is None:
            raise ValueError("client_secret: missing (or say token_endpoint_auth_method: none)")
        if secret is not None and key is not None:
            raise ValueError("client_secret and private_key: give the one that is used")
        if method == "private_key_jwt" and key is None:
            raise ValueError("private_key: missing, private_key_jwt needs it")
        if method is not None and method.startswith("client_secret") and secret is None:
            raise ValueError(f"client_secret: missing, {method} needs it")
        if method == "none" and (secret is not None or key is not None):
            raise ValueError("token_endpoint_auth_method: none has no secret and no key")
        if method not in {None, "private_key_jwt"} and key is not None:
            raise ValueError(f"private_key: {method} does not use it")
        return self

    def on(self, issuer: str, **more: object) -> Settings:
        """The settings of the generic connector that these amount to."""
        shared: dict[str, object] = {name: getattr(self, name) for name in Common.model_fields}
        return Settings.model_validate({**shared, "issuer": issuer, **more})


class Settings(Common):
    """Any OpenID Provider."""

    issuer: IssuerUrl
    """The provider's name for itself, compared exactly, slash for slash."""
    discovery_url: Url | None = None
    """Where its metadata lies, if not at the issuer's `/.well-known/openid-configuration`."""
    discovery_issuer: Text | None = None
    """What its metadata says as `issuer`, if that is not the issuer."""
    token_issuer: TokenIssuers | None = None
    """What its tokens say as `iss`, if that is not the issuer: one text, a list of them, or
    `{template: …, claim: …, allowed: […]}` where each tenant has its own."""
    authorization_endpoint: Url | None = None
    """Instead of what the metadata says. With this, the token endpoint and the keys no metadata is read."""
    token_endpoint: Url | None = None
    """Instead of what the metadata says."""
    userinfo_endpoint: Url | None = None
    """Instead of what the metadata says."""
    jwks_uri: Url | None = None
    """Instead of what the metadata says."""

    @property
    def issuer_rule(self) -> str | IssuerRule:
        """Whose ID Tokens are believed."""
        told = self.token_issuer
        if told is None or isinstance(told, str):
            return told or self.issuer
        if isinstance(told, tuple):
            return IssuerRule(exact=frozenset(told))
        allowed = None if told.allowed == ("*",) else frozenset(told.allowed)
        return IssuerRule(template=told.template, claim=told.claim, allowed=allowed)

    @property
    def needs_discovery(self) -> bool:
        """Whether anything is left that only the metadata can tell."""
        given = (self.authorization_endpoint, self.token_endpoint, self.jwks_uri)
        return None in given or (self.get_user_info and self.userinfo_endpoint is None)

    @property
    def document_url(self) -> str:
        """Where the metadata lies (Discovery 1.0 §4: one slash between, whatever the issuer ends in)."""
        return self.discovery_url or f"{self.issuer.removesuffix('/')}/.well-known/openid-configuration"
