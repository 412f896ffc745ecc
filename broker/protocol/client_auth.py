"""Client authentication: exactly one method per request, and the registered one.

RFC 6749 §2.3 and §2.3.1 (Basic carries form-encoded id and secret), §5.2; RFC 7521 §4.2 (assertions); RFC
8705 §2 (certificates); OpenID Connect Core §9. A failure spends nothing, and says the same whatever was
wrong.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import ClassVar, Final, Literal
from urllib.parse import unquote_to_bytes

from broker.protocol.assertions import JWT_BEARER
from broker.protocol.client import AuthMethod, Client, secret_digest
from broker.protocol.errors import InvalidClient, InvalidRequest
from broker.protocol.params import Params
from broker.record import Record

Presented = Literal["client_secret_basic", "client_secret_post", "assertion", "client_id"]

_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE | re.ASCII)
_MAX_CREDENTIALS = 4096
_NOBODY = (secret_digest("nobody has this secret"),)
BY_SECRET: Final = frozenset({"client_secret_basic", "client_secret_post"})
BY_CERTIFICATE: Final = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})
_REGISTERED: Final[dict[Presented, frozenset[AuthMethod]]] = {
    "client_secret_basic": frozenset({"client_secret_basic"}),
    "client_secret_post": frozenset({"client_secret_post"}),
    "assertion": frozenset({"private_key_jwt", "client_secret_jwt"}),
    "client_id": frozenset({"none", "tls_client_auth", "self_signed_tls_client_auth"}),
}
"""What a client may be registered for that presents itself so: a certificate is shown by the connection."""


class Credentials(Record, frozen=True, kw_only=True):
    """What a request presents, before anything of it is believed."""

    HIDDEN: ClassVar = frozenset({"secret", "assertion"})
    method: Presented
    client_id: str
    """Empty where an assertion alone says who it is of."""
    secret: str = ""
    assertion: str = ""


def present(authorization: str | None, params: Params) -> Credentials:
    """What the request presents, by exactly one method.

    Args:
        authorization: the one ``Authorization`` header, or None.
        params: the form.

    Raises:
        InvalidRequest: more than one method at once (RFC 6749 §2.3).
        InvalidClient: none, or one that is malformed.
    """
    client_id, secret = params.get("client_id"), params.get("client_secret")
    kind, assertion = params.get("client_assertion_type"), params.get("client_assertion")
    ways = [authorization is not None, secret is not None, kind is not None or assertion is not None]
    if sum(ways) > 1:
        raise InvalidRequest("Use one way of client authentication.", reason="two_auth_methods")
    if kind is not None or assertion is not None:
        return _assertion(kind, assertion, client_id)
    if authorization is None:
        if client_id is None:
            raise InvalidClient(reason="client_credentials_missing")
        method: Presented = "client_id" if secret is None else "client_secret_post"
        return Credentials(method=method, client_id=client_id, secret=secret or "")
    basic = _basic(authorization)
    if client_id not in (None, basic.client_id):  # the same id again is harmless and common
        raise InvalidClient(reason="client_ids_differ")
    return basic


def objection(presented: Credentials, client: Client | None) -> str:
    """Why a client cannot be authenticated so, whatever its credentials are worth; empty where it can."""
    if client is None or not client.enabled:
        return "client_unknown"
    if client.token_endpoint_auth_method not in _REGISTERED[presented.method]:
        return "auth_method_not_registered"
    return ""


def has_secret(presented: Credentials, client: Client | None) -> bool:
    """Whether the secret is one that was generated for this client.

    It is compared for strangers too, so that an unknown client takes as long as a wrong secret.
    """
    known = () if client is None else client.secret_digests
    digest = secret_digest(presented.secret)
    right = [hmac.compare_digest(digest, secret) for secret in known or _NOBODY]
    return any(right) and bool(known)


def _assertion(kind: str | None, assertion: str | None, client_id: str | None) -> Credentials:
    """RFC 7521 §4.2: both parameters, of the one type there is; ``client_id`` is optional beside them."""
    if kind is None or assertion is None:
        raise InvalidClient(reason="assertion_incomplete")
    if kind != JWT_BEARER:
        raise InvalidClient(reason="assertion_type_unknown")
    return Credentials(method="assertion", client_id=client_id or "", assertion=assertion)


def _basic(authorization: str) -> Credentials:
    match = _BASIC.fullmatch(authorization) if len(authorization) <= _MAX_CREDENTIALS else None
    if match is None:
        raise InvalidClient(reason="basic_malformed")
    try:
        text = b64decode(match[1], validate=True).decode()
    except (Base64Error, ValueError):
        raise InvalidClient(reason="basic_malformed") from None
    name, colon, secret = text.partition(":")
    if not colon:  # the first one parts them: an id has none (RFC 7617 §2)
        raise InvalidClient(reason="basic_malformed")
    return Credentials(method="client_secret_basic", client_id=_form(name), secret=_form(secret))


def _form(text: str) -> str:
    """One value of application/x-www-form-urlencoded (RFC 6749 Appendix B)."""
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode()
    except ValueError:
        raise InvalidClient(reason="basic_malformed") from None
    if "\0" in decoded:
        raise InvalidClient(reason="basic_malformed")
    return decoded
