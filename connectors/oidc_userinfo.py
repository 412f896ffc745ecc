"""The userinfo answer: JSON, or a JWT that is signed, encrypted, or both.

Owns how it is asked for and read. OpenID Connect Core §5.3; RFC 8725 §3.11 and §3.12. A signature on it is
always verified with the upstream's own keys; a token of another kind, of another issuer, for another audience
or about another person is not a userinfo answer, whoever signed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.connector import Answer, Json, Tools, UpstreamInvalid
from connectors.oauth2 import printable
from connectors.oidc_encrypted import opened
from connectors.oidc_metadata import Metadata
from connectors.oidc_settings import Settings

_OK = 200
_JWT = "application/jwt"
_TYPES = ("", "jwt", "userinfo+jwt")
"""What its ``typ`` may say; an access token or a logout token says what it is."""
_NOT_USERINFO = ("nonce", "at_hash", "events")
"""Claims that make it an ID Token, or a logout token."""


class UserinfoRefused(UpstreamInvalid):
    """The userinfo endpoint wants another access token, or none at all."""

    def __init__(self, status: int, challenge: str) -> None:
        super().__init__("userinfo_refused", f"status {status} {printable(challenge)}".rstrip())
        self.status = status


async def read_userinfo(
    tools: Tools, settings: Settings, metadata: Metadata, access_token: str | None, claims: Mapping[str, Any]
) -> Mapping[str, Json]:
    """The userinfo answer, if it is about the person of these claims.

    Raises:
        UpstreamError: it is not, or it cannot be had.
    """
    if metadata.userinfo_endpoint is None:
        raise UpstreamInvalid("metadata_no_userinfo_endpoint")
    if access_token is None:
        raise UpstreamInvalid("access_token_missing")
    accept = "application/json" if settings.wants_plain_userinfo else _JWT
    answer = await tools.http.get(metadata.userinfo_endpoint, bearer=access_token, accept=accept)
    if answer.status != _OK:
        # What is wrong is often said in this header only (RFC 6750 §3).
        raise UserinfoRefused(answer.status, answer.headers.get("www-authenticate", ""))
    said = await _said(tools, settings, metadata, answer, claims)
    if not isinstance(said.get("sub"), str) or said["sub"] != claims["sub"]:
        raise UpstreamInvalid("userinfo_sub_mismatch")
    return said


async def _said(
    tools: Tools, settings: Settings, metadata: Metadata, answer: Answer, claims: Mapping[str, Any]
) -> Mapping[str, Json]:
    if answer.content_type != _JWT:
        if not settings.wants_plain_userinfo:
            raise UpstreamInvalid("userinfo_not_signed", f"it came as {answer.content_type[:50]}")
        return _read_json(answer)
    text = answer.body.decode("ascii", "replace").strip()
    how, enc = settings.userinfo_encrypted_response_alg, settings.userinfo_encrypted_response_enc
    token = opened(tools, text, how, enc)
    wanted = settings.userinfo_signed_response_alg
    algorithms = settings.id_token_signing_algs if wanted is None else (wanted,)
    said = await tools.verify.signed(token, jwks_uri=metadata.jwks_uri, algorithms=algorithms, types=_TYPES)
    _check(said, claims, settings.client_id, tools.now())
    return said


def _check(said: Mapping[str, Json], claims: Mapping[str, Any], client_id: str, now: float) -> None:
    """Whose it is and for whom, where it says so (Core §5.3.2), and that it is no other kind of token."""
    audience, expires = said.get("aud", client_id), said.get("exp")
    listed = audience if isinstance(audience, list) else [audience]
    rules = {
        "iss": said.get("iss", claims["iss"]) == claims["iss"],
        "aud": client_id in listed,
        "exp": expires is None or (isinstance(expires, int | float) and expires > now),
        "typ": "typ" not in said and not any(name in said for name in _NOT_USERINFO),
    }
    broken = [name for name, holds in rules.items() if not holds]
    if broken:
        raise UpstreamInvalid(f"userinfo_{broken[0]}_mismatch")


def _read_json(answer: Answer) -> Mapping[str, Json]:
    try:
        said = answer.json()
    except UpstreamInvalid as error:
        raise UpstreamInvalid("userinfo_not_json", error.detail) from error
    if not isinstance(said, dict):
        raise UpstreamInvalid("userinfo_not_json", "no object")
    return said
