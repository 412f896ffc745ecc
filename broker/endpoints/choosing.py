"""The chooser: the ways to sign in that an app allows, a field to find one among many, and the last choice.

Owns what a person asks for on the chooser (`Visit`) and what it shows. Its choices are links and its field is
a GET form to our own page: browsers hold ``form-action`` against the redirects that follow a form, so what it
finds is answered with a page that carries the browser on. What it costs does not grow with the connectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from broker.domains import domain_of
from broker.endpoints import forms, http
from broker.endpoints.cookies import JAR
from broker.endpoints.forms import csrf_token, from_our_own_page
from broker.pages import Choice, ChooserView, Forget, OnwardView, Search
from broker.protocol import routing
from broker.protocol.client import Client
from broker.protocol.flow import AuthorizeRequest, Session
from broker.protocol.names import Names
from broker.protocol.params import Params
from broker.protocol.searching import MAX_QUERY, fold
from broker.record import replace
from broker.services import SERVICES, Services

CONTINUE, FORGET = "/continue", "/continue/forget"
SHOWN: Final = 10
"""Choices on one page, which stays small; beyond them a person types."""
SEARCH_FROM: Final = 9
"""From how many choices on there is a field to search them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look at the chooser: which kept request it is about, and what the person did there."""

    flow_id: str
    picked: str | None = None
    """The connector of the link that was followed."""
    query: str = ""
    """What was typed."""
    everything: bool = False
    """Whether all are wanted, whatever address is known."""
    hint: str | None = None
    """The address by which the connector was found."""

    @classmethod
    def of(cls, params: Params) -> Visit:
        """As the query of /continue says."""
        return cls(
            flow_id=params.get("flow") or "",
            picked=params.get("connector"),
            query=(params.get("q") or "").strip()[: MAX_QUERY * 3],
            everything=params.get("show") == "all",
            hint=params.get("login_hint"),
        )

    @property
    def is_choosing(self) -> bool:
        """Whether the person is at it, and nothing is decided for them."""
        return self.everything or bool(self.query)

    def hinted(self, asked: AuthorizeRequest) -> AuthorizeRequest:
        """The request with the address that the person typed, which is a better guess than the app's."""
        known = self.hint is not None and domain_of(self.hint) is not None
        return replace(asked, login_hint=self.hint) if known else asked


def of_address(services: Services, address: str | None, allowed: Names) -> tuple[str, ...]:
    """The allowed connectors of an e-mail address's domain; not more than a page shows, and one."""
    domain = domain_of(address) if address else None
    if domain is None:
        return ()
    return routing.of_domain(services.config.routing.domains.nearest(domain), allowed, most=SHOWN + 1)


def remembered(request: web.Request, allowed: Names) -> str | None:
    """The connector that this browser used last, where it may be used for this request."""
    last = request.app[JAR].last_connector(request)
    return last if last is not None and last in allowed else None


def known(
    request: web.Request, asked: AuthorizeRequest, allowed: Names, session: Session | None
) -> routing.Known:
    """What bears on where this request goes, by the operator's rules."""
    services = request.app[SERVICES]
    rules = services.config.routing
    by_domain = of_address(services, asked.login_hint, allowed) if rules.email_domains == "redirect" else ()
    last = remembered(request, allowed) if rules.remembered == "straight" else None
    if last is not None and services.upstreams[last].is_left_alone:
        last = None
    return routing.Known(session=session, domain=by_domain, remembered=last)


def show(
    request: web.Request, asked: AuthorizeRequest, client: Client, allowed: Names, visit: Visit
) -> web.Response:
    """The page, or the way on to the only one that was found."""
    services = request.app[SERVICES]
    if visit.query:
        found, by_address = _found(services, visit.query, allowed)
        if _goes_on(services, found, visit.query, by_address=by_address):
            return _onward(request, found[0], visit, hint=visit.query if by_address else None)
        return _page(request, client, allowed, visit, found, narrowed=True)
    narrowed = () if visit.everything else of_address(services, asked.login_hint, allowed)
    return _page(request, client, allowed, visit, narrowed or allowed, narrowed=bool(narrowed))


async def forget(request: web.Request) -> web.Response:
    """POST /continue/forget: the browser's last choice is no longer remembered; back to the chooser."""
    form = await forms.read(request)
    flow_id = form.get("flow") or ""
    secret = forms.flow_secret(request, flow_id)
    from_our_own_page(request, form, secret)
    response = http.see_other(request.app[SERVICES].at(_url(flow_id, show="all")))
    request.app[JAR].drop_last_connector(response)
    return response


def _found(services: Services, query: str, allowed: Names) -> tuple[tuple[str, ...], bool]:
    """What was typed: an e-mail address, where there are domains to find by, or a part of a name."""
    if services.config.routing.domains and "@" in query:
        return of_address(services, query, allowed), True
    return services.upstreams.directory(allowed).find(query, most=SHOWN + 1), False


def _goes_on(services: Services, found: Sequence[str], query: str, *, by_address: bool) -> bool:
    """Whether the only one found is meant beyond doubt: its domain was typed, or its whole name."""
    if len(found) != 1:
        return False
    if by_address:
        return services.config.routing.email_domains == "redirect"
    return fold(services.upstreams[found[0]].name) == fold(query)


def _onward(request: web.Request, connector: str, visit: Visit, *, hint: str | None) -> web.Response:
    services = request.app[SERVICES]
    url = services.at(_url(visit.flow_id, connector=connector, login_hint=hint))
    view = OnwardView(url=url, name=services.upstreams[connector].name)
    return http.page(request, view)


def _page(
    request: web.Request,
    client: Client,
    allowed: Names,
    visit: Visit,
    offered: Sequence[str],
    *,
    narrowed: bool,
) -> web.Response:
    services = request.app[SERVICES]
    last = remembered(request, allowed)
    shown = _first(offered, last if not narrowed else None)
    view = ChooserView(
        client_name=client.client_name,
        client_logo=services.picture(client),
        client_id=client.client_id,
        choices=tuple(_choice(services, name, visit.flow_id, last) for name in shown),
        search=_search(services, allowed, visit, offered, narrowed=narrowed),
        forget=_forget(request, visit.flow_id) if last in shown else None,
    )
    return http.page(request, view)


def _first(offered: Sequence[str], last: str | None) -> tuple[str, ...]:
    """What one page shows: the last choice, then in the operator's order."""
    others: Iterable[str] = (name for name in islice(offered, SHOWN + 1) if name != last)
    return tuple(islice(chain((last,) if last is not None else (), others), SHOWN))


def _choice(services: Services, name: str, flow_id: str, last: str | None) -> Choice:
    upstream = services.upstreams[name]
    upstream.look_again()  # so that the next page says what is so then
    return Choice(
        # Relative to the page, which is at this path: there are many of them.
        url=_url(flow_id, connector=name).removeprefix(CONTINUE),
        name=upstream.name,
        icon=upstream.icon,
        last_used=name == last,
        unavailable=upstream.is_left_alone,
    )


def _search(
    services: Services, allowed: Names, visit: Visit, offered: Sequence[str], *, narrowed: bool
) -> Search | None:
    if len(allowed) < SEARCH_FROM and not narrowed:
        return None
    return Search(
        action=services.at(CONTINUE),
        flow=visit.flow_id,
        query=visit.query,
        by_address=bool(services.config.routing.domains),
        field=len(allowed) >= SEARCH_FROM,
        more=len(offered) > SHOWN,
        all_url=services.at(_url(visit.flow_id, show="all")) if narrowed else None,
    )


def _forget(request: web.Request, flow_id: str) -> Forget:
    secret = request.app[JAR].flow(request, flow_id) or ""
    return Forget(action=request.app[SERVICES].at(FORGET), csrf=csrf_token(secret), flow=flow_id)


def _url(flow_id: str, **more: str | None) -> str:
    return f"{CONTINUE}?" + urlencode({"flow": flow_id, **{k: v for k, v in more.items() if v is not None}})
