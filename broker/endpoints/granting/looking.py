"""What was presented, and the grant that it is of."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from broker.endpoints import about
from broker.protocol import grants, handles
from broker.protocol.client import Client
from broker.protocol.errors import InvalidGrant
from broker.protocol.handles import Handle
from broker.protocol.params import Params
from broker.services import SERVICES
from broker.store import GrantState

_PURPOSES: dict[str, handles.Purpose] = {"code": "code", "refresh_token": "refresh"}


async def look(
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
