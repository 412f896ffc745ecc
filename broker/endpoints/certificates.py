"""Which certificate a request comes with, and whether it proves who a client app is.

RFC 8705 §2 and §3; RFC 9440. Either TLS ends here, and the handshake has shown that the peer has the key; or
it ends at a proxy that the operator names, and only that proxy is believed when it passes a certificate on.
From anybody else the same header is what it says: a header.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from broker.clients.certificates import (
    Anchors,
    Certificate,
    CertificateError,
    chain_from_header,
    from_header,
)
from broker.clients.keys import Keyholder
from broker.endpoints import about
from broker.jose import JoseError
from broker.protocol.client import Client
from broker.protocol.errors import InvalidClient, TemporarilyUnavailable
from broker.services import SERVICES, Services

CHAIN = "Client-Cert-Chain"
ANCHORS: web.AppKey[Anchors] = web.AppKey("anchors", Anchors)
_MOST_CHAINS = 1024
_between: dict[bytes, tuple[bytes, ...]] = {}
"""What led up to a certificate when it was shown: a session that is resumed (TLS 1.2) has it alone. They are
only proposed, as the peer proposed them then; who issued what is looked at anew."""
_AGAIN = 3600.0
"""Seconds after which the certificates that apps publish are looked at again."""
_SHOWN: web.RequestKey[Certificate | None] = web.RequestKey("certificate", Certificate)


def shown(request: web.Request) -> Certificate | None:
    """The certificate that this request comes with, if there is one.

    Raises:
        InvalidClient: what a trusted proxy passes on is none.
    """
    if _SHOWN not in request:
        try:
            request[_SHOWN] = _seen(request)
        except CertificateError as error:
            raise InvalidClient(reason=error.reason, detail=error.detail) from error
    return request[_SHOWN]


async def proves(request: web.Request, client: Client) -> None:
    """That the certificate is the client's own, by the method that it is registered for.

    Raises:
        InvalidClient: there is none, or it is somebody else's.
        TemporarilyUnavailable: its keys cannot be had now.
    """
    services = request.app[SERVICES]
    certificate, now = shown(request), services.now()
    if certificate is None:
        raise InvalidClient(reason="certificate_missing")
    if client.token_endpoint_auth_method == "tls_client_auth":
        if not certificate.is_of(client):
            raise InvalidClient(reason="certificate_of_other")
        if not certificate.is_issued_by(services.authorities, now):
            raise InvalidClient(reason="certificate_not_issued")
    elif not await _is_registered(request, client, certificate):
        raise InvalidClient(reason="certificate_of_other")
    elif not certificate.is_valid(now):
        raise InvalidClient(reason="certificate_expired")


@asynccontextmanager
async def learning(services: Services, anchors: Anchors) -> AsyncIterator[None]:
    """Meanwhile the listener for client certificates knows those that apps have as their own."""
    apps = [client for client in services.config.clients_by_id.values() if _has_its_own(client)]
    for client in apps:
        if client.jwks is not None:
            anchors.learn(client.jwks)
    fetched = [client for client in apps if client.jwks_uri is not None]
    if services.config.listen_mtls is None or not fetched:
        yield
        return
    task = asyncio.create_task(_keep_learning(services, anchors, fetched))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _has_its_own(client: Client) -> bool:
    bound = client.tls_client_certificate_bound_access_tokens
    return bound or client.token_endpoint_auth_method == "self_signed_tls_client_auth"


async def _keep_learning(services: Services, anchors: Anchors, clients: Sequence[Client]) -> None:
    while True:
        for client in clients:
            try:
                anchors.learn(await services.public_keys.document(Keyholder.of(client)))
            except (JoseError, TemporarilyUnavailable) as error:
                said = {"reason": error.reason, "detail": error.detail, "client_id": client.client_id}
                services.events.emit("certificates", "failed", **said)
        await asyncio.sleep(_AGAIN)


async def _is_registered(request: web.Request, client: Client, certificate: Certificate) -> bool:
    """Whether the client's keys hold it (RFC 8705 §2.2), asked for anew where those known do not."""
    keys, holder = request.app[SERVICES].public_keys, Keyholder.of(client)
    try:
        if certificate.is_among(await keys.document(holder)):
            return True
        return client.jwks_uri is not None and certificate.is_among(await keys.document(holder, newer=True))
    except JoseError as error:
        raise InvalidClient(reason=f"certificate_{error.reason}", detail=error.detail) from error


def _seen(request: web.Request) -> Certificate | None:
    """Where we asked for one ourselves, the handshake decides, and no header."""
    tls = request.get_extra_info("ssl_object")
    if isinstance(tls, ssl.SSLObject) and tls.context.verify_mode != ssl.CERT_NONE:
        return _handshake(tls)
    name = request.app[SERVICES].config.trusted_proxies.client_certificate_header
    if name is None or not about.is_from_proxy(request):
        return None
    return _passed_on(request.headers.getall(name, []), request.headers.getall(CHAIN, []))


def _handshake(tls: ssl.SSLObject) -> Certificate | None:
    """What was shown to us, with the chain by which it was let through."""
    der = tls.getpeercert(binary_form=True)
    if der is None:
        return None
    chain: list[Any] | None = tls._sslobj.get_verified_chain()  # type: ignore[attr-defined]  # noqa: SLF001  (public in 3.13)
    if chain is None:
        return Certificate.read(der, _between.get(der, ()))
    between = tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain[1:])
    _between[der] = between
    if len(_between) > _MOST_CHAINS:
        del _between[next(iter(_between))]
    return Certificate.read(der, between)


def _passed_on(said: Sequence[str], chain: Sequence[str]) -> Certificate | None:
    """What a proxy that is believed passes on; what it shows us itself is its own, and no client's."""
    # Of two, be it that one is empty, one may be what a stranger sent and the proxy did not take away.
    if len(said) > 1:
        raise CertificateError("two_certificate_headers")
    if not said or not said[0]:
        return None
    return Certificate.read(from_header(said[0]), chain_from_header(", ".join(chain)))
