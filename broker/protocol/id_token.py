"""What an upstream's ID Token must say, as a ladder of named rungs.

Owns `Expected`, `IssuerRule` and `check_id_token`; who signed the token was proved before. OpenID Connect
Core §2 and §3.1.3.7; §3.1.3.6 (``at_hash``), §3.3.2.11 (``c_hash``); RFC 7519 §4.1; RFC 8725 §3. The first
rung that fails ends it, with a stable reason for the log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from broker.protocol import base64url
from broker.protocol.instants import LEEWAY, is_instant

OLDEST = 600.0
"""Seconds since ``iat``: what comes fresh from the token endpoint is not older (Core §3.1.3.7, 10)."""
_LONGEST_SUBJECT = 255

HASHES = {
    **dict.fromkeys(("RS256", "PS256", "ES256"), "sha256"),
    **dict.fromkeys(("RS384", "PS384", "ES384"), "sha384"),
    **dict.fromkeys(("RS512", "PS512", "ES512", "EdDSA", "Ed25519"), "sha512"),
}
"""The hash of each signature algorithm. One that is not here has no hash, and no hash fits."""


class IdTokenRefused(Exception):
    """The token is not believed; ``reason`` is the stable word for it."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What may stand in an issuer for a claim: nothing that ends a path segment or begins a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRule:
    """Which issuers a token may have, where it is not one: some of a list, or one for each tenant."""

    exact: frozenset[str] = frozenset()
    template: str | None = None
    """An issuer with ``{claim}`` in it, for which the token's own claim is put."""
    claim: str = "tid"
    allowed: frozenset[str] | None = None
    """What that claim may say; None allows every plain text."""

    def admits(self, claims: Mapping[str, Any]) -> bool:
        """Whether the ``iss`` of these claims is one of them, byte for byte."""
        issuer = claims.get("iss")
        if not isinstance(issuer, str):
            return False
        return issuer in self.exact or issuer == self._filled(claims.get(self.claim))

    def _filled(self, value: object) -> str | None:
        if self.template is None or not isinstance(value, str) or _PLAIN.fullmatch(value) is None:
            return None
        if self.allowed is not None and value not in self.allowed:
            return None
        return self.template.replace(f"{{{self.claim}}}", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an ID Token must say. Absence is said aloud; only what makes it stricter has a default."""

    issuer: str | IssuerRule
    client_id: str
    nonce: str | None
    """None only where the protocol has none to check."""
    access_token: str | None
    """For ``at_hash``, which must fit when it is there."""
    algorithms: tuple[str, ...]
    auth_time_required: bool
    """The claim must be there (Core §3.1.2.1, ``max_age``)."""
    code: str | None = None
    """For ``c_hash``, which must fit when it is there; None where there is no code."""
    trusted_audiences: tuple[str, ...] = ()
    """Who else may stand in ``aud`` beside us (Core §3.1.3.7, 3)."""
    refreshed: bool = False
    """It came of a refresh: the nonce may be absent, and if it is there it is the login's (Core §12.2)."""


def check_id_token(
    claims: Mapping[str, Any], expected: Expected, *, alg: str, now: float, leeway: float = LEEWAY
) -> None:
    """That these claims, signed by ``alg``, are an answer to what we asked.

    Raises:
        IdTokenRefused: the first thing that is wrong.
    """
    check_issuer(claims, expected.issuer)
    check_audience(claims, expected.client_id, expected.trusted_audiences)
    _authorized_party(claims, expected)
    _times(claims, now, leeway)
    _nonce(claims, expected)
    _hash(claims, "at_hash", expected.access_token, alg)
    _hash(claims, "c_hash", expected.code, alg)
    _auth_time(claims, expected, now, leeway)
    _subject(claims)


def _refuse_unless(good: bool, reason: str, detail: str = "") -> None:
    if not good:
        raise IdTokenRefused(reason, detail)


def check_issuer(claims: Mapping[str, Any], rule: str | IssuerRule) -> None:
    """That the token is from whom it should be. Raises IdTokenRefused."""
    # Byte for byte: a slash more or less is another issuer (Core §3.1.3.7, 2).
    issuer = claims.get("iss")
    fits = rule.admits(claims) if isinstance(rule, IssuerRule) else isinstance(issuer, str) and issuer == rule
    _refuse_unless(fits, "iss_mismatch", f"iss {_seen(issuer)}")


def check_audience(claims: Mapping[str, Any], client_id: str, trusted: tuple[str, ...]) -> None:
    """That the token is for us, and for nobody whom we do not trust beside us. Raises IdTokenRefused."""
    listed = _audiences(claims)
    _refuse_unless(client_id in listed, "aud_mismatch", f"aud {_seen(claims.get('aud'))}")
    strangers = set(listed) - {client_id} - set(trusted)
    _refuse_unless(not strangers, "aud_untrusted", f"aud also names {_seen(sorted(strangers))}")


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    aud = claims.get("aud")
    listed = aud if isinstance(aud, list) else [aud]
    names = [one for one in listed if isinstance(one, str)]
    return names if len(names) == len(listed) else []


def _authorized_party(claims: Mapping[str, Any], expected: Expected) -> None:
    # Core §3.1.3.7, 4 and 5: there when there are several audiences, and us whenever it is there.
    azp = claims.get("azp")
    if "azp" not in claims and len(_audiences(claims)) == 1:
        return
    _refuse_unless(isinstance(azp, str) and azp == expected.client_id, "azp_mismatch", f"azp {_seen(azp)}")


def _times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    expires, issued = instant(claims, "exp"), instant(claims, "iat")
    _refuse_unless(now < expires + leeway, "expired", f"exp {expires}, now {now:.0f}")
    _refuse_unless(issued <= now + leeway, "iat_future", f"iat {issued}, now {now:.0f}")
    _refuse_unless(issued >= now - OLDEST - leeway, "iat_old", f"iat {issued}, now {now:.0f}")
    if "nbf" in claims:
        _refuse_unless(instant(claims, "nbf") <= now + leeway, "nbf_future", f"now {now:.0f}")


def instant(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate: a JSON number of seconds, and neither a boolean nor milliseconds (RFC 7519 §2).

    Raises:
        IdTokenRefused: it is none, or not there.
    """
    value = claims.get(name)
    if not is_instant(value):
        raise IdTokenRefused(f"{name}_malformed", f"{name} {_seen(value)}")
    return value


def _nonce(claims: Mapping[str, Any], expected: Expected) -> None:
    nonce = claims.get("nonce")
    if expected.refreshed and nonce is None:
        return
    if expected.nonce is None:
        _refuse_unless("nonce" not in claims, "nonce_unexpected")
        return
    fits = isinstance(nonce, str) and compare_digest(nonce.encode(), expected.nonce.encode())
    _refuse_unless(fits, "nonce_missing" if nonce is None else "nonce_mismatch")


def _hash(claims: Mapping[str, Any], name: str, value: str | None, alg: str) -> None:
    """The left half of the hash, when the claim is there; without a known hash it cannot fit."""
    if name not in claims:
        return
    said, algorithm = claims[name], HASHES.get(alg)
    fits = isinstance(said, str) and value is not None and algorithm is not None
    _refuse_unless(
        fits and compare_digest(said.encode(), half_hash(value or "", algorithm or "").encode()),
        f"{name}_mismatch",
    )


def half_hash(value: str, algorithm: str) -> str:
    """Base64url of the left half of a hash (Core §3.1.3.6)."""
    digest = hashlib.new(algorithm, value.encode()).digest()
    return base64url.encoded(digest[: len(digest) // 2])


def _auth_time(claims: Mapping[str, Any], expected: Expected, now: float, leeway: float) -> None:
    if claims.get("auth_time") is None:
        _refuse_unless(not expected.auth_time_required, "auth_time_missing")
        return
    stated = instant(claims, "auth_time")
    _refuse_unless(stated <= now + leeway, "auth_time_future", f"auth_time {stated}, now {now:.0f}")
    _refuse_unless(bool(stated) or not expected.auth_time_required, "auth_time_missing")


def _subject(claims: Mapping[str, Any]) -> None:
    subject = claims.get("sub")
    _refuse_unless(isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT, "sub_malformed")


def _seen(value: object) -> str:
    """A short look at a wrong value, for our log."""
    return repr(value)[:100]
