"""A small site on a free port, for tests in which somebody has to be called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(serve: Serve, path: str = "/{any:.*}") -> AsyncIterator[str]:
    """``serve`` answers GET at ``path``; yields the site's origin."""
    site = web.Application()
    site.router.add_get(path, serve)
    runner = web.AppRunner(site)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
