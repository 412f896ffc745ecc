"""Client authentication: exactly one method per request, and the registered one.

RFC 6749 §2.3 and §2.3.1 (Basic carries form-encoded id and secret), §5.2; OpenID Connect Core §9. A
failure spends nothing, and says the same whatever was wrong.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from broker.protocol.client import AuthMethod, Client, secret_digest
from broker.protocol.errors import InvalidClient, InvalidRequest
from broker.protocol.params import Params

_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE | re.ASCII)
_MAX_CREDENTIALS = 4096
_NOBODY = (secret_digest("nobody has this secret"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request presents, before anything of it is believed."""

    method: AuthMethod
    client_id: str
    secret: str = field(default="", repr=False)


def prove(presented: Credentials, client: Client | None) -> Client:
    """The client app that these credentials are of.

    Args:
        presented: as `present` read them.
        client: the one that they name, if there is one.

    Raises:
        InvalidClient: they are not its.
    """
    known = _NOBODY if client is None or client.is_public else client.secret_digests
    # Compared for strangers too, so that an unknown client takes as long as a wrong secret.
    digest = secret_digest(presented.secret)
    right = [hmac.compare_digest(digest, secret) for secret in known]
    if client is None or not client.enabled:
        raise InvalidClient(reason="client_unknown")
    if presented.method != client.token_endpoint_auth_method:
        raise InvalidClient(reason="auth_method_not_registered", detail=presented.method)
    if not client.is_public and not any(right):
        raise InvalidClient(reason="client_secret_wrong")
    return client


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
    if params.get("client_assertion") is not None or params.get("client_assertion_type") is not None:
        raise InvalidClient(reason="auth_method_unknown", detail="client_assertion")
    if authorization is None:
        if client_id is None:
            raise InvalidClient(reason="client_credentials_missing")
        method: AuthMethod = "none" if secret is None else "client_secret_post"
        return Credentials(method=method, client_id=client_id, secret=secret or "")
    basic = _basic(authorization)
    if secret is not None:
        raise InvalidRequest("Use one way of client authentication.", reason="two_auth_methods")
    if client_id not in (None, basic.client_id):  # the same id again is harmless and common
        raise InvalidClient(reason="client_ids_differ")
    return basic


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
