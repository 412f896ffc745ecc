"""GET /language: the switch at the foot of the pages. It needs no script, and asks nobody who they are."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import http
from broker.endpoints.cookies import JAR, Chosen
from broker.endpoints.speaking import LONGEST_BACK
from broker.pages import UnsafeAddressError, own_address
from broker.protocol.errors import Shown
from broker.services import SERVICES, Services


async def choose(request: web.Request) -> web.Response:
    """Remember the language in this browser, and go back to the page that it was chosen on."""
    services, asked = request.app[SERVICES], http.read_query(request).without_repeats()
    to, instead_of = asked.get("to") or "", asked.get("instead_of") or ""
    back = asked.get("back") or ""
    spoken = services.pages.languages
    if to not in spoken or instead_of not in (*spoken, "") or not _is_ours(services, back):
        raise Shown("bad_request", detail="no language of the pages, or no page of ours")
    # It is the person's own choice: another site's link changes nothing (Fetch Metadata §2.4).
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Shown("forbidden", status=403, detail="cross-site language")
    response = http.see_other(back)
    request.app[JAR].set_language(response, Chosen(tag=to, instead_of=instead_of))
    return response


def _is_ours(services: Services, back: str) -> bool:
    """Whether it is a path of this issuer: nobody is led elsewhere, nor into another workspace (WB-06)."""
    try:
        own_address(back)
    except UnsafeAddressError:
        return False
    return back.startswith(services.at("/")) and back.isascii() and len(back) <= LONGEST_BACK
