"""Which language a page is in: what the app asked for, what the person chose here, what their browser says.

OpenID Connect Core §3.1.2.1 (``ui_locales``); RFC 9110 §12.5.4; RFC 4647 §3.4. An app's wish comes first,
since it knows the person; unless they have seen what that gave and chose another, which they meant then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import about
from broker.endpoints.cookies import JAR
from broker.pages import Switch
from broker.services import SERVICES

LANGUAGE: Final = "/language"
_OFFERED = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7})(?:[ \t]*;[ \t]*q=([01](?:\.[0-9]{0,3})?))?")
_LONGEST_OFFER = 100
_MOST_OFFERS = 20
_FINDS: Final = ("flow", "state", "q", "show", "user_code")
"""The parameters of our own pages."""
_ASKED: web.RequestKey[tuple[str, ...]] = web.RequestKey("ui_locales", tuple)
LONGEST_BACK: Final = 2000
"""A longer address is not carried along, and its page has no switch."""


def as_asked(request: web.Request, ui_locales: Iterable[str]) -> None:
    """Whatever this request is answered with, be it an error, is said in a language that the app wants."""
    request[_ASKED] = tuple(ui_locales)


def wanted(request: web.Request) -> tuple[str, ...]:
    """What the person reads, best first."""
    ui_locales = request.get(_ASKED, ())
    chosen = request.app[JAR].language(request)
    if chosen is None:
        return (*ui_locales, *accepted(request))
    if chosen.instead_of and chosen.instead_of == request.app[SERVICES].pages.speaks(ui_locales):
        return (chosen.tag, *ui_locales, *accepted(request))
    return (*ui_locales, chosen.tag, *accepted(request))


def switch(request: web.Request, back: str | None) -> Switch | None:
    """The way to another language and back: to ``back``, or to this page where it can be asked for again."""
    services = request.app[SERVICES]
    if back is None and request.method == "GET":
        back = services.at(about.path(request)) + _needed(request)
    if back is None or len(back) > LONGEST_BACK:
        return None
    instead_of = services.pages.speaks(request.get(_ASKED, ())) or ""
    return Switch(action=services.at(LANGUAGE), back=back, instead_of=instead_of)


def _needed(request: web.Request) -> str:
    """What of the query finds the page again. Nothing else that anybody sent is said back on it (WB-03)."""
    query = request.query
    kept = {name: query[name] for name in _FINDS if len(query.getall(name, ())) == 1}
    return f"?{urlencode(kept)}" if kept else ""


def accepted(request: web.Request) -> tuple[str, ...]:
    """What ``Accept-Language`` says, best first; what cannot be read of it is not there."""
    found: list[tuple[float, str]] = []
    for item in request.headers.get("Accept-Language", "").split(",")[:_MOST_OFFERS]:
        match = _OFFERED.fullmatch(item.strip(" \t")) if len(item) < _LONGEST_OFFER else None
        if match is not None:
            found.append((float(match[2] or 1), match[1]))
    found.sort(key=lambda entry: -entry[0])
    return tuple(tag for quality, tag in found if quality > 0)
