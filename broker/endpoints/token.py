"""/token: a client app turns its code or refresh token into tokens.

RFC 6749 §3.2, §4.1.3, §5 and §6; RFC 7636 §4.5; OpenID Connect Core §3.1.3 and §12; RFC 9700 §4.14. Each
grant looks, proves, spends and mints, in that order: a refusal spends nothing, and of many who spend
the same one wins.
"""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from broker.endpoints import about, http
from broker.endpoints.asking import asked_again, hold_on
from broker.endpoints.clients import authenticated
from broker.endpoints.minting import (
    access_token,
    answer,
    first,
    longest_life,
    refresh_token,
)
from broker.endpoints.standing import may_be_used
from broker.protocol import grants, handles
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant, UnsupportedGrantType
from broker.protocol.handles import Handle
from broker.protocol.params import Params
from broker.services import SERVICES
from broker.store import GrantState, Spent


async def handle(request: web.Request) -> web.Response:
    """POST /token."""
    params = (await http.read_form(request)).without_repeats()
    client = authenticated(request, params)
    grant_type = params.require("grant_type")
    redeem = _GRANTS.get(grant_type)
    if redeem is None:
        raise UnsupportedGrantType(reason="grant_type_unknown")
    grants.may_use(client, grant_type)
    body = await redeem(request, client, params)
    request.app[SERVICES].events.emit(
        "token",
        "ok",
        grant_type=grant_type,
        correlation_id=request[about.CORRELATION],
        **request[about.CONCERNS],
    )
    return http.json(body)


async def _code(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """authorization_code (RFC 6749 §4.1.3)."""
    services = request.app[SERVICES]
    store, now = services.store, services.now()
    code, state = await _look(request, client, params, "code")
    if state.spent:
        await store.revoke_grant(code.grant_id)  # RFC 6749 §4.1.2: what it gave is revoked
        raise InvalidGrant(reason="code_replayed")
    grants.prove_code(state.grant, params, now=now)
    grant = await may_be_used(services, state, refusal=InvalidGrant)
    token = access_token(services, grant, client, grant.scopes)
    refresh = refresh_token(services, grant) if grants.gives_refresh_token(grant, client) else None
    ttl = longest_life(services, grant, now=now)
    if refresh is not None:
        await hold_on(services, grant, ttl)
    # Spent only now, by one who proved possession; concurrent redemptions meet here and one wins.
    spent = await store.spend_code(
        code,
        ttl=ttl,
        refresh=first(services, refresh),
        access=token.opaque,
    )
    if spent is not Spent.WON:
        raise InvalidGrant(reason="code_replayed" if spent is Spent.REPLAYED else "code_gone")
    refresh_text = refresh.text if refresh is not None else None
    return answer(services, grant, client, token, refresh=refresh_text, nonce=grant.nonce)


async def _refresh(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """refresh_token (RFC 6749 §6), rotated at each use (RFC 9700 §4.14.2)."""
    services = request.app[SERVICES]
    store, now, lifetimes = services.store, services.now(), services.config.lifetimes.refresh_token
    presented, state = await _look(request, client, params, "refresh_token")
    grant = await may_be_used(services, state, refusal=InvalidGrant)
    if not grants.gives_refresh_token(grant, client):
        raise InvalidGrant(reason="refresh_not_allowed")
    scopes = grants.narrowed(grant, params)
    if state.refresh == presented.digest:  # an old one gets no further, and is no reason to ask anybody
        grant = await asked_again(services, grant)
    token = access_token(services, grant, client, scopes)
    rotation = await store.rotate_refresh(
        presented,
        refresh_token(services, grant),
        now=now,
        grace=lifetimes.grace,
        idle_until=now + lifetimes.idle,
        ttl=longest_life(services, grant, now=now),
        access=token.opaque,
    )
    if rotation.refresh_token is None:
        raise InvalidGrant(reason=f"refresh_token_{rotation.turn.value}")
    # Core §12.2: a refreshed ID Token says no nonce, and the auth_time of the first login.
    return answer(services, grant, client, token, refresh=rotation.refresh_token, nonce=None)


async def _look(
    request: web.Request, client: Client, params: Params, name: Literal["code", "refresh_token"]
) -> tuple[Handle, GrantState]:
    """What was presented under this name, and the grant that it is of, which is this client's.

    Raises:
        InvalidGrant: it is none of ours, is gone, or was given to another client.
    """
    store = request.app[SERVICES].store
    handle = handles.parse(_PURPOSES[name], params.require(name), store.handle_keys)
    state = await store.read_grant(handle.grant_id) if handle is not None else None
    if handle is None or state is None:
        raise InvalidGrant(reason=f"{name}_unknown")
    grants.is_for(state.grant, client)
    about.of_grant(request, state.grant)
    return handle, state


_PURPOSES: dict[str, handles.Purpose] = {"code": "code", "refresh_token": "refresh"}
_GRANTS = {"authorization_code": _code, "refresh_token": _refresh}
