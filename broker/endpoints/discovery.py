"""The documents others read of us: metadata and keys.

OpenID Connect Discovery 1.0 §4; RFC 8414 §3; RFC 7517 §5. All are made at load, none per request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec
from aiohttp import web

from broker.endpoints import cors
from broker.keys import CACHED
from broker.protocol import metadata
from broker.services import SERVICES, Services

# A next key is published `keys.AHEAD` of its first signature, longer than this.
_PUBLIC = {"X-Content-Type-Options": "nosniff", "Cache-Control": f"public, max-age={CACHED}"}
_encode = msgspec.json.Encoder().encode

Documents = tuple[bytes, bytes]
Handler = Callable[[web.Request], Awaitable[web.Response]]
DOCUMENTS: web.AppKey[Documents] = web.AppKey("documents", tuple)


def documents(services: Services) -> Documents:
    """The OpenID Provider metadata and the authorization server metadata, as they are sent."""
    offer = services.config.offer
    return _encode(metadata.openid_document(offer)), _encode(metadata.oauth_document(offer))


def of_an_issuer_with_a_path(app: web.Application) -> Iterator[tuple[str, Handler]]:
    """The well-known paths that stand before that of an issuer, and what answers there (RFC 8414 §3.1).

    The request comes to the host; whose scripts may read the answer is the issuer's to say.
    """

    async def shared(request: web.Request, which: int) -> web.Response:
        if request.method == "OPTIONS":
            return await cors.preflight(request, app)
        response = _document(app[DOCUMENTS][which])
        await cors.allow(request, response, app)
        return response

    async def openid(request: web.Request) -> web.Response:
        return await shared(request, 0)

    async def oauth(request: web.Request) -> web.Response:
        return await shared(request, 1)

    yield metadata.OPENID_CONFIGURATION, openid  # RFC 8414 §5
    yield metadata.OAUTH_METADATA, oauth


def _document(body: bytes) -> web.Response:
    return web.Response(body=body, headers=_PUBLIC, content_type="application/json")


async def openid_configuration(request: web.Request) -> web.Response:
    """GET /.well-known/openid-configuration."""
    return _document(request.app[DOCUMENTS][0])


async def oauth_authorization_server(request: web.Request) -> web.Response:
    """GET /.well-known/oauth-authorization-server."""
    return _document(request.app[DOCUMENTS][1])


async def jwks(request: web.Request) -> web.Response:
    """GET /jwks: the public halves of our keys, old ones as long as their tokens live."""
    return _document(_encode(request.app[SERVICES].keys.jwks()))


async def connector_metadata(request: web.Request) -> web.Response:
    """GET /connectors/{connector}/metadata: what that upstream reads of us, such as SAML metadata."""
    upstream = request.app[SERVICES].upstreams.get(request.match_info["connector"])
    found = await upstream.published() if upstream is not None else None
    if found is None:
        raise web.HTTPNotFound
    return web.Response(body=found.body, headers=_PUBLIC | {"Content-Type": found.content_type})


async def connector_jwks(request: web.Request) -> web.Response:
    """GET /connectors/{connector}/jwks: what we sign client assertions to that upstream with."""
    found = request.app[SERVICES].upstreams.public_jwks(request.match_info["connector"])
    if found is None:
        raise web.HTTPNotFound
    return _document(_encode(found))
