"""A grant that comes of no code: made, and kept with the access token that it gives, in one step.

Shared by the grants that no person is asked for. It gives no refresh token: whoever may have another access
token asks as they asked for this one (RFC 6749 §4.4.3, RFC 7521 §4.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from broker.endpoints import about, minting
from broker.endpoints.minting import Exchanged
from broker.protocol import authorization_details, handles, resources
from broker.protocol.authorization_details import Detail
from broker.protocol.client import Client, GrantType
from broker.protocol.flow import AuthenticationContext, Grant
from broker.protocol.params import Params
from broker.services import SERVICES, Services


def targets(
    services: Services, client: Client, params: Params, scopes: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The resources that the token is for, and those of the scopes that they understand (RFC 8707 §2).

    Raises:
        InvalidTarget, InvalidScope: there is no such resource, or no scope is left for it.
    """
    known = services.config.resources
    asked = resources.asked(params.all("resource"), client, known)
    return asked, resources.cut(scopes, asked, known, services.scopes)


def details(services: Services, client: Client, params: Params) -> tuple[Detail, ...]:
    """What the token is for in particular (RFC 9396 §6).

    Raises:
        InvalidAuthorizationDetails: it is not what a type that this client may use says.
    """
    types = services.config.authorization_details_types
    return authorization_details.read(params.get("authorization_details"), client, types)


def grant(
    request: web.Request,
    client: Client,
    grant_type: GrantType,
    who: AuthenticationContext,
    *,
    scopes: tuple[str, ...],
    named: tuple[str, ...] = (),
    asked: tuple[Detail, ...] = (),
) -> Grant:
    """A grant of this kind, about to be kept, for the resources ``named`` and the details ``asked`` for."""
    services = request.app[SERVICES]
    made = Grant(
        id=handles.grant_id(services.chance(handles.GRANT_BYTES)),
        client_id=client.client_id,
        grant_type=grant_type,
        scopes=scopes,
        covered=(),
        context=who,
        issued_at=services.now(),
        correlation_id=request[about.CORRELATION],
        resources=named,
        authorization_details=asked,
    )
    about.of_grant(request, made)
    return made


async def give(
    request: web.Request,
    client: Client,
    made: Grant,
    *,
    cnf: Mapping[str, str],
    no_later: float = math.inf,
    exchanged: Exchanged | None = None,
    targets: tuple[str, ...] | None = None,
) -> dict[str, object]:
    """Keep the grant, and answer with its access token; ``targets`` say for where, if the grant does not."""
    services = request.app[SERVICES]
    token = minting.access_token(
        services,
        made,
        client,
        made.scopes,
        cnf=cnf,
        resources=targets,
        no_later=no_later,
        exchanged=exchanged,
    )
    ttl = token.token.expires_at - services.now()
    await services.store.put_tokens(made, ttl, access=token.opaque)
    return await minting.answer(services, made, client, token, refresh=None, nonce=None)
