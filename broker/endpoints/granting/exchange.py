"""token-exchange: somebody's token becomes another, for another place. RFC 8693 §2.

What comes of a token of ours is one more token of the same grant, whoever holds it: it ends with the grant,
and with the token that was brought. Of somebody else's assertion comes a grant of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from broker.endpoints import about, bearer, minting, possession, sectors, upstream_tokens
from broker.endpoints.asserting import Asserted, asserted, used
from broker.endpoints.granting import afresh
from broker.endpoints.minting import Exchanged
from broker.endpoints.standing import may_be_used
from broker.protocol import exchange, policy, resources
from broker.protocol.client import TOKEN_EXCHANGE, Client
from broker.protocol.errors import InvalidGrant, InvalidToken
from broker.protocol.exchange import Asked, Subject
from broker.protocol.flow import Grant
from broker.protocol.params import Params
from broker.services import SERVICES, Services


@dataclass(frozen=True, slots=True, kw_only=True)
class _Brought:
    """A subject token that is good, and what it came of: a grant of ours, or what somebody else asserts."""

    subject: Subject
    of: Grant | Asserted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What the new token is to be."""

    scopes: tuple[str, ...]
    no_later: float
    exchanged: Exchanged
    cnf: Mapping[str, str]


async def redeem(request: web.Request, client: Client, params: Params) -> dict[str, object]:
    """The answer to a subject token, and perhaps an actor token."""
    services = request.app[SERVICES]
    asked, allowed = exchange.read(params, client)
    brought = await _brought(request, client, asked)
    exchange.may_exchange(brought.subject, client, allowed)
    await sectors.knows(services, client)
    actor, actor_ends = await _actor(services, client, asked)
    cnf = await possession.proved(request, client, cnf=_stays_bound(brought.subject, client))
    if asked.upstream is not None:
        return await upstream_tokens.answer(services, client, brought.of, asked.upstream)
    scopes = exchange.granted(asked, brought.subject, client, allowed, services.scopes)
    given = _Given(
        scopes=resources.cut(scopes, asked.targets, services.rules.resources, services.scopes),
        no_later=exchange.ends(brought.subject, actor_ends, now=services.now()),
        exchanged=Exchanged(
            actor=exchange.acting(brought.subject, actor, client, allowed),
            of=brought.subject.jti,
            as_jwt=asked.issued_type == exchange.JWT,
        ),
        cnf=cnf,
    )
    if isinstance(brought.of, Grant):
        body = await _more(services, client, brought.of, asked, given)
    else:
        body = await _afresh(request, client, brought.of, asked, given)
    return {**body, "issued_token_type": asked.issued_type}


def _stays_bound(subject: Subject, client: Client) -> Mapping[str, str]:
    """What of the subject token's key the new one must have too.

    An app's own is not exchanged for one that anybody can use. Who was sent another's cannot have its key.
    """
    return subject.cnf if client.client_id in subject.client_ids else {}


async def _brought(request: web.Request, client: Client, asked: Asked) -> _Brought:
    """The subject token, proved.

    Raises:
        InvalidRequest: it is not good, for whatever reason (RFC 8693 §2.2.2).
    """
    services = request.app[SERVICES]
    try:
        if asked.kind == "jwt":
            return _of_others(await asserted(services, client, asked.subject_token), client)
        ours = _by_id_token if asked.kind == "id_token" else _by_access_token
        subject, grant = await ours(services, client, asked.subject_token)
    except (InvalidGrant, InvalidToken) as error:
        raise exchange.unacceptable(error.reason, error.detail) from error
    about.of_grant(request, grant)
    about.from_client(request, client)  # who asks is the one that the log names, whosever login it was
    objection = policy.holder_objection(grant, client)
    if objection is not None:
        raise exchange.unacceptable(objection)
    return _Brought(subject=subject, of=grant)


async def _by_access_token(services: Services, client: Client, text: str) -> tuple[Subject, Grant]:
    token, grant = await bearer.resolve(services, text, seen_by=client)
    subject = Subject(
        client_ids=(token.holder(grant),),
        audiences=token.audiences,
        scopes=token.scopes,
        actor=token.actor,
        jti=token.jti,
        cnf=token.cnf,
        expires_at=token.expires_at,
    )
    return subject, grant


async def _by_id_token(services: Services, client: Client, text: str) -> tuple[Subject, Grant]:
    """An ID Token of ours names its grant, and so ends with it before its own end (RFC 8693 §2.1)."""
    claims: Mapping[str, Any] = services.keys.verify_own(text, typ="JWT") or {}
    grant_id, dot, _ = str(claims.get("jti", "")).partition(".")
    if claims.get("iss") != services.issuer or not dot or "at_hash" not in claims:
        raise InvalidToken(reason="id_token_not_ours")
    if services.now() >= claims["exp"]:
        raise InvalidToken(reason="id_token_expired")
    state = await services.store.read_grant(grant_id)
    if state is None or state.grant.client_id != claims["aud"]:
        raise InvalidToken(reason="id_token_unknown")
    grant = await may_be_used(services, state, refusal=InvalidToken, holder=client)
    await bearer.of_no_ended_session(services, claims["iat"], grant)
    subject = Subject(
        client_ids=(grant.client_id,), scopes=grant.scopes, cnf=grant.cnf, expires_at=claims["exp"]
    )
    return subject, grant


def _of_others(found: Asserted, client: Client) -> _Brought:
    may_act = found.claims.get("may_act")
    readable = "may_act" not in found.claims or isinstance(may_act, dict)
    subject = Subject(
        client_ids=(client.client_id,),  # its issuer's entry names the client
        actor=exchange.actor_of(found.claims, found.entry.issuer),
        may_act=may_act if readable else {},  # what cannot be read allows nobody
        expires_at=found.assertion.expires_at,
    )
    return _Brought(subject=subject, of=found)


async def _actor(services: Services, client: Client, asked: Asked) -> tuple[Mapping[str, Any] | None, float]:
    """Whom the actor token speaks of, and when that ends; nobody where there is none.

    Raises:
        InvalidRequest: it is not good, or was given to another client.
    """
    if asked.actor_token is None:
        return None, math.inf
    try:
        token, grant = await bearer.resolve(services, asked.actor_token)
    except InvalidToken as error:
        raise exchange.unacceptable(f"actor_{error.reason}", error.detail) from error
    if token.holder(grant) != client.client_id:
        raise exchange.unacceptable("actor_token_of_others")
    said = token.said_of(grant)
    actor = {"sub": said} if said == client.client_id else {"sub": said, "client_id": client.client_id}
    return actor, token.expires_at


async def _more(
    services: Services, client: Client, grant: Grant, asked: Asked, given: _Given
) -> dict[str, object]:
    """One more token of the grant that the subject token is of."""
    token = minting.access_token(
        services,
        grant,
        client,
        given.scopes,
        cnf=given.cnf,
        resources=asked.targets,
        no_later=given.no_later,
        exchanged=given.exchanged,
    )
    ttl = token.token.expires_at - services.now()
    if not await services.store.add_access(grant.id, token.opaque, ttl):
        raise exchange.unacceptable("grant_revoked")
    return minting.bare(token)


async def _afresh(
    request: web.Request, client: Client, found: Asserted, asked: Asked, given: _Given
) -> dict[str, object]:
    """A grant of its own, for whom somebody else's assertion is about. It is used last."""
    await used(request.app[SERVICES], found)
    made = afresh.grant(request, client, TOKEN_EXCHANGE, found.who, scopes=given.scopes)
    return await afresh.give(
        request,
        client,
        made,
        cnf=given.cnf,
        no_later=given.no_later,
        exchanged=given.exchanged,
        targets=asked.targets,
    )
