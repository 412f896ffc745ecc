"""/healthz, /readyz and /metrics: how the process is, for those who run it."""

from __future__ import annotations

import os

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from broker.endpoints import http
from broker.services import SERVICES
from broker.store import StoreUnavailable

HEALTHZ, READYZ, METRICS = "/healthz", "/readyz", "/metrics"


async def healthz(_request: web.Request) -> web.Response:
    """The process answers."""
    return http.json({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """It can serve a login: the store answers too. Upstreams are not asked; theirs may come and go."""
    try:
        await request.app[SERVICES].store.ping()
    except StoreUnavailable:
        return http.json({"status": "store unavailable"}, status=503)
    return http.json({"status": "ready"})


async def metrics(_request: web.Request) -> web.Response:
    """Prometheus text; of all workers together where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        body = generate_latest(registry)
    else:
        body = generate_latest()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})
