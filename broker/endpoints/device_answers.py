"""What becomes of a device when its person answers on the consent page: it gets a code, or hears no.

RFC 8628 §3.3 and §5.4. Whoever answers was shown the code to be compared, and when and from where it was
asked. Of two people who answer for one device, one does.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from broker.endpoints import http
from broker.pages import DeviceDoneView
from broker.protocol import handles
from broker.protocol.client import DEVICE_CODE, Client
from broker.protocol.device import DeviceAnswer, DeviceRequest
from broker.protocol.errors import Shown
from broker.protocol.flow import AuthorizeRequest, ForDevice, Grant
from broker.protocol.metadata import ACCOUNT
from broker.record import replace
from broker.services import SERVICES, Services

_AFTERWARDS = 60
"""Seconds that a grant outlives its device, so that the device hears what became of it."""


def may_be_answered(client: Client) -> bool:
    """Whether the client app still is one that devices sign in to."""
    return client.enabled and DEVICE_CODE in client.grant_types


async def waiting(services: Services, which: ForDevice) -> DeviceRequest:
    """The device, which nobody has answered yet.

    Raises:
        Shown: somebody has, or it has expired.
    """
    standing = await services.store.read_device(which.id)
    if standing.device is None or standing.turn != "pending" or services.now() >= standing.device.expires_at:
        raise Shown("consent_gone", detail="the device was answered before, or has expired")
    return standing.device


async def allowed(request: web.Request, which: ForDevice, client: Client, grant: Grant) -> web.Response:
    """The device gets ``grant`` when it asks next; the person is told."""
    services = request.app[SERVICES]
    store, now = services.store, services.now()
    device = await waiting(services, which)
    given = replace(
        grant, grant_type=DEVICE_CODE, redirect_uri=None, code_expires_at=device.expires_at, nonce=None
    )
    code = handles.mint("code", given.id, services.chance(handles.SECRET_BYTES), store.handle_keys[0])
    await store.put_grant(given, code, device.expires_at - now + _AFTERWARDS)
    if not await store.answer_device(which.id, device.user_code, DeviceAnswer(code=code.text)):
        await store.revoke_grant(given.id)
        raise Shown("consent_gone", detail="somebody else has answered for the device")
    _log(services, device, "ok", given.context.subject, given.scopes)
    return http.page(request, _done(services, client, allowed=True))


async def denied(request: web.Request, asked: AuthorizeRequest, client: Client, subject: str) -> web.Response:
    """The device hears that the person said no."""
    services = request.app[SERVICES]
    if asked.device is not None:
        device = await waiting(services, asked.device)
        await services.store.answer_device(asked.device.id, device.user_code, DeviceAnswer())
        _log(services, device, "refused", subject, ())
    return http.page(request, _done(services, client, allowed=False))


def _done(services: Services, client: Client, *, allowed: bool) -> DeviceDoneView:
    return DeviceDoneView(
        client_name=client.client_name,
        client_logo=services.picture(client),
        client_id=client.client_id,
        allowed=allowed,
        account_url=services.at(ACCOUNT),
    )


def _log(
    services: Services, device: DeviceRequest, outcome: str, subject: str, scopes: Sequence[str]
) -> None:
    services.events.emit(
        "device",
        outcome,
        reason="" if outcome == "ok" else "denied",
        client_id=device.client_id,
        subject=subject,
        scope=" ".join(scopes),
        correlation_id=device.correlation_id,
    )
