"""How a client is answered, held against the rest of its entry: its keys, a sector, grants.

OpenID Connect Registration §2 (an ``enc`` without an ``alg`` is a mistake); Core §8.1 (whose pairwise
``sub``); RFC 9101 §10.5 (who must sign); RFC 6749 §4.4 and RFC 8693 §5 (who may redeem what).
"""

from __future__ import annotations

from collections.abc import Callable

from broker.config import grants
from broker.protocol.client import Client
from broker.protocol.scopes import OF_OPENID
from broker.protocol.subject import sector_of
from broker.protocol.uris import check_fetched

_KINDS = ("id_token", "userinfo", "introspection", "authorization")


def check(client: Client, wrong: Callable[[str, str], None]) -> None:
    """Every mistake, by its key."""
    _encryption(client, wrong)
    _requests(client, wrong)
    _sector(client, wrong)
    for key, why in grants.exchange_objections(client):
        wrong(key, why)
    if "client_credentials" in client.grant_types and client.scopes <= OF_OPENID:
        wrong("scope", "client_credentials needs a scope that is not about people; declare one under scopes")


def _encryption(client: Client, wrong: Callable[[str, str], None]) -> None:
    for kind in _KINDS:
        alg, enc = f"{kind}_encrypted_response_alg", f"{kind}_encrypted_response_enc"
        if getattr(client, enc) is not None and getattr(client, alg) is None:
            wrong(enc, f"says nothing without {alg}")
        if getattr(client, alg) is not None and client.jwks is None and client.jwks_uri is None:
            wrong(alg, "needs a key to encrypt to: jwks or jwks_uri")


def _requests(client: Client, wrong: Callable[[str, str], None]) -> None:
    """Who must sign a request needs something to sign it with, or can never ask for anything."""
    if client.jwks is not None or client.jwks_uri is not None:
        return
    if client.require_signed_request_object:
        wrong("require_signed_request_object", "needs the key that it signs with: jwks or jwks_uri")
    elif client.request_object_signing_alg is not None:
        wrong("request_object_signing_alg", "needs the key that it signs with: jwks or jwks_uri")


def _sector(client: Client, wrong: Callable[[str, str], None]) -> None:
    uri = client.sector_identifier_uri
    if uri is not None:
        try:
            check_fetched(uri)
        except ValueError as error:
            wrong("sector_identifier_uri", str(error))
    elif client.subject_type == "pairwise" and sector_of(client) is None:
        wrong("sector_identifier_uri", "missing; pairwise subjects need one host, or a sector that says more")
