"""authorization_code: a code becomes tokens, once. RFC 6749 §4.1.3; RFC 7636 §4.5; Core §3.1.3."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import minting, possession
from broker.endpoints.asking import hold_on
from broker.endpoints.granting.looking import look
from broker.endpoints.standing import may_be_used
from broker.protocol import grants
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant
from broker.protocol.params import Params
from broker.services import SERVICES
from broker.store import Spent


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The token answer to a code."""
    services = request.app[SERVICES]
    store, now = services.store, services.now()
    code, state = await look(request, client, params, "code")
    if state.spent:
        await store.revoke_grant(code.grant_id)  # RFC 6749 §4.1.2: what it gave is revoked
        raise InvalidGrant(reason="code_replayed")
    grants.prove_code(state.grant, params, now=now)
    cnf = await possession.proved(request, client)
    grant = await may_be_used(services, state, refusal=InvalidGrant)
    token = minting.access_token(services, grant, client, grant.scopes, cnf=cnf)
    refresh = minting.refresh_token(services, grant) if grants.gives_refresh_token(grant, client) else None
    ttl = minting.longest_life(services, grant, now=now)
    if refresh is not None:
        await hold_on(services, grant, ttl)
    # Spent only now, by one who proved possession; concurrent redemptions meet here and one wins.
    spent = await store.spend_code(
        code,
        ttl=ttl,
        refresh=minting.first(services, refresh),
        access=token.opaque,
    )
    if spent is not Spent.WON:
        raise InvalidGrant(reason="code_replayed" if spent is Spent.REPLAYED else "code_gone")
    refresh_text = refresh.text if refresh is not None else None
    return minting.answer(services, grant, client, token, refresh=refresh_text, nonce=grant.nonce)
