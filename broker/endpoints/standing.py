"""Whether a grant still stands: what the one policy must know is gathered here, for every grant and token.

The deciding is `broker.protocol.policy`'s; here the store is asked what it is to be decided by.
"""

from __future__ import annotations

from dataclasses import replace

from broker.endpoints.asking import as_last_heard
from broker.endpoints.ends import is_over
from broker.endpoints.recognition import for_client
from broker.protocol import grants, policy
from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied, InvalidGrant, InvalidToken
from broker.protocol.flow import Grant
from broker.services import Services
from broker.store import GrantState


async def may_be_used(
    services: Services,
    state: GrantState,
    *,
    refusal: type[InvalidGrant | InvalidToken],
    joining: bool = False,
) -> Grant:
    """The grant as it may be used now: the one policy, with what it needs to know.

    ``joining`` is for the first tokens of a grant: from then on the client app is one of its session's.

    Raises:
        InvalidGrant, InvalidToken: as ``refusal`` says; the reason goes to the log.
    """
    store, grant = services.store, state.grant
    client = await services.clients.find(grant.client_id)
    consent = None
    if grant.consent_id is not None:
        consent = await store.read_consent(grant.context.subject, grant.client_id)
    circumstances = policy.Circumstances(
        now=services.now(),
        client=client,
        connectors=services.upstreams.enabled,
        consent=consent,
        session_ended=await _session_ended(services, grant, client if joining else None),
        revoked=state.revoked or await is_over(services, grant.context, grant.issued_at),
    )
    reason = policy.objection(grant, circumstances)
    if reason is not None or client is None:
        raise refusal(reason=reason or "client_gone")
    context = await as_last_heard(services, grant.context)
    if context is None:
        raise refusal(reason="upstream_denied")
    try:
        context = for_client(services, context, client)
    except AccessDenied as error:
        raise refusal(reason=error.reason, detail=error.detail) from error
    heard = grant if context is grant.context else replace(grant, context=context)
    return grants.as_assigned(heard, client, services.scopes)


async def _session_ended(services: Services, grant: Grant, joins: Client | None) -> bool:
    """Whether somebody has ended the session that the grant came from, if it came from one."""
    if not grant.sid:
        return False
    if joins is not None:
        return not await services.endings.joins(grant, joins)
    return await services.store.session_ended(grant.sid)
