"""What the pages of ours that ask something share: forms that only our own pages can send.

Owns the form token and the checks of where a form came from (RFC 6749 §10.12; Fetch Metadata §2.4).
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web

from broker.endpoints import http
from broker.endpoints.cookies import JAR
from broker.protocol.errors import InvalidRequest, Shown
from broker.protocol.flow import AuthenticationContext
from broker.protocol.handles import digest
from broker.protocol.params import Params
from broker.services import SERVICES


async def read(request: web.Request) -> Params:
    """What a form of ours says.

    Raises:
        Shown: 403, no page of ours sends such a thing.
    """
    try:
        return (await http.read_form(request)).without_repeats()
    except InvalidRequest as error:
        raise Shown("forbidden", status=403, detail=error.reason) from error


def flow_secret(request: web.Request, flow_id: str) -> str:
    """This browser's secret for what a page of ours is about.

    Raises:
        Shown: 403, it is another browser.
    """
    secret = request.app[JAR].flow(request, flow_id)
    if secret is None:
        raise Shown("browser_mismatch", status=403, detail="no flow cookie in this browser")
    return secret


def csrf_token(secret: str) -> str:
    """What a form of ours carries to show that it is: it hangs on a cookie no other site can read."""
    return digest(f"form\0{secret}")


def from_our_own_page(request: web.Request, form: Params, secret: str) -> None:
    """That the form was on a page of ours, in this browser.

    Raises:
        Shown: 403, it was not.
    """
    issuer = request.app[SERVICES].issuer
    split = urlsplit(issuer)
    origin = request.headers.get("Origin", "")
    # "null" is what a browser says for our own pages, whose Referrer-Policy is no-referrer (Fetch, "append a
    # request Origin header"). It proves nothing either way; Sec-Fetch-Site and the form token do.
    if origin not in ("", "null", f"{split.scheme}://{split.netloc}"):
        raise Shown("forbidden", status=403, detail="cross-origin form")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Shown("forbidden", status=403, detail="cross-site form")
    if not hmac.compare_digest((form.get("csrf") or "").encode(), csrf_token(secret).encode()):
        raise Shown("forbidden", status=403, detail="form token")


def person_in_words(context: AuthenticationContext) -> str:
    """How the page addresses who is signed in."""
    for name in ("email", "preferred_username", "name"):
        value = context.claims.get(name)
        if isinstance(value, str) and value:
            return value
    return context.subject[:8]
