"""refresh_token: new tokens for an old grant. RFC 6749 §6; OpenID Connect Core §12; RFC 9700 §4.14.2."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import minting, possession, sealing
from broker.endpoints.asking import asked_again
from broker.endpoints.granting.looking import look
from broker.endpoints.minting import Issued
from broker.endpoints.standing import may_be_used
from broker.protocol import grants, resources
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant
from broker.protocol.flow import Grant
from broker.protocol.handles import Handle
from broker.protocol.params import Params
from broker.services import SERVICES, Services
from broker.store import Rotation


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to a refresh token, which is rotated at each use."""
    services = request.app[SERVICES]
    presented, state = await look(request, client, params, "refresh_token")
    grant = await may_be_used(services, state, refusal=InvalidGrant)
    if not grants.gives_refresh_token(grant, client):
        raise InvalidGrant(reason="refresh_not_allowed")
    scopes = grants.narrowed(grant, params)
    grant = grants.as_asked(grant, params, client, services.rules.detail_types)
    cnf = await possession.proved(request, client, cnf=grant.cnf)
    if state.refresh == presented.digest:  # an old one gets no further, and is no reason to ask anybody
        grant = await asked_again(services, grant)
    await sealing.ready(services, client)
    understood = resources.cut(scopes, grant.resources, services.rules.resources, services.scopes)
    token = minting.access_token(services, grant, client, understood, cnf=cnf)
    rotation = await _turned(services, client, presented, grant, token)
    if rotation.refresh_token is None:
        raise InvalidGrant(reason=f"refresh_token_{rotation.turn.value}")
    # Core §12.2: a refreshed ID Token says no nonce, and the auth_time of the first login.
    return await minting.answer(services, grant, client, token, refresh=rotation.refresh_token, nonce=None)


async def _turned(
    services: Services, client: Client, presented: Handle, grant: Grant, token: Issued
) -> Rotation:
    """What becomes of the refresh token: a successor, or under a profile itself.

    There its holder is known by a key, and a lost answer must not end the grant (FAPI 2.0 Security Profile
    §5.3.2.1).
    """
    now, lifetimes = services.now(), services.config.lifetimes.refresh_token
    idle_until, ttl = now + lifetimes.idle, minting.longest_life(services, grant, now=now)
    if client.profile is not None:
        return await services.store.keep_refresh(
            presented, now=now, idle_until=idle_until, ttl=ttl, access=token.opaque
        )
    return await services.store.rotate_refresh(
        presented,
        minting.refresh_token(services, grant),
        now=now,
        grace=lifetimes.grace,
        idle_until=idle_until,
        ttl=ttl,
        access=token.opaque,
    )
