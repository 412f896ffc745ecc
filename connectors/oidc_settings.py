"""What an operator writes about an OpenID Provider.

Owns `Common`, the keys that every OpenID Connect upstream has, and `Settings`, those of the generic one.
Names are those of RFC 7591 and RFC 8414 where they have one.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from broker.connector import ConnectorSettings, IssuerRule, LocalFile, Secret
from connectors.oauth2 import TLS_METHODS, AuthMethod

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]
KeyManagement = Literal["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
Encoding = Literal["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]
ENCODINGS = get_args(Encoding)
_CREDENTIALS = {
    "client_secret": ("client_secret_basic", "client_secret_post", "client_secret_jwt"),
    "private_key": ("private_key_jwt",),
    "tls_client_certificate": TLS_METHODS,
}
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[!-~]([ -~]*[!-~])?$")]

Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")]
"""A vendor's host, as an operator writes it: bare, without scheme or path."""


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its name or number."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def origin_of(domain: str) -> str:
    """The origin of a vendor's domain, `host` or `host:port`: https, and http on loopback only."""
    return f"{'http' if is_loopback(urlsplit(f'//{domain}').hostname) else 'https'}://{domain}"


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


def openid(scope: str) -> str:
    """The scopes, if `openid` is one: without it there is no ID Token (Core §3.1.2.1)."""
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


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _shape(value: Any) -> str:
    return "text" if isinstance(value, str) else "list" if isinstance(value, list | tuple) else "rule"


TokenIssuers = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[tuple[Text, ...], Field(min_length=1), Tag("list")]
    | Annotated[TokenIssuer, Tag("rule")],
    Discriminator(_shape),
]


DecryptionKeys = Annotated[
    tuple[Secret, ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1, max_length=2),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 2}]}
    ),
]


class Common(ConnectorSettings):
    """The keys of every OpenID Connect upstream."""

    refresh_scope: ClassVar[str | None] = None
    """The scope without which it gives no refresh token; None where it may well give one."""

    client_id: Text
    """Who the broker is at this upstream."""
    client_secret: Secret | None = None
    """Its secret there."""
    private_key: Secret | None = None
    """For `private_key_jwt`: a private key in PEM or as a JWK. The broker serves its public half under
    `/connectors/<id>/jwks`."""
    tls_client_certificate: LocalFile | None = None
    """For `tls_client_auth` and `self_signed_tls_client_auth`: a PEM file with the broker's certificate, and
    what leads up to its root."""
    tls_client_key: LocalFile | None = None
    """A PEM file with the certificate's private key, without a passphrase."""
    token_endpoint_auth_method: AuthMethod | None = None
    """How the broker proves who it is. Without it: `private_key_jwt` with a private key, `tls_client_auth`
    with a certificate, else what the upstream's metadata lists, `client_secret_basic` first."""
    client_assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    """For `private_key_jwt` and `client_secret_jwt`: whom the assertion is for. `token_endpoint` only where
    the upstream insists."""
    scope: Annotated[Text, AfterValidator(openid)] = "openid profile email"
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
    userinfo_signed_response_alg: Algorithm | None = None
    """The algorithm that its userinfo answers are signed with. Without it JSON is read too, and what is
    signed must be signed as ID Tokens may be."""
    decryption_key: DecryptionKeys | None = None
    """For an upstream that encrypts: a private key in PEM or as a JWK, of its own, or a list of two while one
    replaces the other. The broker serves the public half of the first under `/connectors/<id>/jwks`."""
    id_token_encrypted_response_alg: KeyManagement | None = None
    """How the key of its encrypted ID Tokens is made. One that is not encrypted is then refused."""
    id_token_encrypted_response_enc: Encoding | None = None
    """How they are encrypted; without it in any of these ways."""
    userinfo_encrypted_response_alg: KeyManagement | None = None
    """How the key of its encrypted userinfo answers is made. One that is not encrypted is then refused."""
    userinfo_encrypted_response_enc: Encoding | None = None
    """How they are encrypted; without it in any of these ways."""

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        """The credentials that the method needs are there, and those it does not need are not."""
        method = self.token_endpoint_auth_method
        given = [name for name in _CREDENTIALS if getattr(self, name) is not None]
        if method is None and not given:
            raise ValueError("client_secret: missing (or say token_endpoint_auth_method: none)")
        if (self.tls_client_certificate is None) is not (self.tls_client_key is None):
            raise ValueError("tls_client_certificate and tls_client_key: one is missing")
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]}: give the one that is used")
        if method is None:
            return self
        needed = next((name for name, methods in _CREDENTIALS.items() if method in methods), None)
        if needed is not None and needed not in given:
            raise ValueError(f"{needed}: missing, {method} needs it")
        if needed is None and given:
            raise ValueError("token_endpoint_auth_method: none has no secret and no key")
        return self

    @model_validator(mode="after")
    def _can_be_opened(self) -> Self:
        """Encryption and the key for it come together."""
        encrypted = (self.id_token_encrypted_response_alg, self.userinfo_encrypted_response_alg)
        if self.decryption_key is None and encrypted != (None, None):
            raise ValueError("decryption_key: missing, without it nothing that is encrypted can be read")
        if self.decryption_key is not None and encrypted == (None, None):
            raise ValueError("decryption_key: say id_token_encrypted_response_alg, or the userinfo one")
        return self

    @property
    def cannot_refresh(self) -> str | None:
        """Why it cannot be asked again with these settings; None where it may well be."""
        if self.refresh_scope is None or self.refresh_scope in self.scope.split():
            return None
        return f"scope has no {self.refresh_scope}, so there is no refresh token to ask with"

    @property
    def auth_method(self) -> AuthMethod | None:
        """How the broker proves who it is; None where the upstream's metadata decides between the ways."""
        if self.token_endpoint_auth_method is not None:
            return self.token_endpoint_auth_method
        if self.private_key is not None:
            return "private_key_jwt"
        return "tls_client_auth" if self.tls_client_certificate is not None else None

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
    end_session_endpoint: Url | None = None
    """Instead of what the metadata says; for `upstream_logout`."""

    @property
    def cannot_log_out(self) -> str | None:
        """Why nobody can be signed out there; None where the metadata may say how."""
        if self.needs_discovery or self.end_session_endpoint is not None:
            return None
        return "without metadata, say end_session_endpoint"

    @property
    def wants_plain_userinfo(self) -> bool:
        """Whether a userinfo answer may be JSON, which only the connection vouches for."""
        return self.userinfo_signed_response_alg is None and self.userinfo_encrypted_response_alg is None

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
