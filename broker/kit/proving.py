"""Whether a request to the token endpoint of a fake provider proves who sent it, by exactly one method.

Owns the check. RFC 6749 §2.3, RFC 7521 §4.2, RFC 7523 §3, RFC 8705 §2, Core §9.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from aiohttp import web
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

if TYPE_CHECKING:
    from broker.kit.manners import Manners

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BY_KEY = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
_BY_SECRET = ["HS256", "HS384", "HS512"]
_LONGEST = 300


class Refused(Exception):
    """An OAuth error of the token endpoint."""

    def __init__(self, error: str, status: int = 400, **more: Any) -> None:
        super().__init__(error)
        self.error, self.status, self.more = error, status, more


def check_client(idp: Manners, request: web.Request, form: dict[str, str]) -> None:
    """That the request proves who sent it by the one method that the provider wants.

    Raises:
        Refused: by another, by two, or wrongly.
    """
    header = request.headers.get("Authorization")
    shown = [header is not None, "client_secret" in form, "client_assertion" in form]
    if sum(shown) > 1:
        raise Refused("invalid_request")
    method = idp.auth_method
    proofs: dict[str, tuple[list[bool], Callable[[], bool]]] = {
        "client_secret_basic": ([True, False, False], lambda: _basic(idp, header or "")),
        "client_secret_post": ([False, True, False], lambda: form["client_secret"] == idp.client_secret),
        "private_key_jwt": ([False, False, True], lambda: _by_key(idp, form)),
        "client_secret_jwt": ([False, False, True], lambda: _by_secret(idp, form)),
        "tls_client_auth": ([False, False, False], lambda: _certificate(request)),
        "self_signed_tls_client_auth": ([False, False, False], lambda: _certificate(request)),
        "none": ([False, False, False], lambda: True),
    }
    wanted, proved = proofs[method]
    named = method == "client_secret_basic" or form.get("client_id") == idp.client_id
    assertion = method in {"private_key_jwt", "client_secret_jwt"}
    if shown != wanted or not (named or (assertion and "client_id" not in form)) or not proved():
        raise Refused("invalid_client", 401)


def _basic(idp: Manners, header: str) -> bool:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    scheme, _, value = header.partition(" ")
    name, _, secret = b64decode(value).decode().partition(":")
    told = (unquote_plus(name), unquote_plus(secret))
    return scheme == "Basic" and told == (idp.client_id, idp.client_secret)


def _certificate(request: web.Request) -> bool:
    """RFC 8705 §2: that there is one; which one it is, its TLS context has checked."""
    return request.transport is not None and bool(request.transport.get_extra_info("peercert"))


def _by_key(idp: Manners, form: dict[str, str]) -> bool:
    keys: Any = idp.client_jwks or {"keys": []}
    return _assertion(idp, form, KeySet.import_key_set(keys), _BY_KEY)


def _by_secret(idp: Manners, form: dict[str, str]) -> bool:
    return _assertion(idp, form, OctKey.import_key(idp.client_secret.encode()), _BY_SECRET)


def _assertion(idp: Manners, form: dict[str, str], key: Any, algorithms: list[str]) -> bool:
    try:
        claims = json.loads(
            jws.deserialize_compact(form["client_assertion"], key, algorithms=algorithms).payload
        )
    except (JoseError, ValueError):
        return False
    now, fresh = idp.now(), claims.get("jti") not in idp.jtis
    idp.jtis.add(str(claims.get("jti")))
    return (
        form.get("client_assertion_type") == ASSERTION
        and claims.get("iss") == claims.get("sub") == idp.client_id
        and claims.get("aud") in idp.assertion_audiences()
        and now < claims.get("exp", 0) <= now + _LONGEST
        and fresh
    )
