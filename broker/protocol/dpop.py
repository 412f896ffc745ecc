"""What a proof of possession must say to be one for this very request.

RFC 9449 §4.3 (checks 8 to 12), §7 (``ath``), §8 and §9 (nonces), §10 (``dpop_jkt``); RFC 3986 §6.2.2 and
§6.2.3 for ``htu``. The signature and the key in the header are read elsewhere, before.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from broker.protocol import base64url
from broker.protocol.algorithms import FAPI
from broker.protocol.errors import InvalidDpopProof, InvalidRequest
from broker.protocol.instants import LEEWAY, is_instant

ALGORITHMS: Final = FAPI
"""What a proof may be signed by: as FAPI 2.0 Security Profile §5.4.1 has it, for everybody."""
LIVES: Final = 60
"""Seconds after its ``iat`` for which a proof is good."""
THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 in base64url: ``dpop_jkt``, ``jkt`` and ``x5t#S256``."""
_LONGEST_JTI = 512
_PORTS = {"https": 443, "http": 80}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True, kw_only=True)
class OneUse:
    """What must not be seen again, and until when; and the nonce it brought."""

    jti: str
    until: float
    nonce: str | None


def check(
    claims: Mapping[str, Any],
    *,
    method: str,
    urls: Collection[str],
    now: float,
    access_token: str | None = None,
) -> OneUse:
    """That the proof was made for this request, now.

    Args:
        claims: what was signed.
        method: of this request.
        urls: the addresses that this endpoint has: one, or one more for client certificates.
        now: seconds since the epoch.
        access_token: what it is presented with, where it is.

    Raises:
        InvalidDpopProof: anything else.
    """
    jti, nonce = claims.get("jti"), claims.get("nonce")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise _wrong("proof_jti", "has no jti, or one that is too long")
    if claims.get("htm") != method:  # compared with case: methods have it (RFC 9110 §9.1)
        raise _wrong("proof_htm", "is for another method (htm)")
    htu = claims.get("htu")
    if not isinstance(htu, str) or normalized(htu) not in {normalized(url) for url in urls}:
        raise _wrong("proof_htu", "is for another address (htu)")
    if nonce is not None and not isinstance(nonce, str):
        raise _wrong("proof_nonce", "has a nonce that is no text")
    if access_token is not None and claims.get("ath") != ath(access_token):
        raise _wrong("proof_ath", "is not for this access token (ath)")
    _within(claims, now)
    return OneUse(jti=jti, until=_until(claims.get("iat"), now), nonce=nonce)


def named_key(text: str | None) -> str | None:
    """The value of ``dpop_jkt`` (RFC 9449 §10).

    Raises:
        InvalidRequest: it is no thumbprint.
    """
    if text is not None and THUMBPRINT.fullmatch(text) is None:
        raise InvalidRequest("dpop_jkt is no thumbprint.", reason="dpop_jkt_malformed")
    return text


def _until(iat: object, now: float) -> float:
    """When a proof of this ``iat`` ends, if it was made just now."""
    if not is_instant(iat) or not now - LIVES < iat <= now + LEEWAY:
        raise _wrong("proof_iat", "was not made just now (iat)")
    return iat + LIVES


def _within(claims: Mapping[str, Any], now: float) -> None:
    """RFC 7519 §4.1.4 and §4.1.5: a proof that says when it begins or ends is held to it."""
    begins, ends = claims.get("nbf", now), claims.get("exp", now)
    if not is_instant(begins) or begins > now + LEEWAY:
        raise _wrong("proof_nbf", "does not hold yet (nbf)")
    if not is_instant(ends) or ends <= now - LEEWAY:
        raise _wrong("proof_exp", "has expired (exp)")


# ── What is said of one that is none ──────────────────────────────────────────────────────────

_SAID: Final = {
    "bad_typ": "has another typ than dpop+jwt",
    "bad_algorithm": "is signed by an alg that is not taken here",
    "no_key": "has no jwk in its header",
    "private_key": "has a jwk that is private",
    "bad_key": "has a jwk that is no public key for its alg",
    "weak_key": "has a jwk that is too weak",
    "key_too_large": "has a jwk that is too large",
    "bad_signature": "has a signature that is not by its jwk",
}


def missing() -> InvalidDpopProof:
    """There is none, and one is needed."""
    return InvalidDpopProof("A DPoP proof is needed.", reason="proof_missing")


def unreadable(reason: str, detail: str) -> InvalidDpopProof:
    """What came as a proof is none, for this reason of `broker.jose`."""
    return _wrong(f"proof_{reason}", _SAID.get(reason, "is not valid"), detail)


def _wrong(reason: str, said: str, detail: str = "") -> InvalidDpopProof:
    return InvalidDpopProof(f"The DPoP proof {said}.", reason=reason, detail=detail)


def ath(access_token: str) -> str:
    """The hash of an access token that a proof names (RFC 9449 §4.2)."""
    return base64url.encoded(sha256(access_token.encode()).digest())


def normalized(url: str) -> str | None:
    """The URL as it is compared: without query and fragment, and in one spelling; None for what is none."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2048:  # noqa: PLR2004
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    if ":" in host:
        host = f"[{host}]"
    where = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    return f"{parts.scheme}://{where}{_path(parts.path)}"


def _path(path: str) -> str:
    """RFC 3986 §6.2.2: escapes in one spelling, and no dots to go by; §6.2.3: an empty path is the root."""

    def one(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    kept: list[str] = []
    segments = _ESCAPE.sub(one, path).split("/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
        if last and segment in {".", ".."}:
            kept.append("")
    return "/" + "/".join(kept)


# ── Nonces ────────────────────────────────────────────────────────────────────────────────────

_STEP = 60
"""Seconds after which a nonce is replaced."""
_STEPS = 5
"""Steps for which one is accepted."""
_COUNT, _TAG = 5, 12

Standing = Literal["current", "old", "none"]


def nonce(key: bytes, of: str, now: float) -> str:
    """The nonce of this moment (RFC 9449 §8): nothing is kept, every host makes the same one.

    ``of`` says whose it is and for what: a nonce is good for nobody else, and nowhere else.
    """
    return _minted(key, of, int(now) // _STEP)


def standing(keys: Sequence[bytes], of: str, text: str, now: float) -> Standing:
    """Whether a nonce is the one of this moment, an earlier one that is still accepted, or none of ours."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4)) if text.isascii() else b""
    except (Base64Error, ValueError):
        raw = b""
    made, step = int.from_bytes(raw[:_COUNT], "big"), int(now) // _STEP
    # Another host's clock may be a little before ours.
    in_time = step - _STEPS < made <= step + 1
    ours = [hmac.compare_digest(text.encode(), _minted(key, of, made).encode()) for key in keys]
    if not in_time or not any(ours):
        return "none"
    return "current" if made >= step else "old"


def _minted(key: bytes, of: str, step: int) -> str:
    body = step.to_bytes(_COUNT, "big")
    tag = blake2b(body + of.encode(), key=key, person=b"dpop nonce", digest_size=_TAG).digest()
    return base64url.encoded(body + tag)
