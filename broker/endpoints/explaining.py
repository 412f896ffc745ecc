"""What is noted of a login for `broker explain`, and kept with one write when the login ends or fails.

Owns the recorder of a request, made where a request turns out to be a step of a login. With
``lifetimes.explain: 0s`` there is none: nothing is noted or kept. No answer depends on it, and a store that
does not take it only loses it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from aiohttp import web

from broker.config import Config
from broker.endpoints import about
from broker.endpoints.recognition import Seen, client_facts
from broker.mapping import Documents, Mapped, Traced, shape, trace, traced
from broker.protocol.client import Client
from broker.protocol.explained import ClaimKept, Explained
from broker.protocol.flow import AuthenticationContext, AuthorizeRequest, Decision, PendingLogin
from broker.services import SERVICES, Services
from broker.store import StoreError

HIDDEN = "hidden"


@dataclass(slots=True, kw_only=True)
class Trace:
    """What one request of a login decided so far."""

    asked: AuthorizeRequest
    decisions: list[Decision]
    claims: tuple[ClaimKept, ...] = ()
    subject: str = ""
    ends: bool = False
    """Whether this request ends the login, as far as the broker goes without the person."""
    outcome: str = "ok"
    reason: str = ""
    detail: str = ""
    writing: Awaitable[object] | None = field(default=None, repr=False)
    """The write, under way."""


TRACE: web.RequestKey[Trace | None] = web.RequestKey("trace", Trace)


def begin(request: web.Request) -> None:
    """Nothing is known yet of what this request is a step of."""
    request[TRACE] = None


def concerns(request: web.Request, asked: AuthorizeRequest, pending: PendingLogin | None = None) -> None:
    """Begin to note, where that is wanted: of which login, and what was decided before the person left."""
    if request.app[SERVICES].config.lifetimes.explain:
        before = pending.decisions if pending is not None else ()
        request[TRACE] = Trace(asked=asked, decisions=list(before))


def decided(request: web.Request, what: str, outcome: str, why: str = "") -> None:
    """Note one decision."""
    found = request[TRACE]
    if found is not None:
        found.decisions.append(Decision(about=what, outcome=outcome, why=why))


def so_far(request: web.Request) -> tuple[Decision, ...]:
    """What was decided, to be kept while the person is at the upstream."""
    found = request[TRACE]
    return tuple(found.decisions) if found is not None else ()


def sees_the_map(request: web.Request, pending: PendingLogin, client: Client) -> Seen | None:
    """What notes how the map is applied to what the upstream said, also where that refuses the login."""
    found = request[TRACE]
    return None if found is None else partial(_saw, request.app[SERVICES], found, pending, client)


def _saw(
    services: Services,
    found: Trace,
    pending: PendingLogin,
    client: Client,
    documents: Documents,
    mapped: Mapped | None,
) -> None:
    claims_map = services.upstreams[pending.connector].claims_map
    if mapped is None or claims_map.reads_client:  # it is yet to be applied as this client app sees it
        facts = client_facts(client)
        rules = trace(claims_map, replace(documents, client=facts))
    else:
        rules = traced(claims_map, documents, mapped)
    found.claims = tuple([told(services.config, one) for one in rules])


def concludes(request: web.Request, context: AuthenticationContext) -> None:
    """Note that the login is answered now; of a session only the claims are known."""
    found = request[TRACE]
    if found is None:
        return
    found.ends, found.subject = True, context.subject
    request[about.CONCERNS].setdefault("connector", context.connector)
    if not found.claims:
        config = request.app[SERVICES].config
        found.claims = tuple(told(config, one) for one in _known(context))


def failed(request: web.Request, reason: str, detail: str, outcome: str) -> None:
    """Note how it failed; the same as the log hears."""
    found = request[TRACE]
    if found is not None:
        found.outcome, found.reason, found.detail, found.ends = outcome, reason, detail, True


def ahead(request: web.Request) -> None:
    """Begin the write where all is decided, so that it travels with the login's own last one."""
    found = request[TRACE]
    if found is not None:
        found.writing = _write(request, found)


async def keep(request: web.Request) -> None:
    """The one write, where this request ended a login; a second only if that went wrong at its last step."""
    found = request[TRACE]
    if found is None or not found.ends:
        return
    try:
        if found.writing is not None:
            await found.writing
        # Who waited for the store in vain does not wait for it again.
        if (found.writing is None or found.reason) and not found.reason.startswith("store_"):
            await _write(request, found)
    except StoreError as error:
        request.app[SERVICES].events.emit("explain", "failed", reason=f"store_{error.reason}")


def _write(request: web.Request, found: Trace) -> Awaitable[object]:
    services, asked = request.app[SERVICES], found.asked
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
    return services.store.put_explained(record, services.config.lifetimes.explain)


def told(config: Config, one: Traced, show: Callable[[Any], str] = shape) -> ClaimKept:
    """A traced claim, its values only as ``show`` tells them; of a sensitive one nothing."""
    declared = config.context.get(one.claim)
    if declared is not None and declared.sensitive:
        show = _hidden
    before = "" if one.before is None else show(one.before)
    unchanged = one.after is one.before
    after = before if unchanged else "" if one.after is None else show(one.after)
    return ClaimKept(one.claim, one.source, before, after, one.why)


def _hidden(_value: Any) -> str:
    return HIDDEN


def _known(context: AuthenticationContext) -> Iterator[Traced]:
    """Of a session only the claims are there, and where each came from."""
    for claim, value in context.claims.items():
        yield Traced(claim=claim, source=context.sources.get(claim, ""), after=value)
