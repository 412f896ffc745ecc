"""An assertion as a grant: what somebody whom the operator trusts signed about a person or a machine.

Owns `AssertionIssuer` and `check`; who signed it was proved before. RFC 7523 §2.1 and §3; RFC 7521 §4.1 and
§5.2; RFC 8725 §3. The first rung that fails ends it, with a stable reason for the log.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from broker.mapping import ClaimsMap
from broker.protocol.errors import InvalidGrant
from broker.protocol.instants import LEEWAY, is_instant

TYPES: Final = frozenset({"", "jwt", "authorization-grant+jwt"})
"""What ``typ`` may say: an access token, a logout token or a proof says what it is, and is no grant."""
PREFIX: Final = "assertion:"
"""Before the name of an issuer where a person's connector is said: no connector has a colon in its id."""

_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionIssuer:
    """Somebody whose assertions are taken for a grant, as the operator wrote it down."""

    name: str
    """In the configuration; a part of everybody's ``sub`` who comes by it."""
    issuer: str
    """The ``iss``, byte for byte."""
    jwks: Mapping[str, Any] | None = field(default=None, repr=False)
    jwks_uri: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
    audience: str | None = None
    """A name that it has for us, beside our issuer."""
    allow_token_endpoint_audience: bool = False
    """Whether the URL of our token endpoint is taken for the ``aud`` too."""
    subject: str = "sub"
    """The claim that says whom it is about."""
    claims: ClaimsMap | None = None
    """How its words become ours; without it nobody has claims."""
    max_lifetime: int = 300
    """Seconds that are left at most until it ends."""
    clients: tuple[str, ...] = ()
    """The client apps that may come with one."""
    allow_reuse: bool = False
    """Whether one is taken until its end, not only once."""

    @property
    def connector(self) -> str:
        """What stands for a connector in what is known of its people."""
        return PREFIX + self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """An assertion that holds."""

    subject: str
    """Whom it is about, as its issuer calls them."""
    once: str
    """What may be used only once: its ``jti``, or itself."""
    expires_at: float
    made_at: float | None
    """When it says that it was made; None where it does not."""


def addressed(issuer: str, token_endpoint: str, entry: AssertionIssuer) -> tuple[str, ...]:
    """Every name of ours that the ``aud`` of its assertions may say (RFC 7523 §3, 3)."""
    names = [issuer]
    if entry.audience is not None:
        names.append(entry.audience)
    if entry.allow_token_endpoint_audience:
        names.append(token_endpoint)
    return tuple(names)


def check(
    token: str, claims: Mapping[str, Any], entry: AssertionIssuer, audiences: Sequence[str], *, now: float
) -> Assertion:
    """That these claims of ``token``, which its issuer signed, are a grant for us, now.

    Raises:
        InvalidGrant: the first thing that is wrong.
    """
    if claims.get("iss") != entry.issuer:
        raise InvalidGrant(reason="assertion_iss_mismatch")
    _audience(claims, audiences)
    expires_at = _times(claims, entry, now)
    return Assertion(
        subject=_subject(claims, entry),
        once=_once(token, claims),
        expires_at=expires_at,
        made_at=_instant(claims, "iat") if "iat" in claims else None,
    )


def _audience(claims: Mapping[str, Any], audiences: Sequence[str]) -> None:
    """One audience, and that is us: what is meant for others too may come from any of them."""
    aud = claims.get("aud")
    said = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
    if not isinstance(said, str) or said not in audiences:
        raise _wrong("aud_mismatch", "aud of the assertion must name this issuer, and nobody else.")


def _times(claims: Mapping[str, Any], entry: AssertionIssuer, now: float) -> float:
    """RFC 7523 §3, 4 to 6; and it ends soon, so that what must be remembered of it does too."""
    expires = _instant(claims, "exp")
    if now >= expires + LEEWAY:
        raise _wrong("expired", "The assertion has expired.")
    if expires > now + entry.max_lifetime + LEEWAY:
        raise _wrong("lives_too_long", "exp of the assertion is too far off.")
    for name in ("nbf", "iat"):
        if name in claims and _instant(claims, name) > now + LEEWAY:
            raise _wrong(f"{name}_future", f"{name} of the assertion is in the future.")
    return expires


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not is_instant(value):
        raise _wrong(f"{name}_malformed", f"{name} of the assertion is missing or malformed.")
    return float(value)


def _subject(claims: Mapping[str, Any], entry: AssertionIssuer) -> str:
    subject = claims.get(entry.subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        said = f"{entry.subject} of the assertion is missing or malformed."
        raise _wrong("sub_malformed", said, detail=entry.subject)
    return subject


def _once(token: str, claims: Mapping[str, Any]) -> str:
    """Its name where it has one. Else what is signed: one signature can be written in two ways."""
    jti = claims.get("jti")
    if jti is None:
        signed = token.rpartition(".")[0]
        return "self " + urlsafe_b64encode(sha256(signed.encode()).digest()).decode()
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST:
        raise _wrong("jti_malformed", "jti of the assertion is malformed.")
    return f"jti {jti}"


def _wrong(reason: str, said: str, detail: str = "") -> InvalidGrant:
    """What whoever brings it could read in it as well (RFC 7523 §3.1): its issuer signed it."""
    return InvalidGrant(said, reason=f"assertion_{reason}", detail=detail)
