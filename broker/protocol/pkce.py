"""Proof Key for Code Exchange, S256 only. RFC 7636 §4; RFC 9700 §2.1.1."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from broker.protocol import base64url
from broker.protocol.errors import InvalidGrant, InvalidRequest
from broker.protocol.params import Params

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


def challenge_of(verifier: str) -> str:
    """The S256 ``code_challenge`` of a ``code_verifier``."""
    return base64url.encoded(sha256(verifier.encode()).digest())


def read_challenge(params: Params, *, required: bool) -> str | None:
    """The request's ``code_challenge``; None only where it is not required and not sent.

    Raises:
        InvalidRequest: it is missing, malformed, or its method is not S256.
    """
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method")
    if challenge is None:
        if required or method is not None:
            raise InvalidRequest("code_challenge is required.", reason="pkce_missing")
        return None
    if method != "S256":  # an absent method means plain (RFC 7636 §4.3), which proves nothing
        raise InvalidRequest("code_challenge_method must be S256.", reason="pkce_method")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise InvalidRequest("code_challenge is malformed.", reason="pkce_malformed")
    return challenge


def prove(verifier: str | None, challenge: str | None) -> None:
    """That who redeems the code is who asked for it.

    Raises:
        InvalidGrant: the verifier is missing, malformed, wrong, or surplus (RFC 9700 §4.8.2).
    """
    if challenge is None:
        if verifier is not None:
            said = "code_verifier is for a request that had a code_challenge."
            raise InvalidGrant(said, reason="pkce_downgrade")
        return
    if verifier is None:
        raise InvalidGrant("code_verifier is missing.", reason="pkce_verifier_missing")
    if _VERIFIER.fullmatch(verifier) is None:
        raise InvalidGrant("code_verifier is malformed.", reason="pkce_verifier_malformed")
    if not hmac.compare_digest(challenge_of(verifier), challenge):
        said = "code_verifier does not match the code_challenge."
        raise InvalidGrant(said, reason="pkce_verifier_wrong")
