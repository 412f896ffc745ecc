"""Whether a grant still stands: what the one policy must know is gathered here, for every grant and token.

The deciding is `broker.protocol.policy`'s; here the store is asked what it is to be decided by.
"""

from __future__ import annotations

from broker.endpoints.asking import as_last_heard
from broker.endpoints.ends import is_over
from broker.endpoints.recognition import for_client
from broker.protocol import authorization_details, consent, grants, policy, resources
from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied, InvalidGrant, InvalidToken
from broker.protocol.flow import Consent, Grant
from broker.record import replace
from broker.services import Services
from broker.store import GrantState


async def may_be_used(
    services: Services,
    state: GrantState,
    *,
    refusal: type[InvalidGrant | InvalidToken],
    joining: bool = False,
    holder: Client | None = None,
) -> Grant:
    """The grant as it may be used now: the one policy, with what it needs to know.

    ``joining`` is for the first tokens of a grant: from then on the client app is one of its session's.
    ``holder`` is who else sees the person by a token that was exchanged.

    Raises:
        InvalidGrant, InvalidToken: as ``refusal`` says; the reason goes to the log.
    """
    store, grant = services.store, state.grant
    client = await services.clients.find(grant.client_id)
    stands_on = None
    if grant.consent_id is not None:
        stands_on = await store.read_consent(grant.context.subject, grant.client_id)
    circumstances = policy.Circumstances(
        now=services.now(),
        client=client,
        connectors=services.upstreams.enabled,
        assertion_issuers=services.config.assertion_issuers,
        consent=stands_on,
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
        context = for_client(services, context, holder or client)
    except AccessDenied as error:
        raise refusal(reason=error.reason, detail=error.detail) from error
    heard = grant if context is grant.context else replace(grant, context=context)
    kept = grants.as_assigned(heard, client, services.scopes)
    return _as_allowed(services, kept, client, stands_on, refusal)


def _as_allowed(
    services: Services,
    grant: Grant,
    client: Client,
    stands_on: Consent | None,
    refusal: type[InvalidGrant | InvalidToken],
) -> Grant:
    """The grant without the APIs and details that the client may not ask for any more, or not have there."""
    if not grant.resources and not grant.authorization_details:
        return grant
    rules = services.rules
    stand = consent.still_at(grant, client, stands_on)
    if grant.resources and not stand:
        raise refusal(reason="consent_withdrawn")
    targets = resources.still_allowed(stand, client, rules.resources)
    if grant.resources and not targets:  # without any it would be for another API than was asked
        raise refusal(reason="resource_gone")
    details = authorization_details.still_allowed(grant.authorization_details, client, rules.detail_types)
    return replace(grant, resources=targets, authorization_details=details)


async def _session_ended(services: Services, grant: Grant, joins: Client | None) -> bool:
    """Whether somebody has ended the session that the grant came from, if it came from one."""
    if not grant.sid:
        return False
    if joins is not None:
        return not await services.endings.joins(grant, joins)
    return await services.store.session_ended(grant.sid)
