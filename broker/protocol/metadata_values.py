"""The values of a client's metadata, as somebody writes them who registers: each held against its type.

Owns `VALUES`, what may be said and how it is read. RFC 7591 §2; OpenID Connect Dynamic Client Registration
1.0 §2; RP-Initiated, Back-Channel and Front-Channel Logout 1.0; RFC 8705 §2.1.2 and §3.4; RFC 9101 §10.5; RFC
9126 §6; RFC 9396 §10; RFC 9449 §5.2; RFC 9701 §6; JARM §3. A member that is not in the table is not
understood, and ignored (RFC 7591 §2). Each reader gives the value as it is registered.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

from broker.protocol import public_jwks, request_object
from broker.protocol.algorithms import BY_KEY, BY_SECRET
from broker.protocol.client import EncryptionAlg, EncryptionEnc, SigningAlg
from broker.protocol.errors import InvalidClientMetadata
from broker.protocol.uris import check_fetched, check_redirect_uri

LONGEST_NAME: Final = 100
_LONGEST_TEXT, _MOST_TEXTS = 1000, 20
_MOST_SECONDS = 10 * 366 * 86_400

Reader = Callable[[str, Any], Any]


def wrong(name: str, why: str) -> InvalidClientMetadata:
    """What is told of a member; nothing of what was sent is repeated."""
    return InvalidClientMetadata(f"{name} {why}.", reason="client_metadata", detail=f"{name} {why}")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT or not _printable(value):
        raise wrong(name, "must be a short text")
    return value


def _printable(text: str) -> bool:
    return all(unicodedata.category(char) not in {"Cc", "Cs", "Cn", "Zl", "Zp"} for char in text)


def _name(name: str, value: Any) -> str:
    """A name for people: in one form, short, and without what cannot be seen or turns a line around."""
    if not isinstance(value, str):
        raise wrong(name, "must be a text")
    composed = unicodedata.normalize("NFKC", value[: 10 * LONGEST_NAME])
    seen = "".join(char for char in composed if unicodedata.category(char)[0] != "C")
    short = " ".join(seen.split())[:LONGEST_NAME].rstrip()
    if not short:
        raise wrong(name, "must hold something that can be seen")
    return short


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, "must be true or false")
    return value


def _seconds(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_SECONDS:
        raise wrong(name, "must be a number of seconds")
    return value


def texts(name: str, value: Any) -> list[str]:
    """A list of texts, each once."""
    if not isinstance(value, list) or len(value) > _MOST_TEXTS:
        raise wrong(name, f"must be a list of at most {_MOST_TEXTS} texts")
    return list(dict.fromkeys(_text(name, entry) for entry in value))


def _page(name: str, value: Any) -> str:
    """A page for people to look at, which nothing here fetches: nothing that a browser would run."""
    text = _text(name, value)
    try:
        check_redirect_uri(text.partition("#")[0], "native")
    except ValueError:
        text = ""
    if not text.startswith(("https://", "http://")):
        raise wrong(name, "must be an https URL")
    return text


def _document(name: str, value: Any) -> str:
    text = _text(name, value)
    try:
        check_fetched(text)
    except ValueError as error:
        raise wrong(name, str(error)) from None
    return text


def _landing(name: str, value: Any) -> list[str]:
    found = texts(name, value)
    for uri in found:
        try:
            check_redirect_uri(uri, "native")
        except ValueError as error:
            raise wrong(name, str(error)) from None
    return found


def _one_of(*allowed: str) -> Reader:
    def read(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise wrong(name, "is not one that is offered")
        return value

    return read


def _jwks(_name: str, value: Any) -> Mapping[str, Any]:
    objection = public_jwks.objection(value)
    if objection is not None:
        raise InvalidClientMetadata(f"{objection}.", reason="client_metadata", detail=objection)
    return dict(value)


_SIGNED, _WRAPPED = _one_of(*get_args(SigningAlg)), _one_of(*get_args(EncryptionAlg))
_ENCODED = _one_of(*get_args(EncryptionEnc))

VALUES: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "client_name": _name,
        "client_uri": _page,
        "logo_uri": _page,
        "tos_uri": _page,
        "policy_uri": _page,
        "contacts": texts,
        "software_id": _text,
        "software_version": _text,
        "application_type": _one_of("web", "native"),
        "post_logout_redirect_uris": _landing,
        "jwks": _jwks,
        "jwks_uri": _document,
        "token_endpoint_auth_signing_alg": _one_of(*BY_KEY, *BY_SECRET),
        "tls_client_auth_subject_dn": _text,
        "tls_client_auth_san_dns": _text,
        "tls_client_auth_san_uri": _text,
        "tls_client_auth_san_ip": _text,
        "tls_client_auth_san_email": _text,
        "tls_client_certificate_bound_access_tokens": _flag,
        "dpop_bound_access_tokens": _flag,
        "require_pushed_authorization_requests": _flag,
        "require_signed_request_object": _flag,
        "request_object_signing_alg": _one_of(*request_object.ALGORITHMS),
        "authorization_signed_response_alg": _SIGNED,
        "authorization_encrypted_response_alg": _WRAPPED,
        "authorization_encrypted_response_enc": _ENCODED,
        "id_token_signed_response_alg": _SIGNED,
        "id_token_encrypted_response_alg": _WRAPPED,
        "id_token_encrypted_response_enc": _ENCODED,
        "userinfo_signed_response_alg": _SIGNED,
        "userinfo_encrypted_response_alg": _WRAPPED,
        "userinfo_encrypted_response_enc": _ENCODED,
        "introspection_signed_response_alg": _SIGNED,
        "introspection_encrypted_response_alg": _WRAPPED,
        "introspection_encrypted_response_enc": _ENCODED,
        "subject_type": _one_of("public", "pairwise"),
        "sector_identifier_uri": _document,
        "default_max_age": _seconds,
        "require_auth_time": _flag,
        "authorization_details_types": texts,
        "initiate_login_uri": _document,
        "backchannel_logout_uri": _document,
        "backchannel_logout_session_required": _flag,
        "frontchannel_logout_uri": _document,
        "frontchannel_logout_session_required": _flag,
    }
)
LOCALISED: Final = frozenset({"client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"})
"""What may be said once more in a language, as ``client_name#de`` (RFC 7591 §2.2)."""
OURS_TO_SIGN: Final = (
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)
ENCRYPTED: Final = ("id_token", "userinfo", "authorization", "introspection")
CERTIFICATE_NAMES: Final = tuple(name for name in VALUES if name.startswith("tls_client_auth_"))
