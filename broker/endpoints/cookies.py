"""The cookies: for the session, each login under way, the last choice, the language, a browser that is known.

``__Host-`` with Secure on https; plain names on an http loopback issuer, and nowhere else. RFC 6265bis
§4.1.3.2. A login's cookie is named after its id, so tabs do not disturb each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aiohttp import web

from broker.protocol.handles import digest
from broker.record import Record

_MOST_FLOWS = 8
_AFTERWARDS = 86400
"""Seconds that a flow's cookie outlives it: who comes too late hears so, and nothing of another browser."""
_FLOW_NAME = re.compile(r"flow-[0-9a-f]{8}")
_FLOW_VALUE = re.compile(r"([0-9]{1,15})\.([A-Za-z0-9_-]{43})")
_SESSION = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")
_KNOWN = re.compile(r"[A-Za-z0-9_-]{43}(?:\.[A-Za-z0-9_-]{43}){0,3}")
_LANGUAGE = re.compile(r"([A-Za-z-]{2,35})(?:\.([A-Za-z-]{2,35}))?")
_MOST_KNOWN = 4
_LEAVING = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")
_YEAR = 365 * 86400
_COOKIES: web.RequestKey[Mapping[str, str]] = web.RequestKey("cookies", Mapping)


class Flow(Record, frozen=True):
    """Something kept for one browser: the id that travels, and the secret in its cookie."""

    HIDDEN: ClassVar = frozenset({"secret"})
    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The language that a person chose for our pages."""

    tag: str
    instead_of: str = ""
    """The one that an app had asked for, where that was why the page was in it."""


@dataclass(frozen=True, slots=True)
class Jar:
    """How this issuer's cookies are named and flagged."""

    prefix: str
    flags: str

    @classmethod
    def of(cls, issuer: str, workspace: str = "") -> Jar:
        """For ``issuer``, which is http only on loopback.

        Workspaces share a host, and ``__Host-`` wants ``Path=/``, so only the names part their cookies.
        """
        whose = f"t.{workspace}." if workspace else ""
        if issuer.startswith("https://"):
            return cls(f"__Host-{whose}", "; Path=/; Secure; HttpOnly; SameSite=Lax")
        return cls(whose, "; Path=/; HttpOnly; SameSite=Lax")

    def _set(self, response: web.StreamResponse, name: str, value: str, lives: int | None) -> None:
        age = "" if lives is None else f"; Max-Age={lives}"
        response.headers.add("Set-Cookie", f"{self.prefix}{name}={value}{age}{self.flags}")

    # ── a login under way ─────────────────────────────────────────────────────────────────────

    def flow(self, request: web.Request, flow_id: str) -> str | None:
        """This browser's secret for the login ``flow_id``; None when it is another browser."""
        match = _FLOW_VALUE.fullmatch(_sent(request).get(self.prefix + _flow_name(flow_id), ""))
        return match[2] if match else None

    def set_flow(
        self,
        request: web.Request,
        response: web.StreamResponse,
        flow: Flow,
        *,
        now: float,
        ttl: int,
    ) -> None:
        """Bind the login to this browser, and drop the oldest when there are too many."""
        others = sorted(self._flows(request), reverse=True)
        for _, name in others[_MOST_FLOWS - 1 :]:
            self._set(response, name, "", 0)
        self._set(response, _flow_name(flow.id), f"{int(now * 1000)}.{flow.secret}", ttl + _AFTERWARDS)

    def drop_flow(self, response: web.StreamResponse, flow_id: str) -> None:
        """The login is over."""
        self._set(response, _flow_name(flow_id), "", 0)

    def eldest_flow(self, request: web.Request) -> str | None:
        """The secret of what this browser began first, where it has begun several things; else None."""
        secrets = [secret for _, secret in sorted(self._flows(request).items()) if secret]
        return secrets[0] if len(secrets) > 1 else None

    def _flows(self, request: web.Request) -> dict[tuple[int, str], str]:
        """The secret of each, by when it began and its name; empty where the cookie is none of ours."""
        found = {}
        for full_name, value in _sent(request).items():
            name = full_name.removeprefix(self.prefix)
            if full_name.startswith(self.prefix) and _FLOW_NAME.fullmatch(name):
                match = _FLOW_VALUE.fullmatch(value)
                found[(int(match[1]) if match else 0, name)] = match[2] if match else ""
        return found

    # ── the session ───────────────────────────────────────────────────────────────────────────

    def session(self, request: web.Request) -> str | None:
        """The session's cookie, if the browser has one of the right form."""
        value = _sent(request).get(self.prefix + "session", "")
        return value if _SESSION.fullmatch(value) else None

    def set_session(self, response: web.StreamResponse, cookie: str, *, ttl: int) -> None:
        """Begin a session in this browser."""
        self._set(response, "session", cookie, ttl)

    def drop_session(self, response: web.StreamResponse) -> None:
        """The session is over."""
        self._set(response, "session", "", 0)

    # ── a sign-out on its way back from an upstream ────────────────────────────────────────────

    def leaving(self, request: web.Request) -> Flow | None:
        """The sign-out that goes on when this browser comes back, if there is one."""
        match = _LEAVING.fullmatch(_sent(request).get(self.prefix + "leaving", ""))
        return Flow(match[1], match[2]) if match else None

    def set_leaving(self, response: web.StreamResponse, flow: Flow, *, ttl: int) -> None:
        """What comes back from an upstream's logout need not say anything: the browser knows."""
        self._set(response, "leaving", f"{flow.id}.{flow.secret}", ttl)

    def drop_leaving(self, response: web.StreamResponse) -> None:
        """It has gone on."""
        self._set(response, "leaving", "", 0)

    # ── the choice made last ──────────────────────────────────────────────────────────────────

    def last_connector(self, request: web.Request) -> str | None:
        """The connector this browser used last. A preference only: it proves nothing."""
        return _sent(request).get(self.prefix + "last")

    def set_last_connector(self, response: web.StreamResponse, connector: str) -> None:
        """Remember the choice for a year."""
        self._set(response, "last", connector, _YEAR)

    def drop_last_connector(self, response: web.StreamResponse) -> None:
        """Forget it."""
        self._set(response, "last", "", 0)

    # ── the language ──────────────────────────────────────────────────────────────────────────

    def language(self, request: web.Request) -> Chosen | None:
        """The language that somebody chose on our pages in this browser."""
        match = _LANGUAGE.fullmatch(_sent(request).get(self.prefix + "language", ""))
        return Chosen(tag=match[1], instead_of=match[2] or "") if match else None

    def set_language(self, response: web.StreamResponse, chosen: Chosen) -> None:
        """Remember it for a year."""
        value = f"{chosen.tag}.{chosen.instead_of}" if chosen.instead_of else chosen.tag
        self._set(response, "language", value, _YEAR)

    # ── where somebody has signed in before ───────────────────────────────────────────────────

    def known(self, request: web.Request) -> tuple[str, ...]:
        """What tells this browser from others at login pages of ours, for each of its people."""
        value = _sent(request).get(self.prefix + "known", "")
        return tuple(value.split(".")) if _KNOWN.fullmatch(value) else ()

    def set_known(self, response: web.StreamResponse, browser: Sequence[str], *, ttl: int) -> None:
        """Somebody has signed in here; the latest first."""
        self._set(response, "known", ".".join(browser[:_MOST_KNOWN]), ttl)


JAR: web.AppKey[Jar] = web.AppKey("cookies", Jar)


def _sent(request: web.Request) -> Mapping[str, str]:
    """The cookies of a request, name for name as the browser holds them (RFC 6265bis §5.8.3).

    Nothing is repaired: a lenient reader finds our name inside a cookie that a sibling host may set, and
    the ``__Host-`` prefix is worth nothing. A name that comes twice is nobody's.
    """
    if _COOKIES not in request:
        found: dict[str, str] = {}
        twice: set[str] = set()
        for header in request.headers.getall("Cookie", ()):
            for piece in header.split(";"):
                name, equals, value = piece.strip(" \t").partition("=")
                if equals and name in found:
                    twice.add(name)
                elif equals:
                    found[name] = value
        request[_COOKIES] = {name: value for name, value in found.items() if name not in twice}
    return request[_COOKIES]


def session_cookie(sid: str, secret: str) -> str:
    """The cookie of the session ``sid``: the sid for the store to find it by, and a fresh secret."""
    return f"{sid}.{secret}"


def _flow_name(flow_id: str) -> str:
    return f"flow-{digest(flow_id)[:8]}"
