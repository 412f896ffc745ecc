"""What is noted of a login for `broker explain`, and kept with one write when the login ends or fails.

Owns the recorder of a request. With ``lifetimes.explain: 0s`` there is none: nothing is noted or kept. No
answer depends on it, and a store that does not take it only loses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from broker.config import Config
from broker.connector import UpstreamIdentity
from broker.endpoints import about
from broker.endpoints.recognition import client_facts, told_by
from broker.mapping import Traced, shape, trace
from broker.protocol.explained import ClaimTold, Explained
from broker.protocol.flow import AuthenticationContext, AuthorizeRequest, Decision, PendingLogin
from broker.services import SERVICES
from broker.store import StoreError

HIDDEN = "hidden"


@dataclass(slots=True)
class Trace:
    """What one request of a login decided so far."""

    decisions: list[Decision] = field(default_factory=list)
    claims: tuple[ClaimTold, ...] = ()
    asked: AuthorizeRequest | None = None
    subject: str = ""
    ends: bool = False
    """Whether this request ends the login, as far as the broker goes without the person."""
    outcome: str = "ok"
    reason: str = ""
    detail: str = ""
    writing: asyncio.Future[None] | None = None


TRACE: web.RequestKey[Trace | None] = web.RequestKey("trace", Trace)


def begin(request: web.Request) -> None:
    """A recorder for this request, where explanations are wanted."""
    request[TRACE] = Trace() if request.app[SERVICES].config.lifetimes.explain else None


def concerns(request: web.Request, asked: AuthorizeRequest, pending: PendingLogin | None = None) -> None:
    """Note which login this request is a step of, and what was decided before the person left."""
    found = request.get(TRACE)
    if found is not None:
        found.asked = asked
        found.decisions[:] = pending.decisions if pending is not None else ()


def decided(request: web.Request, what: str, outcome: str, why: str = "") -> None:
    """Note one decision."""
    found = request.get(TRACE)
    if found is not None:
        found.decisions.append(Decision(about=what, outcome=outcome, why=why))


def so_far(request: web.Request) -> tuple[Decision, ...]:
    """What was decided, to be kept while the person is at the upstream."""
    found = request.get(TRACE)
    return tuple(found.decisions) if found is not None else ()


def came_back(request: web.Request, pending: PendingLogin, identity: UpstreamIdentity) -> None:
    """Note what the map makes of what the upstream said, also where that refuses the login."""
    found = request.get(TRACE)
    if found is None:
        return
    services = request.app[SERVICES]
    upstream, client = services.upstreams[pending.connector], services.clients[pending.asked.client_id]
    said = replace(told_by(upstream, identity), client=client_facts(client))
    found.claims = tuple(told(services.config, one) for one in trace(upstream.claims_map, said))


def concludes(request: web.Request, context: AuthenticationContext) -> None:
    """Note that the login is answered now; of a session only the claims are known."""
    found = request.get(TRACE)
    if found is None:
        return
    found.ends, found.subject = True, context.subject
    request[about.CONCERNS].setdefault("connector", context.connector)
    if not found.claims:
        config = request.app[SERVICES].config
        found.claims = tuple(told(config, one) for one in _known(context))


def failed(request: web.Request, reason: str, detail: str, outcome: str) -> None:
    """Note how it failed; the same as the log hears."""
    found = request.get(TRACE)
    if found is not None:
        found.outcome, found.reason, found.detail, found.ends = outcome, reason, detail, True


def ahead(request: web.Request) -> None:
    """Begin the write where all is decided, so that it travels with the login's own last one."""
    found = request.get(TRACE)
    if found is not None and found.asked is not None:
        found.writing = asyncio.ensure_future(_write(request, found, found.asked))


async def keep(request: web.Request) -> None:
    """The one write, where this request ended a login; a second only if that went wrong at its last step."""
    found = request.get(TRACE)
    if found is None or found.asked is None or not found.ends:
        return
    if found.writing is not None:
        await found.writing
    # Who waited for the store in vain does not wait for it again.
    if (found.writing is None or found.reason) and not found.reason.startswith("store_"):
        await _write(request, found, found.asked)


async def _write(request: web.Request, found: Trace, asked: AuthorizeRequest) -> None:
    services = request.app[SERVICES]
    record = Explained(
        correlation_id=request[about.CORRELATION],
        at=services.now(),
        client_id=asked.client_id,
        scopes=asked.scopes,
        by_name=asked.claims,
        connector=request[about.CONCERNS].get("connector", ""),
        subject=found.subject,
        outcome=found.outcome,
        reason=found.reason,
        detail=found.detail,
        decisions=tuple(found.decisions),
        claims=found.claims,
    )
    try:
        await services.store.put_explained(record, services.config.lifetimes.explain)
    except StoreError as error:
        services.events.emit("explain", "failed", reason=f"store_{error.reason}")


def told(config: Config, one: Traced, show: Callable[[Any], str] = shape) -> ClaimTold:
    """A traced claim, its values only as ``show`` tells them; of a sensitive one nothing."""
    declared = config.context.get(one.claim)
    if declared is not None and declared.sensitive:
        show = _hidden
    return ClaimTold(
        claim=one.claim,
        source=one.source,
        before="" if one.before is None else show(one.before),
        after="" if one.after is None else show(one.after),
        why=one.why,
    )


def _hidden(_value: Any) -> str:
    return HIDDEN


def _known(context: AuthenticationContext) -> Iterator[Traced]:
    """Of a session only the claims are there, and where each came from."""
    for claim, value in context.claims.items():
        yield Traced(claim=claim, source=context.sources.get(claim, ""), after=value)
