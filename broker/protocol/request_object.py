"""The request object: an authorization request that its client app signed.

Owns what a request object must say once its signature is proved, and how it becomes parameters. RFC 9101 §4
(nothing nested), §5 and §6.3 (only what is inside counts, and the client is the same inside and outside),
§10.8 (its ``typ``); FAPI 2.0 Message Signing §5.3 for how long it may live.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from broker.protocol.algorithms import FAPI
from broker.protocol.client import Client, SigningAlg
from broker.protocol.errors import InvalidRequestObject
from broker.protocol.instants import LEEWAY, is_instant
from broker.protocol.params import Params

TYP = "oauth-authz-req+jwt"
TYPES = frozenset({TYP, "jwt", ""})
"""What ``typ`` may say, lower case; most libraries say nothing, or that it is a JWT."""
ALGORITHMS: tuple[str, ...] = get_args(SigningAlg)
_LONGEST = 3600.0
"""Under a profile: seconds from ``nbf`` to ``exp``, and from ``nbf`` to now."""
# Of the token, not of the request (RFC 9101 §4).
_OF_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
_NESTED = ("request", "request_uri")
_JSON = frozenset({"claims", "authorization_details"})
_TEXTS = frozenset(
    {
        "acr_values", "client_id", "code_challenge", "code_challenge_method", "connector", "dpop_jkt",
        "id_token_hint", "login_hint", "max_age", "nonce", "prompt", "redirect_uri", "registration",
        "resource", "response_mode", "response_type", "scope", "state", "ui_locales",
    }
)  # fmt: skip
"""What a request may say in text. What else there is nobody reads, whatever it is (RFC 6749 §3.1)."""


def algorithms(client: Client) -> tuple[str, ...]:
    """By what this client may sign its requests. ``none`` is never among them (RFC 9101 §10.1)."""
    able = FAPI if client.profile is not None else ALGORITHMS
    only = client.request_object_signing_alg
    return tuple(alg for alg in able if only in (None, alg))


def types(client: Client) -> frozenset[str]:
    """What its header may say that it is: under a profile nothing else than a request object, or nothing.

    A client app is to say it, and we to take it (Message Signing §5.3); one that does not is as conformant.
    """
    return frozenset({TYP, ""}) if client.profile == "fapi2_message_signing" else TYPES


def parameters(claims: Mapping[str, Any], client: Client, *, issuer: str, now: float) -> Params:
    """The request that stands in a request object whose signature is proved.

    Raises:
        InvalidRequestObject: it is for somebody else, from somebody else, too old, or no request.
    """
    _nothing_nested(claims)
    _from_this_client(claims, client)
    _for_us(claims, issuer)
    _in_time(claims, now=now)
    if client.profile is not None:
        _short_lived(claims, now=now)
    return Params.of(_pairs(claims))


def _refuse(said: str, reason: str) -> InvalidRequestObject:
    return InvalidRequestObject(f"The request object {said}.", reason=f"request_object_{reason}")


def _nothing_nested(claims: Mapping[str, Any]) -> None:
    if any(name in claims for name in _NESTED):  # RFC 9101 §4
        raise _refuse("holds another one", "nested")


def _from_this_client(claims: Mapping[str, Any], client: Client) -> None:
    if claims.get("client_id") != client.client_id:  # RFC 9101 §6.3
        raise _refuse("says another client_id", "client_differs")
    if claims.get("iss", client.client_id) != client.client_id:
        raise _refuse("says another iss", "issuer_differs")
    # RFC 9101 §10.8: with a sub of the client's it could pass for a client assertion elsewhere.
    if claims.get("sub") == client.client_id:
        raise _refuse("has a sub like a client assertion", "is_an_assertion")


def _for_us(claims: Mapping[str, Any], issuer: str) -> None:
    audience = claims.get("aud")
    if issuer not in (audience if isinstance(audience, list) else [audience]):  # RFC 9101 §4
        raise _refuse("is not for this issuer", "audience")


def _in_time(claims: Mapping[str, Any], *, now: float) -> None:
    expires, not_before, issued = (_instant(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is not None and now >= expires + LEEWAY:
        raise _refuse("has expired", "expired")
    if any(begins is not None and begins > now + LEEWAY for begins in (not_before, issued)):
        raise _refuse("is not valid yet", "not_yet")


def _short_lived(claims: Mapping[str, Any], *, now: float) -> None:
    """FAPI 2.0 Message Signing §5.3.1: ``nbf`` and ``exp`` are there, and an hour apart at most."""
    expires, not_before = _instant(claims, "exp"), _instant(claims, "nbf")
    if expires is None or not_before is None:
        raise _refuse("needs exp and nbf", "times_missing")
    if now - not_before > _LONGEST or expires - not_before > _LONGEST:
        raise _refuse("is good for too long", "too_long")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if not is_instant(value):
        raise _refuse(f"has a malformed {name}", "times_malformed")
    return float(value)


def _pairs(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The members as parameters: numbers and objects as the text that a query would have (§4)."""
    for name, value in claims.items():
        if name in _OF_THE_TOKEN:
            continue
        if name == "resource" and isinstance(value, list):
            for one in value:
                yield name, _text(name, one)
        elif name in _JSON and isinstance(value, dict | list):
            yield name, json.dumps(value, ensure_ascii=False)
        elif name in _TEXTS or name in _JSON or isinstance(value, str):
            yield name, _text(name, value)


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or value is None:
        return "" if value is None else str(value)
    raise _refuse(f"has a malformed {name}", "malformed")
