"""Dynamic registration: what somebody says of an app, read, completed and made into a `Client`.

Pure. RFC 7591 §2, §2.3 (software statements) and §3.2; RFC 7592 §2.2; OpenID Connect Dynamic Client
Registration 1.0 §2; RFC 8252 §7 and §8.4; the same for a document that a ``client_id`` leads to
(draft-ietf-oauth-client-id-metadata-document). Whoever registers is a stranger: what nobody may have is
refused, what the operator gives to nobody is left out, and the answer says what was registered (RFC 7591
§3.2.1). Nothing of the broker's own, such as whether an app is trusted, can be said at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from broker.protocol import languages
from broker.protocol.algorithms import BY_SECRET
from broker.protocol.client import DEVICE_CODE, AuthMethod, Client, GrantType, Origin, SigningAlg
from broker.protocol.errors import InvalidRedirectUri
from broker.protocol.metadata_values import (
    CERTIFICATE_NAMES,
    ENCRYPTED,
    LOCALISED,
    OURS_TO_SIGN,
    VALUES,
    wrong,
)
from broker.protocol.scopes import SCOPE_TOKEN
from broker.protocol.uris import ApplicationType, check_stranger_redirect_uri, is_loopback, origin_of

Metadata = Mapping[str, Any]
"""What is registered, by the names of RFC 7591; complete, and as it is told back."""

_MOST_URIS, _LONGEST_URI = 20, 1000
KNOWN_GRANTS = frozenset(get_args(GrantType))
_KNOWN_METHODS = frozenset(get_args(AuthMethod))
_WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
_OWN_KEYS = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
_USUAL_ENCODING: Final = "A128CBC-HS256"
_MOST_LANGUAGES = 20
NOBODYS_NAME: Final = "An app without a name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What an app that registers itself may have."""

    scopes: frozenset[str]
    grant_types: frozenset[GrantType]
    auth_methods: frozenset[AuthMethod]
    signing_algs: frozenset[SigningAlg]
    """Those that the broker has keys for."""
    connectors: Sequence[str] | None = None
    authorization_details_types: frozenset[str] = frozenset()
    require_pkce: bool = True
    certificates: bool = False
    """Whether client certificates can be shown here."""


def read(document: Metadata, allowed: Allowed) -> Metadata:
    """What is registered of ``document``.

    Raises:
        InvalidRedirectUri: the redirect_uris.
        InvalidClientMetadata: anything else.
    """
    said = {
        name: value for name, value in document.items() if value is not None
    }  # RFC 7592 §2.2: null is absent
    found: dict[str, Any] = {
        name: reader(name, said[name]) for name, reader in VALUES.items() if name in said
    }
    found |= _in_languages(said)
    found["grant_types"] = _grant_types(said, allowed)
    uris = _redirect_uris(said, found)
    if uris:
        found["redirect_uris"] = uris
        found["response_types"] = _response_types(said, found)
    found["application_type"] = _application_type(found, uris)
    found["token_endpoint_auth_method"] = _auth_method(said, allowed)
    found["scope"] = _scope(said, allowed)
    found.setdefault("client_name", _host(uris))
    found.setdefault("id_token_signed_response_alg", "RS256")
    found.setdefault("subject_type", "public")
    _details(found, allowed)
    _keys_agree(found)
    _certificate_agrees(found, allowed)
    _algorithms_agree(found, allowed)
    _subjects_agree(found)
    _frames_agree(found)
    return MappingProxyType(found)


def client(
    client_id: str,
    metadata: Metadata,
    allowed: Allowed,
    *,
    origin: Origin,
    secret_digests: tuple[bytes, ...] = (),
    secrets: tuple[str, ...] = (),
    grants_since: float = 0.0,
) -> Client:
    """The client app of this metadata: never trusted, and by the operator's rules of this moment."""
    plain = {name: metadata[name] for name in _AS_THEY_ARE if name in metadata}
    scopes = frozenset(metadata["scope"].split())
    return Client(
        client_id=client_id,
        client_name=metadata["client_name"],
        redirect_uris=tuple(metadata.get("redirect_uris", ())),
        post_logout_redirect_uris=tuple(metadata.get("post_logout_redirect_uris", ())),
        token_endpoint_auth_method=metadata["token_endpoint_auth_method"],
        secret_digests=secret_digests,
        secrets=secrets,
        # The operator may have taken something away since.
        grant_types=tuple(name for name in metadata["grant_types"] if name in allowed.grant_types),
        scopes=scopes & allowed.scopes,
        connectors=allowed.connectors,
        authorization_details_types=tuple(metadata.get("authorization_details_types", ())),
        require_pkce=allowed.require_pkce,
        origin=origin,
        grants_since=grants_since,
        **plain,
    )


_AS_THEY_ARE: Final = (
    "application_type", "jwks", "jwks_uri",
    "token_endpoint_auth_signing_alg", *CERTIFICATE_NAMES,
    "tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens",
    "require_pushed_authorization_requests", "require_signed_request_object", "request_object_signing_alg",
    *OURS_TO_SIGN,
    *(f"{what}_encrypted_response_{half}" for what in ENCRYPTED for half in ("alg", "enc")),
    "subject_type", "sector_identifier_uri", "default_max_age", "require_auth_time", "initiate_login_uri",
    "backchannel_logout_uri", "backchannel_logout_session_required",
    "frontchannel_logout_uri", "frontchannel_logout_session_required",
)  # fmt: skip
"""The members that a `Client` has under the same name and in the same form."""


def origins(client: Client) -> frozenset[str]:
    """Where the scripts of an app without a secret run: the origins of its redirect_uris (RFC 6454 §4)."""
    uris = [urlsplit(uri) for uri in client.redirect_uris if client.is_public]
    return frozenset(f"{uri.scheme}://{uri.netloc}" for uri in uris if uri.scheme in ("https", "http"))


def needs_secret(metadata: Metadata) -> bool:
    """Whether the app proves itself by a secret that we give it."""
    return metadata["token_endpoint_auth_method"] in _WITH_SECRET


_SUBJECTS: Final = ("subject_type", "sector_identifier_uri")


def wants_other_subjects(before: Metadata, after: Metadata) -> bool:
    """Whether it hears of people by other names now, which a refreshed ID Token may not say (Core §12.2)."""
    return any(before.get(name) != after.get(name) for name in _SUBJECTS)


def ends_grants(before: Metadata, after: Metadata) -> bool:
    """Whether a change ends what was granted before it.

    Somebody else might be behind the app now, or it wants other subjects than those it was told.
    """
    was_public = before["token_endpoint_auth_method"] == "none"
    is_public = after["token_endpoint_auth_method"] == "none"
    is_elsewhere = before.get("redirect_uris") != after.get("redirect_uris")
    return was_public != is_public or is_elsewhere or wants_other_subjects(before, after)


# ── where it is answered ──────────────────────────────────────────────────────────────────────────


def _redirect_uris(said: Metadata, found: Metadata) -> list[str]:
    """RFC 7591 §2: an app that is answered through a browser must say where."""
    uris = said.get("redirect_uris", [])
    if not isinstance(uris, list) or len(uris) > _MOST_URIS:
        raise InvalidRedirectUri(f"redirect_uris must be a list of at most {_MOST_URIS} URIs.")
    if not uris and "authorization_code" in found["grant_types"]:
        raise InvalidRedirectUri("redirect_uris must have at least one URI.")
    for uri in uris:
        if not isinstance(uri, str) or not 0 < len(uri) <= _LONGEST_URI:
            raise InvalidRedirectUri("A redirect_uri must be a URI as text.")
        try:
            check_stranger_redirect_uri(uri, "native")
        except ValueError as error:
            raise InvalidRedirectUri(f"A redirect_uri {error}.", detail=str(error)) from None
    return list(dict.fromkeys(uris))


def _application_type(found: Metadata, uris: Sequence[str]) -> ApplicationType:
    """What the redirect_uris make of it: who listens on loopback or at a scheme of its own is a native app.

    Its port is then free (RFC 8252 §7.3), which apps rely on that never heard of ``application_type``.
    """
    if any(is_loopback(uri) or not uri.startswith("https://") for uri in uris):
        return "native"
    kind: ApplicationType = found.get("application_type", "web")
    return kind


def _response_types(said: Metadata, found: Metadata) -> list[str]:
    """RFC 7591 §2.1: ``code`` goes with its grant. An app may have redirect_uris and no use for them now."""
    types = said.get("response_types", ["code"])
    needed = "authorization_code" in found["grant_types"]
    if not isinstance(types, list) or ("code" not in types and (needed or types)):
        raise wrong("response_types", "must have code")
    return ["code"] if needed else []


def _host(uris: Sequence[str]) -> str:
    """What an app is called that gives itself no name: by where its answer goes, which it cannot make up."""
    return next((urlsplit(uri).hostname or urlsplit(uri).scheme for uri in uris), NOBODYS_NAME)


# ── what it may redeem and ask for ────────────────────────────────────────────────────────────────


def _grant_types(said: Metadata, allowed: Allowed) -> list[str]:
    asked = said.get("grant_types", ["authorization_code"])
    if not isinstance(asked, list) or not asked or not all(isinstance(name, str) for name in asked):
        raise wrong("grant_types", "must be a list of grant types")
    if not set(asked) <= KNOWN_GRANTS:
        raise wrong("grant_types", "has one that is not offered")
    given = [name for name in dict.fromkeys(asked) if name in allowed.grant_types]
    if not set(given) - {"refresh_token"}:
        raise wrong("grant_types", "has none that an app may register by itself")
    return given


def _scope(said: Metadata, allowed: Allowed) -> str:
    """Those that it asks for and may have; all that it may have where it asks for none."""
    asked = said.get("scope")
    if asked is None:
        return " ".join(sorted(allowed.scopes))
    if not isinstance(asked, str) or len(asked) > 4 * _LONGEST_URI:
        raise wrong("scope", "must be names with a space between them")
    names = asked.split()
    if any(SCOPE_TOKEN.fullmatch(name) is None or "*" in name for name in names):
        raise wrong("scope", "has a character that a scope of an app may not have")
    given = [name for name in dict.fromkeys(names) if name in allowed.scopes]
    if not given:
        raise wrong("scope", "has none that an app may register by itself")
    return " ".join(given)


def _details(found: dict[str, Any], allowed: Allowed) -> None:
    asked = found.pop("authorization_details_types", [])
    given = [name for name in asked if name in allowed.authorization_details_types]
    if given:
        found["authorization_details_types"] = given


def _in_languages(said: Metadata) -> dict[str, Any]:
    """The members that are said once more in some language (RFC 7591 §2.2)."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        member, mark, tag = name.partition("#")
        if mark and member in LOCALISED and languages.TAG.fullmatch(tag) is not None:
            found[name] = VALUES[member](member, value)
    if len(found) > len(LOCALISED) * _MOST_LANGUAGES:
        raise wrong("client_name", "is said in too many languages")
    return found


# ── how it proves who it is ───────────────────────────────────────────────────────────────────────


def _auth_method(said: Metadata, allowed: Allowed) -> str:
    method = said.get("token_endpoint_auth_method", "client_secret_basic")
    if not isinstance(method, str) or method not in _KNOWN_METHODS or method not in allowed.auth_methods:
        raise wrong("token_endpoint_auth_method", "is not one that an app may register by itself")
    return method


def _keys_agree(found: Metadata) -> None:
    if "jwks" in found and "jwks_uri" in found:  # RFC 7591 §2
        raise wrong("jwks", "and jwks_uri must not both be there")
    method = found["token_endpoint_auth_method"]
    if method in _OWN_KEYS and "jwks" not in found and "jwks_uri" not in found:
        raise wrong("jwks", f"or jwks_uri is needed for {method}")
    if found.get("require_signed_request_object") and "jwks" not in found and "jwks_uri" not in found:
        raise wrong("jwks", "or jwks_uri is needed for require_signed_request_object")


def _certificate_agrees(found: Metadata, allowed: Allowed) -> None:
    named = [name for name in CERTIFICATE_NAMES if name in found]
    if found["token_endpoint_auth_method"] == "tls_client_auth" and len(named) != 1:
        raise wrong("tls_client_auth", "needs exactly one name of its certificate")  # RFC 8705 §2.1.2
    if found.get("tls_client_certificate_bound_access_tokens") and not allowed.certificates:
        raise wrong("certificate-bound access tokens", "are not offered here")


def _algorithms_agree(found: dict[str, Any], allowed: Allowed) -> None:
    for name in OURS_TO_SIGN:
        if name in found and found[name] not in allowed.signing_algs:
            raise wrong(name, "is not one that is offered")
    method, alg = found["token_endpoint_auth_method"], found.get("token_endpoint_auth_signing_alg")
    if alg is not None and (alg in BY_SECRET) != (method == "client_secret_jwt"):
        raise wrong("token_endpoint_auth_signing_alg", f"does not go with {method}")
    for what in ENCRYPTED:
        key, content = f"{what}_encrypted_response_alg", f"{what}_encrypted_response_enc"
        if content in found and key not in found:  # Registration §2
            raise wrong(content, f"needs {key}")
        if key in found and "jwks" not in found and "jwks_uri" not in found:
            raise wrong(key, "needs jwks or jwks_uri")
        if key in found:
            found.setdefault(content, _USUAL_ENCODING)


def _subjects_agree(found: Metadata) -> None:
    """Core §8.1: subjects of its own hang on one host, or on a document that names them all."""
    if found["subject_type"] != "pairwise":
        return
    # Only an answer at a redirect_uri shows whose that is; a device is answered wherever it asks from.
    if DEVICE_CODE in found["grant_types"]:
        raise wrong("subject_type", "pairwise is not for an app that devices sign in to")
    hosts = {urlsplit(uri).hostname for uri in found.get("redirect_uris", ())}
    if "sector_identifier_uri" not in found and len(hosts) > 1:
        raise wrong("sector_identifier_uri", "is needed where redirect_uris have several hosts")


def _frames_agree(found: Metadata) -> None:
    """Front-Channel Logout 1.0 §2: the page in the frame is where the app is answered."""
    uri = found.get("frontchannel_logout_uri")
    if uri is not None and origin_of(uri) not in map(origin_of, found.get("redirect_uris", ())):
        raise wrong("frontchannel_logout_uri", "must have the scheme, host and port of a redirect_uri")
