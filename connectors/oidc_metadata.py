"""An OpenID Provider's metadata, read with suspicion.

Owns `Metadata`: the few members that a login needs. Discovery 1.0 §3 and §4.3, RFC 8414 §2 and §3.3,
RFC 8705 §5. It is the upstream's own word, so endpoints must be https, the issuer must be the one that was
configured, and once endpoints are known their origins stay: a document that suddenly points elsewhere is not
followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from broker.connector import Json, UpstreamInvalid
from connectors.oauth2 import AuthMethod, printable
from connectors.oidc_settings import Settings, check_url

_BY_SECRET: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a login needs to know of the provider."""

    document: Mapping[str, Json]
    """What it was read from."""
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: frozenset[str] | None
    pkce_methods: frozenset[str] | None
    prompts: frozenset[str] | None
    tells_issuer: bool
    """Whether its callbacks always say ``iss`` (RFC 9207 §3)."""

    @property
    def preferred_auth_method(self) -> AuthMethod:
        """For a client with a secret: basic, the default of RFC 8414, unless only others are listed."""
        listed = self.auth_methods or ()
        return next((method for method in _BY_SECRET if method in listed), "client_secret_basic")

    @property
    def origins(self) -> frozenset[str]:
        """Where secrets and tokens go, and where keys come from."""
        urls = (self.token_endpoint, self.jwks_uri, self.userinfo_endpoint)
        return frozenset(_origin(url) for url in urls if url is not None)


def read_metadata(document: Mapping[str, Json], settings: Settings, known: Metadata | None) -> Metadata:
    """The metadata in ``document``, what the settings say having priority.

    Raises:
        UpstreamInvalid: it is another issuer's, or has endpoints that we do not use.
    """
    wanted = settings.discovery_issuer or settings.issuer
    if settings.needs_discovery and document.get("issuer") != wanted:
        told = printable(str(document.get("issuer")))
        raise UpstreamInvalid("metadata_issuer_mismatch", f"it says {told}, not {wanted}")
    by_us = _for_certificates(document) if settings.tls_client_certificate is not None else document
    metadata = Metadata(
        document=document,
        authorization_endpoint=_needed(document, "authorization_endpoint", settings.authorization_endpoint),
        token_endpoint=_needed(by_us, "token_endpoint", settings.token_endpoint),
        jwks_uri=_needed(document, "jwks_uri", settings.jwks_uri),
        userinfo_endpoint=endpoint(by_us, "userinfo_endpoint", settings.userinfo_endpoint),
        auth_methods=_set(document, "token_endpoint_auth_methods_supported"),
        pkce_methods=_set(document, "code_challenge_methods_supported"),
        prompts=_set(document, "prompt_values_supported"),
        tells_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )
    if known is not None and not metadata.origins <= known.origins:
        moved = ", ".join(sorted(metadata.origins - known.origins))
        raise UpstreamInvalid("metadata_origin_changed", f"endpoints moved to {moved}")
    return metadata


def audience_of(metadata: Metadata, settings: Settings) -> str:
    """Whom an assertion is for: the issuer, or the token endpoint where the upstream insists.

    Raises:
        UpstreamInvalid: the metadata wants one that somebody else's token endpoint would take (RFC 7523 §3).
    """
    if settings.client_assertion_audience == "issuer":
        return settings.issuer
    ours = {_origin(settings.issuer), _origin(settings.document_url)}
    if settings.token_endpoint is None and _origin(metadata.token_endpoint) not in ours:
        elsewhere = f"assertions for {metadata.token_endpoint} are made only where the entry names it"
        raise UpstreamInvalid("metadata_token_endpoint_elsewhere", elsewhere)
    return metadata.token_endpoint


def prompts_taken(asked: tuple[str, ...], taken: frozenset[str] | None) -> list[str]:
    """What of ``prompt`` goes on. An upstream that cannot let an account be chosen can let one sign in."""
    if taken is None:
        return list(asked)
    known = ["login" if prompt == "select_account" and prompt not in taken else prompt for prompt in asked]
    return [prompt for prompt in dict.fromkeys(known) if prompt in taken or prompt == "login"]


def _origin(url: str) -> str:
    return "://".join(urlsplit(url)[:2])


def _for_certificates(document: Mapping[str, Json]) -> Mapping[str, Json]:
    """The document with the endpoints for those who bring a certificate, where it has some (RFC 8705 §5)."""
    aliases = document.get("mtls_endpoint_aliases")
    return {**document, **aliases} if isinstance(aliases, dict) else document


def _needed(document: Mapping[str, Json], name: str, given: str | None) -> str:
    found = endpoint(document, name, given)
    if found is None:
        raise UpstreamInvalid("metadata_endpoint_missing", f"no {name}")
    return found


def endpoint(document: Mapping[str, Json], name: str, given: str | None) -> str | None:
    """The endpoint of this name, what is ``given`` having priority; None where there is none.

    Raises:
        UpstreamInvalid: it is no https URL.
    """
    url = document.get(name) if given is None else given
    if url is None:
        return None
    try:
        return check_url(url if isinstance(url, str) else "")
    except ValueError as error:
        raise UpstreamInvalid("metadata_endpoint_malformed", f"{name} {error}") from error


def _set(document: Mapping[str, Json], name: str) -> frozenset[str] | None:
    """A list of words; None where it is not told, which is not the same as an empty list."""
    listed = document.get(name)
    return frozenset(word for word in listed if isinstance(word, str)) if isinstance(listed, list) else None
