"""Asking an upstream again about somebody who is not there: at a refresh, under the rules of its entry.

RFC 6749 §6 and §10.4; OpenID Connect Core §12. One asks at a time for each login, whatever number of workers,
client apps and requests stand on it; the others wait for what that one hears. Nothing has been spent yet when
the upstream is asked, so a client app that is refused "for now" tries again with the same refresh token.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.connector import UpstreamIdentity
from broker.endpoints.recognition import for_client, recognise
from broker.protocol.asking import as_it_is, is_due, may_go_on
from broker.protocol.errors import AccessDenied, InvalidGrant, OAuthError, TemporarilyUnavailable
from broker.protocol.flow import AuthenticationContext, Grant, Held, HeldToken
from broker.record import replace
from broker.services import Services
from broker.upstreams import Upstream

_GLANCE, _LONGEST_GLANCE = 0.05, 1.0
"""Seconds between two looks at whether somebody else has heard: half as many again after each."""
_MARGIN = 10.0
"""Seconds that a token of an upstream must still be good for when it is given on."""
_GRACE = 5.0
"""Seconds beyond the upstream's own deadline in which its answer is mapped and kept."""


async def hold(
    services: Services, context: AuthenticationContext, identity: UpstreamIdentity
) -> AuthenticationContext:
    """Keep what the upstream will be asked again by, and its own token, where its entry says so."""
    upstream = services.upstreams[context.connector]
    if upstream.refresh_rule.older_than is None and not upstream.gives_token:
        return context
    lifetimes = services.config.lifetimes
    held_id, now = services.fresh_name(), services.now()
    context = replace(context, held=held_id)
    # A session may give a code until its end, and the code an access token, which lives from then.
    ttl = lifetimes.session.absolute + lifetimes.code + lifetimes.access_token
    token = _token(upstream, identity)
    held = Held(keep=dict(identity.keep), context=context, checked_at=now, token=token)
    await services.store.put_held(held_id, held, ttl)
    return context


async def hold_on(services: Services, grant: Grant, ttl: float) -> None:
    """Keep it for a refresh token that lives for ``ttl``, and the last access token that may come of it."""
    if grant.context.held is not None:
        access = services.config.lifetimes.access_token
        await services.store.prolong_held(grant.context.held, ttl + access)


async def as_last_heard(services: Services, context: AuthenticationContext) -> AuthenticationContext | None:
    """Somebody as the upstream described them last; None where it has refused them since."""
    if context.held is None:
        return context
    held = await services.store.read_held(context.held)
    return None if held is None else as_it_is(context, held)


async def asked_again(services: Services, grant: Grant) -> Grant:
    """The grant with what its upstream says now, where it is time to ask.

    Raises:
        InvalidGrant: the upstream does not let this person in any more.
        TemporarilyUnavailable: it does not say, and its last word is too old.
    """
    held_id, upstream = grant.context.held, services.upstreams[grant.context.connector]
    if held_id is None or upstream.refresh_rule.older_than is None:
        return grant
    came = services.now()
    async with _turn(services, held_id, upstream, came) as mine:
        held = await services.store.read_held(held_id)
        if held is None:
            raise InvalidGrant(reason="upstream_denied")
        if mine and is_due(held, upstream.refresh_rule, now=services.now()):
            held = await _ask(services, grant, held_id, held)
    client = await services.clients.find(grant.client_id)
    if client is None:
        raise InvalidGrant(reason="client_gone")
    try:
        context = for_client(services, as_it_is(grant.context, held), client)
    except AccessDenied as error:
        raise InvalidGrant(reason=error.reason, detail=error.detail) from error
    return replace(grant, context=context)


async def upstream_token(services: Services, grant: Grant) -> HeldToken | None:
    """The upstream's own access token of a login, a new one where the last has ended; or None.

    Raises:
        InvalidGrant: the upstream does not let this person in any more.
        TemporarilyUnavailable: it cannot be asked for another now.
    """
    held_id, upstream, came = grant.context.held, services.upstreams[grant.context.connector], services.now()
    held = await services.store.read_held(held_id) if held_id is not None else None
    if held_id is None or held is None or _lasts(held.token, came):
        return None if held is None else held.token
    async with _turn(services, held_id, upstream, came) as mine:
        held = await services.store.read_held(held_id)
        if held is not None and mine and not _lasts(held.token, came):
            held = await _ask(services, grant, held_id, held)
    if held is not None and not _lasts(held.token, came):
        raise TemporarilyUnavailable(reason="upstream_token_ended")
    return None if held is None else held.token


def _lasts(token: HeldToken | None, now: float) -> bool:
    """Whether it is worth giving on; one that never came does not come by asking."""
    return token is None or token.expires_at is None or now < token.expires_at - _MARGIN


def _token(upstream: Upstream, identity: UpstreamIdentity) -> HeldToken | None:
    """Its own token, where it is to be kept; refused on the way it is not there."""
    told = identity.token if upstream.gives_token else None
    if told is None:
        return None
    return HeldToken(access_token=told.access_token, expires_at=told.expires_at, scope=told.scope)


@asynccontextmanager
async def _turn(services: Services, held_id: str, upstream: Upstream, came: float) -> AsyncIterator[bool]:
    """Waits until it is our turn, or until somebody has asked since we came: then it need not be ours."""
    # Twice: it may first be looked at whether it is there again. Nobody else asks meanwhile: of two who use
    # one refresh token the upstream may take it for stolen (RFC 9700 §4.14.2).
    turn, longest = services.fresh_name(), 2 * upstream.patience + _GRACE
    loop = asyncio.get_running_loop()
    give_up, glance = loop.time() + longest, _GLANCE
    while not await services.store.begin_asking(held_id, turn, longest):
        held = await services.store.read_held(held_id)
        if held is None or held.checked_at >= came:
            yield False
            return
        if loop.time() > give_up:
            raise TemporarilyUnavailable(reason="upstream_being_asked")
        await asyncio.sleep(glance)
        glance = min(1.5 * glance, _LONGEST_GLANCE)
    try:
        held = await services.store.read_held(held_id)
        yield held is not None and held.checked_at < came
    finally:
        await services.store.done_asking(held_id, turn)


async def _ask(services: Services, grant: Grant, held_id: str, held: Held) -> Held:
    upstream, now = services.upstreams[grant.context.connector], services.now()
    try:
        async with _kept(services, held_id, held) as keep:
            identity = await upstream.refresh(held.keep, keep)
            context = recognise(
                services,
                upstream.id,
                _as_signed_in(identity, held.context),
                correlation_id=grant.correlation_id,
            )
            if context.subject != grant.context.subject:
                raise AccessDenied(reason="upstream_subject_changed")
    except AccessDenied as error:
        raise await _denied(services, grant, held_id, replace(held, keep=keep), error) from error
    except OAuthError as error:
        if isinstance(error, TemporarilyUnavailable) and may_go_on(held, upstream.refresh_rule, now=now):
            _note(services, grant, "allowed", error)
            return held
        _note(services, grant, "failed", error)
        raise TemporarilyUnavailable(reason=error.reason, detail=error.detail) from error
    latest = Held(
        keep={**keep, **identity.keep},
        context=replace(context, held=held_id),
        checked_at=now,
        token=_token(upstream, identity),
    )
    if not await services.store.renew_held(held_id, latest):
        raise InvalidGrant(reason="upstream_denied")
    return latest


@asynccontextmanager
async def _kept(services: Services, held_id: str, held: Held) -> AsyncIterator[dict[str, str]]:
    """What is kept from now on, whatever fails after it came, be it by a deadline or the end of this worker.

    A refresh token is often good once: who loses the next has lost the login.
    """
    keep = dict(held.keep)
    try:
        yield keep
    except BaseException:
        if keep != held.keep:
            await services.store.renew_held(held_id, replace(held, keep=keep))
        raise


def _as_signed_in(identity: UpstreamIdentity, before: AuthenticationContext) -> UpstreamIdentity:
    """When and how somebody signed in is not said again (Core §12.2); a map may read it all the same."""
    ends = identity.session_ends or before.session_expiry
    return dataclasses.replace(
        identity, auth_time=before.auth_time, acr=before.acr, amr=before.amr, session_ends=ends
    )


async def _denied(
    services: Services, grant: Grant, held_id: str, held: Held, error: AccessDenied
) -> InvalidGrant:
    """What stands on this login ends: its other grants and its session when they are next looked at."""
    _note(services, grant, "refused", error)
    rule = services.upstreams[grant.context.connector].refresh_rule
    if rule.older_than is None:
        return InvalidGrant(reason="upstream_denied", detail=error.detail)  # only its token was asked for
    if rule.on_denied == "revoke":
        await services.store.drop_held(held_id)
        await services.store.revoke_grant(grant.id)
        if grant.sid:
            await services.endings.end(grant.sid, "upstream_denied")
    else:
        await services.store.renew_held(held_id, replace(held, refused=True))
    return InvalidGrant(reason="upstream_denied", detail=error.detail)


def _note(services: Services, grant: Grant, outcome: str, error: OAuthError) -> None:
    services.events.emit(
        "upstream_refresh",
        outcome,
        reason=error.reason,
        detail=error.detail,
        client_id=grant.client_id,
        connector=grant.context.connector,
        subject=grant.context.subject,
        grant_id=grant.id,
        correlation_id=grant.correlation_id,
    )
