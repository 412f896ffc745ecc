"""A login page of the operator's own: another program signs people in, and tells us by our API who it was.

Owns what such a program must say to be believed. The browser goes there with a ``login_id`` and a
``login_state`` and comes back to our callback; what was decided never travels with it. So neither name is
the ``state``: whoever sends somebody else to that page, to sign in for a login of theirs, never comes to know
where the answer is fetched (RFC 9700 §4.7). RFC 3339 for times; RFC 6749 §4.1.2.1 for the errors.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, StringConstraints

from broker.connector import (
    ConnectorSettings,
    Departure,
    Finding,
    Json,
    Login,
    Secret,
    Tools,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
)
from connectors import claims_map
from connectors.oidc_settings import check_url

CLAIMS = claims_map("custom")

_SHORTEST_SECRET = 32
_LEEWAY = 10
"""Seconds that two clocks may differ."""
_LONGEST, _MOST, _DEEPEST = 4096, 100, 6
"""Characters of one text; members and items altogether; levels."""
_LARGEST = 2**53 - 1
_LONGEST_SUBJECT, _LONGEST_FACT, _MOST_METHODS = 255, 255, 16
# Who, where from, for whom and when is said by us alone (RFC 7519 §4.1; Core §2; Front-Channel Logout §3).
_PROTOCOL = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "auth_time", "acr", "amr", "sid"}
    | {"at_hash", "c_hash", "s_hash", "cnf", "act", "may_act", "events", "scope", "client_id", "typ"}
)
_ERRORS = frozenset(
    {"access_denied", "login_required", "interaction_required", "account_selection_required"}
    | {"unmet_authentication_requirements", "temporarily_unavailable", "server_error"}
)


def _strong(secret: Secret) -> Secret:
    if len(secret.reveal()) < _SHORTEST_SECRET:
        raise ValueError(f"must have at least {_SHORTEST_SECRET} characters")
    return secret


LoginUrl = Annotated[str, AfterValidator(check_url)]


class Settings(ConnectorSettings):
    """A login page of your own."""

    login_url: LoginUrl
    """Where people sign in; its own query is kept. https, or http on loopback."""
    client_id: Annotated[str, StringConstraints(pattern=r"^[!-9;-~]{1,255}$")]
    """By what your page's program calls the broker's API, with HTTP Basic. No colon."""
    client_secret: Annotated[Secret, AfterValidator(_strong)]
    """Its secret there; at least 32 random characters."""


class Connector:
    """One login page of the operator's."""

    speaks_http = False

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings, self._tools = settings, tools
        self._issuer = f"custom:{tools.here.connector}"

    async def begin(self, login: Login) -> Departure:
        """To the page, with the names by which its program asks about this login."""
        back = f"{login.redirect_uri}?{urlencode({'state': login.state})}"
        login_id, login_state = await self._tools.hand_offs.open(_asked(login), back=back)
        url = self._settings.login_url
        named = urlencode({"login_id": login_id, "login_state": login_state})
        return Departure(url=f"{url}{'&' if '?' in url else '?'}{named}", memory={"login_id": login_id})

    async def finish(
        self,
        login: Login,  # noqa: ARG002 - the browser and its state are the broker's to check
        answer: Mapping[str, str],  # noqa: ARG002 - nothing that comes with the browser counts
        memory: Mapping[str, str],
    ) -> UpstreamIdentity:
        """What was decided about this login, which nobody but the page's program could say."""
        decided = await self._tools.hand_offs.take(memory.get("login_id", ""))
        if decided is None:
            raise UpstreamInvalid("not_decided", "the browser is back before anybody decided")
        if "error" in decided:
            raise UpstreamRefused(str(decided["error"]), str(decided.get("error_description", "")))
        return UpstreamIdentity(
            issuer=self._issuer,
            subject=str(decided["subject"]),
            api=decided["context"],
            auth_time=decided["auth_time"],
            acr=decided["acr"],
            amr=tuple(decided["amr"]),
        )

    async def ping(self) -> None:
        """Nothing of the page is asked beforehand."""

    async def probe(self) -> Sequence[Finding]:
        """Only browsers go to the page, and its program comes to us."""
        return [Finding(what="login page", good=None, detail=f"open {self._settings.login_url} in a browser")]

    # ── What the page's program says ──────────────────────────────────────────────────────────

    def is_from_the_page(self, client_id: str, secret: Secret) -> bool:
        """Whether these are its credentials."""
        same_id = hmac.compare_digest(client_id.encode(), self._settings.client_id.encode())
        ours = self._settings.client_secret.reveal()
        return hmac.compare_digest(secret.reveal().encode(), ours.encode()) and same_id

    def accepted(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """Who it was, and how they signed in."""
        _known_members(body, {"subject", "auth_time", "acr", "amr", "context"})
        context = body.get("context", {})
        if not isinstance(context, dict):
            raise _wrong("context is no object")
        _check_context(context)
        return {
            "subject": _text(body, "subject", _LONGEST_SUBJECT, required=True),
            "auth_time": self._auth_time(body.get("auth_time")),
            "acr": _text(body, "acr", _LONGEST_FACT),
            "amr": _methods(body.get("amr", [])),
            "context": context,
        }

    def rejected(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """Why nobody."""
        _known_members(body, {"error", "error_description"})
        error = _text(body, "error", 64) or "access_denied"
        if error not in _ERRORS:
            raise _wrong(f"error is none of {', '.join(sorted(_ERRORS))}")
        return {"error": error, "error_description": _text(body, "error_description", 1000) or ""}

    def _auth_time(self, value: Json) -> int | None:
        """Seconds since the epoch, of RFC 3339 §5.6."""
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in str(value).upper():
            raise _wrong("auth_time is no time of RFC 3339, such as 2026-11-21T09:30:00Z")
        seconds = int(moment.timestamp())
        if not 0 < seconds <= self._tools.now() + _LEEWAY:
            raise _wrong("auth_time is in the future, or long ago")
        return seconds


def _asked(login: Login) -> dict[str, Json]:
    """What the page's program may read of a login."""
    return {
        "client_id": login.client_id,
        "client_name": login.client_name,
        "scopes": list(login.scopes),
        "acr_values": list(login.acr_values),
        "max_age": login.max_age,
        "prompt": list(login.prompt),
        "login_hint": login.login_hint,
        "ui_locales": list(login.ui_locales),
    }


def _known_members(body: Mapping[str, Json], known: set[str]) -> None:
    """A member that nobody reads is a mistake: a misspelt `acr` must not pass for none."""
    unknown = sorted(set(body) - known - {"login_state"})
    if unknown:
        raise _wrong(f"there is no member {unknown[0][:40]!r}")


def _text(body: Mapping[str, Json], name: str, longest: int, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value or len(value) > longest or not value.isprintable():
        raise _wrong(f"{name} is no plain text of 1 to {longest} characters")
    return value


def _methods(value: Json) -> list[str]:
    """RFC 8176: short names, in a list."""
    plain = isinstance(value, list) and len(value) <= _MOST_METHODS
    if not plain or not all(isinstance(m, str) and m and len(m) <= 64 and m.isprintable() for m in value):  # noqa: PLR2004
        raise _wrong(f"amr is no list of at most {_MOST_METHODS} short texts")
    return list(value)


def _check_context(context: Mapping[str, Json]) -> None:
    reserved = sorted(_PROTOCOL & set(context))
    if reserved:
        raise _wrong(f"context names {reserved[0]}, which is not the page's to say")
    if _count(context, 0) > _MOST:
        raise _wrong(f"context has more than {_MOST} values")


def _count(value: Any, depth: int) -> int:
    """How many values there are, each of them plain and of some measure."""
    if depth > _DEEPEST:
        raise _wrong(f"context is nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        return sum(_count(name, depth) + _count(each, depth + 1) for name, each in value.items())
    if isinstance(value, list):
        return sum(1 + _count(each, depth + 1) for each in value)
    if isinstance(value, str) and len(value) > _LONGEST:
        raise _wrong(f"a text of context has more than {_LONGEST} characters")
    if isinstance(value, int) and abs(value) > _LARGEST:  # RFC 8259 §6: what every reader keeps exactly
        raise _wrong("a number of context is beyond 2^53")
    return 1


def _wrong(detail: str) -> UpstreamInvalid:
    return UpstreamInvalid("not_believed", detail)
