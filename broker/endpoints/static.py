"""/static/{name}: style, script, icons and logos under names that carry their hash."""

from __future__ import annotations

from aiohttp import web

from broker.pages import STATIC_HEADERS
from broker.services import SERVICES


async def handle(request: web.Request) -> web.Response:
    """GET /static/{name}: from memory; no path ever reaches a file system."""
    found = request.app[SERVICES].pages.static(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    return web.Response(body=found.body, headers={**STATIC_HEADERS, "Content-Type": found.content_type})
