"""CORS for browser apps: the origins of public clients' redirect_uris, on what such an app calls itself.

Never on the authorization endpoint or a page of ours. Fetch standard §3.2; RFC 9700 §2.6 says the same. An
app that comes without an operator is known by its origin once it has registered, or its document was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import web

from broker.endpoints import about
from broker.protocol import metadata, registration
from broker.protocol.client import Client
from broker.services import SERVICES, Services
from broker.store import StoreUnavailable

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]{1,260}")

_EVERYBODYS = frozenset(
    {metadata.JWKS, metadata.OPENID_CONFIGURATION, metadata.OAUTH_METADATA, metadata.REGISTER}
)
"""What an app calls before anybody knows it, where apps may come without an operator."""
# To push is to call us as at the token endpoint (RFC 9126 §2), and an issuer may want every request pushed.
_PATHS = _EVERYBODYS | {metadata.TOKEN, metadata.USERINFO, metadata.REVOKE, metadata.PUSHED_REQUEST}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "600",
}

ORIGINS: web.AppKey[frozenset[str]] = web.AppKey("origins", frozenset)


def origins(clients: Iterable[Client]) -> frozenset[str]:
    """The origins from which the operator's public clients may call."""
    return frozenset[str]().union(*(registration.origins(client) for client in clients))


def is_shared(request: web.Request) -> bool:
    """Whether the path is one that browser apps call."""
    return _place(request) in _PATHS


def _place(request: web.Request) -> str:
    """The path, of which one registration is as good as another."""
    path = about.path(request)
    return metadata.REGISTER if path.startswith(f"{metadata.REGISTER}/") else path


async def preflight(request: web.Request, app: web.Application | None = None) -> web.Response:
    """The answer to an OPTIONS request."""
    response = web.Response(status=204)
    if await allow(request, response, app):
        response.headers.update(_PREFLIGHT)
    return response


async def allow(
    request: web.Request, response: web.StreamResponse, app: web.Application | None = None
) -> bool:
    """Let the app's script read this answer, when its origin is one of ours to know.

    ``app`` is the issuer that the answer tells everybody of, where it is not the one that was called.
    """
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin", "")
    for_all = app is not None or _place(request) in _EVERYBODYS
    issuer = app or request.app
    if origin not in issuer[ORIGINS] and not await _is_strangers(issuer[SERVICES], origin, for_all=for_all):
        return False
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, DPoP-Nonce"
    return True


async def _is_strangers(services: Services, origin: str, *, for_all: bool) -> bool:
    """Whether a script of an app that came without an operator may call from there.

    No cookie of ours counts on these paths, so a script gets nothing there that it does not bring.
    """
    if _ORIGIN.fullmatch(origin) is None:
        return False
    if for_all:
        return services.takes_strangers
    try:  # who came while they could stays, whatever the policy is now
        return await services.store.knows_origin(origin)
    except StoreUnavailable:  # what was asked has been answered already; only the script cannot read it
        return False
