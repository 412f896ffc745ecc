"""Signing out: what a client app asks with it, and what it is told by a logout token.

RP-Initiated Logout 1.0 §2 and §3; Back-Channel Logout 1.0 §2.4 and §2.6; Front-Channel Logout 1.0 §2. A
hint is an ID Token of ours; that it has expired does not matter (§2). Whatever is wrong with one, it is as
good as none: nobody is told why, nobody is redirected on its word, and the person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from broker.protocol.client import Client
from broker.protocol.id_token import IdTokenRefused, IssuerRule, check_audience, check_issuer, instant
from broker.protocol.instants import LEEWAY
from broker.protocol.params import Params

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
"""The one member of ``events`` that makes a token a logout token."""
LOGOUT_TOKEN_TYPE: Final = "logout+jwt"
LOGOUT_TOKEN_LIFE: Final = 120
"""Seconds; the standard wants two minutes at most (§2.4)."""
OLDEST = 600.0
"""Seconds that the clock of an upstream that repeats itself may take."""
LONGEST_STATE: Final = 2048
_LONGEST_URI, _LONGEST_LOCALES = 4096, 256


# ── What a client app asks ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A good ``id_token_hint``: to whom it was given, about whom, and in which session."""

    client_id: str
    subject: str
    sid: str


def read_hint(claims: Mapping[str, Any] | None, *, issuer: str, client_id: str | None) -> Hint | None:
    """What a hint proves, whose signature was checked; None where it proves nothing.

    ``client_id`` is the request's own, which must then be the one that the hint was given to (§2).
    """
    if claims is None or claims.get("iss") != issuer:
        return None
    texts = [claims.get(name) for name in ("aud", "sub", "sid")]
    audience, subject, sid = (text if isinstance(text, str) else "" for text in texts)
    if not (audience and subject and sid) or client_id not in (None, audience):
        return None
    return Hint(client_id=audience, subject=subject, sid=sid)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """What a client app asks with a sign-out (RP-Initiated §2); all of it may be absent."""

    hint: Hint | None = None
    """A good ``id_token_hint``: with the session that it names, it proves the wish."""
    client_id: str | None = None
    """Which app this is from, as far as that may count: None after a hint that is no good."""
    post_logout_redirect_uri: str | None = None
    """As it was sent; whether anybody goes there is for `way_back` to say, when the time has come."""
    state: str | None = None
    ui_locales: tuple[str, ...] = ()


def read_request(params: Params, claims: Mapping[str, Any] | None, *, issuer: str) -> LogoutRequest:
    """The request, in which ``claims`` are those of the hint, if one of our keys signed it.

    A hint that is no good takes the ``client_id`` beside it along: who sends one is not who they say.
    """
    client_id = params.get("client_id")
    hint = read_hint(claims, issuer=issuer, client_id=client_id)
    if hint is not None:
        client_id = hint.client_id
    elif params.get("id_token_hint") is not None:
        client_id = None
    return LogoutRequest(
        hint=hint,
        client_id=_within(client_id, _LONGEST_URI),
        post_logout_redirect_uri=_within(params.get("post_logout_redirect_uri"), _LONGEST_URI),
        state=_within(params.get("state"), LONGEST_STATE),
        ui_locales=tuple((_within(params.get("ui_locales"), _LONGEST_LOCALES) or "").split()),
    )


def _within(text: str | None, longest: int) -> str | None:
    """What is longer than anybody needs is as good as absent: the request may be kept, whoever sent it."""
    return None if text is None or len(text) > longest else text


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLogout:
    """A sign-out that waits: for a GET of ours, for an answer, or for the way back from upstream."""

    asked: LogoutRequest


def way_back(client: Client | None, uri: str | None, state: str | None) -> str | None:
    """Where the browser goes afterwards, with ``state`` and nothing else; None where nobody registered it.

    Compared whole, as it stands (§3): a near miss is a miss, also for the port of a loopback address.
    """
    if client is None or not client.enabled or uri is None or uri not in client.post_logout_redirect_uris:
        return None
    if state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': state})}"


# ── What a client app is told ─────────────────────────────────────────────────────────────────────


def logout_token(
    *, issuer: str, client_id: str, subject: str | None, sid: str | None, jti: str, now: int
) -> dict[str, Any]:
    """The claims of a logout token (Back-Channel §2.4): never a nonce, so that no ID Token is one."""
    said: dict[str, Any] = {
        "iss": issuer,
        "aud": client_id,
        "iat": now,
        "exp": now + LOGOUT_TOKEN_LIFE,
        "jti": jti,
        "events": {EVENT: {}},
    }
    about = {"sub": subject, "sid": sid}
    return said | {name: value for name, value in about.items() if value is not None}


def frame(uri: str, *, issuer: str, sid: str) -> str:
    """The address of a frame in which a client app signs out (Front-Channel §2)."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': issuer, 'sid': sid})}"


# ── What an upstream tells us ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLogout:
    """What an upstream's logout token must say."""

    issuer: str | IssuerRule
    client_id: str
    algorithms: tuple[str, ...]
    trusted_audiences: tuple[str, ...] = ()


def check_logout_token(claims: Mapping[str, Any], expected: ExpectedLogout, *, now: float) -> None:
    """That these claims, signed by the upstream, end something (Back-Channel §2.6).

    Raises:
        IdTokenRefused: the first thing that is wrong.
    """
    check_issuer(claims, expected.issuer)
    check_audience(claims, expected.client_id, expected.trusted_audiences)
    _times(claims, now)
    if "nonce" in claims:  # §2.4: so that an ID Token is never taken for one
        raise IdTokenRefused("nonce_unexpected")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise IdTokenRefused("events_malformed")
    for name in ("sub", "sid", "jti"):
        if name in claims and not (isinstance(claims[name], str) and 0 < len(claims[name]) <= 255):  # noqa: PLR2004
            raise IdTokenRefused(f"{name}_malformed")
    if "sub" not in claims and "sid" not in claims:
        raise IdTokenRefused("nobody_named")
    if "jti" not in claims:
        raise IdTokenRefused("jti_missing")


def _times(claims: Mapping[str, Any], now: float) -> None:
    issued = instant(claims, "iat")
    if issued > now + LEEWAY:
        raise IdTokenRefused("iat_future")
    if issued < now - OLDEST - LEEWAY:
        raise IdTokenRefused("iat_old")
    # Required since the last errata only; before, many upstreams had none.
    if "exp" in claims and now >= instant(claims, "exp") + LEEWAY:
        raise IdTokenRefused("expired")
