"""authorization_code: a code becomes tokens, once. RFC 6749 §4.1.3; RFC 7636 §4.5; Core §3.1.3."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from broker.endpoints import minting, possession, sealing
from broker.endpoints.asking import hold_on
from broker.endpoints.granting.looking import look
from broker.endpoints.standing import may_be_used
from broker.protocol import grants
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant
from broker.protocol.handles import Handle
from broker.protocol.params import Params
from broker.record import replace
from broker.services import SERVICES, Services
from broker.store import GrantState, Spent


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to a code."""
    services = request.app[SERVICES]
    code, state = await look(request, client, params, "code")
    await not_replayed(services, state)
    grants.prove_code(state.grant, params, now=services.now())
    cnf = await possession.proved(request, client, jkt=state.grant.dpop_jkt)
    return await spend(request, client, params, (code, state), cnf)


async def not_replayed(services: Services, state: GrantState) -> None:
    """That the code was not redeemed before.

    Raises:
        InvalidGrant: it was; what it gave is revoked (RFC 6749 §4.1.2).
    """
    if state.spent:
        await services.store.revoke_grant(state.grant.id)
        raise InvalidGrant(reason="code_replayed")


async def spend(
    request: web.Request,
    client: Client,
    params: Params,
    found: tuple[Handle, GrantState],
    cnf: Mapping[str, str],
) -> dict[str, object]:
    """The token answer to a code of which everything is proved; of many who spend it, one gets this."""
    services = request.app[SERVICES]
    store, now, (code, state) = services.store, services.now(), found
    whole = await may_be_used(services, state, refusal=InvalidGrant, joining=True)
    grant = grants.as_asked(whole, params, client, services.rules.detail_types)
    token = minting.access_token(services, grant, client, grant.scopes, cnf=cnf)
    refresh = minting.refresh_token(services, grant) if grants.gives_refresh_token(grant, client) else None
    ttl = minting.longest_life(services, grant, now=now)
    await sealing.ready(services, client)
    if refresh is not None:
        await hold_on(services, grant, ttl)
    # Spent only now, by one who proved possession; concurrent redemptions meet here and one wins.
    spent = await store.spend_code(
        code,
        ttl=ttl,
        refresh=minting.first(services, refresh),
        access=token.opaque,
        bound=replace(state.grant, cnf=cnf) if cnf and refresh is not None else None,
    )
    if spent is not Spent.WON:
        raise InvalidGrant(reason="code_replayed" if spent is Spent.REPLAYED else "code_gone")
    refresh_text = refresh.text if refresh is not None else None
    return await minting.answer(services, grant, client, token, refresh=refresh_text, nonce=grant.nonce)
