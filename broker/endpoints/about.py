"""What becomes known of a request while it is answered, for its lines in the log.

Owns the correlation id, whom and what a request concerns, and whose address it came from. It decides
nothing, and no answer depends on it but the id that an error page shows.
"""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import behind
from broker.protocol import forwarded
from broker.protocol.client import Client
from broker.protocol.flow import Grant
from broker.services import SERVICES

CORRELATION: web.RequestKey[str] = web.RequestKey("correlation", str)
CONCERNS: web.RequestKey[dict[str, str]] = web.RequestKey("concerns", dict[str, str])
"""Whom and what the request turned out to be about, for its line in the log should it be refused."""


def path(request: web.Request) -> str:
    """What of ours was asked for, whatever path the issuer itself stands at."""
    return request.path.removeprefix(request.get(behind.PATH, "")).removeprefix(request.app[SERVICES].mount)


def from_client(request: web.Request, client: Client) -> None:
    """Note which client app this request is from."""
    request[CONCERNS]["client_id"] = client.client_id


def of_grant(request: web.Request, grant: Grant) -> None:
    """Note which grant this request is about, and go on under the name of its login."""
    request[CORRELATION] = grant.correlation_id
    request[CONCERNS].update(
        client_id=grant.client_id,
        connector=grant.context.connector,
        subject=grant.context.subject,
        grant_id=grant.id,
    )


def is_from_proxy(request: web.Request) -> bool:
    """Whether the other end of the connection is a proxy that the operator named."""
    return forwarded.is_proxy(_peer(request), request.app[SERVICES].config.trusted_proxies.networks)


def client_address(request: web.Request) -> str:
    """Whose request this is, for the log: the peer, or whom its trusted proxies vouch for."""
    proxies = request.app[SERVICES].config.trusted_proxies
    if not proxies.networks:
        return request.remote or ""
    name = "Forwarded" if proxies.headers == "forwarded" else "X-Forwarded-For"
    return forwarded.client_address(
        _peer(request),
        request.headers.getall(name, []),
        kind=proxies.headers,
        trusted=proxies.networks,
    )


def _peer(request: web.Request) -> str | None:
    """The other end of the connection; None where that is a Unix socket."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return peer[0] if isinstance(peer, tuple) else None
