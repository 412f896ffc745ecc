"""Who is calling: client authentication for the endpoints that client apps call directly.

    basic, post     protocol.client_auth: a digest, in constant time; else `guessing`, for chosen ones
    assertion       its own keys, or its secret in plain; then `protocol.assertions`, and the jti only once
    client_id       a certificate that the connection or a trusted proxy shows, or a public client

RFC 6749 §2.3; RFC 7523 §2.2 and §3; RFC 8705 §2; OpenID Connect Core §9. The one answer is the same whatever
was wrong; what it was is in the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from broker.clients.keys import Keyholder
from broker.endpoints import about, addresses, certificates, guessing
from broker.jose import ASYMMETRIC, HMAC, JoseError, read_with_secret, unverified
from broker.protocol import assertions, metadata
from broker.protocol.algorithms import FAPI
from broker.protocol.client import Client
from broker.protocol.client_auth import (
    BY_CERTIFICATE,
    Credentials,
    Presented,
    has_secret,
    objection,
    present,
)
from broker.protocol.errors import InvalidClient
from broker.protocol.instants import LEEWAY
from broker.protocol.params import Params
from broker.services import SERVICES, Services


async def authenticated(request: web.Request, params: Params) -> Client:
    """The client app that sent this request.

    Raises:
        InvalidClient: it is not proved, whatever the reason.
        InvalidRequest: by two methods at once.
        TemporarilyUnavailable: its keys cannot be had now.
    """
    headers = request.headers.getall("Authorization", [])
    if len(headers) > 1:
        raise InvalidClient(reason="two_authorization_headers")
    presented = present(headers[0] if headers else None, params)
    client = await _BY[presented.method](request, presented)
    about.from_client(request, client)
    return client


async def _by_secret(request: web.Request, presented: Credentials) -> Client:
    client = await request.app[SERVICES].clients.find(presented.client_id)
    refused = objection(presented, client)
    if has_secret(presented, client) and client is not None and not refused:
        return client
    hashes = () if client is None or refused else client.secret_hashes
    right = await guessing.is_one_of(request, presented, hashes)
    if client is None or refused or not right:
        raise InvalidClient(reason=refused or "client_secret_wrong")
    return client


async def _by_client_id(request: web.Request, presented: Credentials) -> Client:
    client = await request.app[SERVICES].clients.find(presented.client_id)
    refused = objection(presented, client)
    if client is None or refused:
        raise InvalidClient(reason=refused)
    if client.token_endpoint_auth_method in BY_CERTIFICATE:
        await certificates.proves(request, client)
    return client


async def _by_assertion(request: web.Request, presented: Credentials) -> Client:
    """private_key_jwt and client_secret_jwt. What costs little comes first, and what is spent comes last."""
    services = request.app[SERVICES]
    try:
        _, said = unverified(presented.assertion)
        client = await _client_of(services, presented, said)
        also = _audiences(services, client)
        assertions.check(
            said, client_id=client.client_id, issuer=services.issuer, also=also, now=services.now()
        )
        claims = await _signed(services, client, presented.assertion)
    except JoseError as error:
        raise InvalidClient(reason=f"assertion_{error.reason}", detail=error.detail) from error
    use = assertions.check(
        claims, client_id=client.client_id, issuer=services.issuer, also=also, now=services.now()
    )
    # Whatever endpoint it is shown at, and however many show it at once (RFC 7523 §3, rule 7).
    name = f"{len(client.client_id)} {client.client_id} {use.jti}"
    ttl = use.until - services.now() + LEEWAY  # another host's clock may be behind ours
    if not await services.store.once_since(
        "client assertion",
        name,
        ttl,
        made_at=None if use.made_at is None else use.made_at - LEEWAY,  # by our clock, perhaps
        now=services.now(),
        longest=assertions.LONGEST + LEEWAY,
    ):
        raise InvalidClient(reason="assertion_replayed")
    return client


async def _client_of(services: Services, presented: Credentials, said: Mapping[str, object]) -> Client:
    """The client that an assertion is of, as far as it says itself."""
    subject = said.get("sub")
    if not isinstance(subject, str) or presented.client_id not in ("", subject):
        raise InvalidClient(reason="client_ids_differ")
    client = await services.clients.find(subject)
    refused = objection(presented, client)
    if client is None or refused:
        raise InvalidClient(reason=refused)
    return client


def _audiences(services: Services, client: Client) -> tuple[str, ...]:
    """What beside the issuer its assertions may be for; under FAPI 2.0 nothing (§5.3.2.1)."""
    if not client.allow_token_endpoint_audience or client.profile is not None:
        return ()
    return addresses.of(services, metadata.TOKEN)


async def _signed(services: Services, client: Client, assertion: str) -> Mapping[str, object]:
    """What the client signed, by a key or secret of its own."""
    by_secret = client.token_endpoint_auth_method == "client_secret_jwt"
    algorithms = frozenset(HMAC) if by_secret else ASYMMETRIC
    if client.profile is not None:
        algorithms &= frozenset(FAPI)  # FAPI 2.0 §5.4.1
    if client.token_endpoint_auth_signing_alg is not None:
        algorithms &= {client.token_endpoint_auth_signing_alg}
    if by_secret:
        return read_with_secret(assertion, client.secrets, algorithms=algorithms, typ=assertions.TYPES).claims
    holder = Keyholder.of(client)
    signed = await services.public_keys.verified(
        holder, assertion, algorithms=algorithms, typ=assertions.TYPES
    )
    return signed.claims


_BY: Final[Mapping[Presented, Callable[[web.Request, Credentials], Awaitable[Client]]]] = {
    "client_secret_basic": _by_secret,
    "client_secret_post": _by_secret,
    "assertion": _by_assertion,
    "client_id": _by_client_id,
}
