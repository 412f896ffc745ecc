"""CORS for browser apps: the origins of public clients' redirect_uris, on what such an app calls itself.

Never on the authorization endpoint or a page of ours. Fetch standard §3.2; RFC 9700 §2.6 says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web

from broker.endpoints import about
from broker.protocol import metadata
from broker.protocol.client import Client

_PATHS = frozenset(
    {
        metadata.TOKEN,
        metadata.USERINFO,
        metadata.REVOKE,
        metadata.JWKS,
        metadata.OPENID_CONFIGURATION,
        metadata.OAUTH_METADATA,
    }
)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "600",
}

ORIGINS: web.AppKey[frozenset[str]] = web.AppKey("origins", frozenset)


def origins(clients: Iterable[Client]) -> frozenset[str]:
    """The origins from which public clients may call."""
    uris = (urlsplit(uri) for client in clients if client.is_public for uri in client.redirect_uris)
    return frozenset(f"{u.scheme}://{u.netloc}" for u in uris if u.scheme in ("https", "http"))


def is_shared(request: web.Request) -> bool:
    """Whether the path is one that browser apps call."""
    return about.path(request) in _PATHS


def preflight(request: web.Request) -> web.Response:
    """The answer to an OPTIONS request."""
    response = web.Response(status=204)
    if allow(request, response):
        response.headers.update(_PREFLIGHT)
    return response


def allow(request: web.Request, response: web.StreamResponse) -> bool:
    """Let the app's script read this answer, when its origin is one of ours to know."""
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin", "")
    if origin not in request.app[ORIGINS]:
        return False
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, DPoP-Nonce"
    return True
