"""The upstream's own access token of a login, for a client app that may have it. RFC 8693 §2.2.

Both the client's entry and the connector's must say so. It is kept encrypted with what else is kept of the
login, and ends here with that: with the session and every grant of it, or when the upstream says no.
"""

from __future__ import annotations

from broker.endpoints.asking import upstream_token
from broker.protocol import exchange
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant, InvalidTarget
from broker.protocol.flow import Grant
from broker.services import Services


async def answer(services: Services, client: Client, grant: object, connector: str) -> dict[str, object]:
    """The answer to ``client``, which asks for the token of ``connector``.

    Raises:
        InvalidTarget: nobody signed in there, or nothing is given of it.
        InvalidRequest: the upstream does not let the person in any more.
    """
    came_there = isinstance(grant, Grant) and bool(connector) and grant.context.connector == connector
    if not isinstance(grant, Grant) or not came_there or not services.upstreams[connector].gives_token:
        raise InvalidTarget("There is no such upstream token.", reason="upstream_token_not_given")
    try:
        token = await upstream_token(services, grant)
    except InvalidGrant as error:
        raise exchange.unacceptable(error.reason, error.detail) from error
    if token is None:
        raise InvalidTarget("There is no such upstream token.", reason="upstream_token_missing")
    services.events.emit(
        "upstream_token",
        "ok",
        client_id=client.client_id,  # who has it now, whosever login it was
        connector=connector,
        subject=grant.context.subject,
        grant_id=grant.id,
        correlation_id=grant.correlation_id,
    )
    said: dict[str, object] = {
        "access_token": token.access_token,
        "issued_token_type": exchange.ACCESS_TOKEN,
        "token_type": "Bearer",
    }
    if token.expires_at is not None:
        said["expires_in"] = int(token.expires_at - services.now())
    return said if token.scope is None else {**said, "scope": token.scope}
