"""device_code: a device asks whether its person has answered, and gets tokens once. RFC 8628 §3.4, §3.5."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import about, possession
from broker.endpoints.granting.code import not_replayed, spend
from broker.protocol import grants, handles
from broker.protocol.client import Client
from broker.protocol.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    OAuthError,
    SlowDown,
)
from broker.protocol.params import Params
from broker.services import SERVICES
from broker.store import Polled


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to a device code, once somebody has said yes."""
    services = request.app[SERVICES]
    store, now = services.store, services.now()
    device_id = store.device_id(params.require("device_code"))
    found = (await store.read_device(device_id)).device
    # Another client's is as good as none, and does not make its owner wait.
    if found is None or found.client_id != client.client_id:
        raise InvalidGrant(reason="device_code_unknown" if found is None else "grant_of_other_client")
    request[about.CORRELATION] = found.correlation_id
    standing = await store.poll_device(device_id, now=now)
    code = handles.parse("code", _agreed(standing, now), store.handle_keys)
    state = await store.read_grant(code.grant_id) if code is not None else None
    if code is None or state is None:
        raise ExpiredToken(reason="device_code_expired")
    grants.is_for(state.grant, client)
    about.of_grant(request, state.grant)
    await not_replayed(services, state)
    cnf = await possession.proved(request, client)
    return await spend(request, client, params, (code, state), cnf)


def _agreed(standing: Polled, now: float) -> str:
    """The code of what the person gave.

    Raises:
        OAuthError: they said no, or nothing yet, or nothing in time.
    """
    if standing.answer is not None and standing.answer.code is not None:
        return standing.answer.code
    raise _refusal(standing, now)


def _refusal(standing: Polled, now: float) -> OAuthError:
    if standing.answer is not None:
        return AccessDenied("The request was denied.", reason="device_denied")
    if standing.device is None or now >= standing.device.expires_at:
        return ExpiredToken(reason="device_code_expired")
    if standing.turn == "slow_down":
        return SlowDown(reason="device_too_fast")
    return AuthorizationPending(reason="device_pending")
