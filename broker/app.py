"""The composition root: one configuration in, one aiohttp application out.

The only module that knows every other. Start and stop stand together in one generator, and nothing here
speaks to an upstream: one that is down delays nobody's start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web, web_response

from broker.clients import Clients
from broker.clients.certificates import Anchors, Authorities
from broker.clients.documents import DocumentClients
from broker.clients.keys import PublicKeys
from broker.clients.registered import RegisteredClients
from broker.config import Config
from broker.config.workspaces import AT
from broker.endpoints import account, certificates, cors, discovery, flow
from broker.endpoints.behind import BehindPath
from broker.endpoints.cookies import Jar
from broker.endpoints.http import MAX_FORM
from broker.endpoints.middleware import gate
from broker.endpoints.routes import HOSTS_OWN, ROUTES
from broker.events import Events, LogHandler
from broker.keys import KeyRing
from broker.logout import Courier, Endings, rounds
from broker.outbound import Outbound
from broker.pages import Pages
from broker.protocol.authorize import Rules
from broker.services import SERVICES, Services
from broker.store import Store, StoreUnavailable, open_store
from broker.upstreams import Upstreams, in_store

# Which versions run here is nobody's business, and some answers the library gives without asking us.
web_response.SERVER_SOFTWARE = "broker"  # type: ignore[attr-defined]

_USUAL = frozenset({"authorization_code", "refresh_token"})
_WAIT_FOR_STORE = 0.5
"""Seconds between two tries at the start."""

SERVER: Final[Mapping[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,  # nobody sends us a compressed body, and a small one can hold a very large one
    "lingering_time": 2.0,
    "max_line_size": 16_384,  # an id_token_hint comes in a URL
    "max_field_size": 16_384,
}
"""How the application wants to be served, for ``web.AppRunner``."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the application takes from outside itself: time, chance, and where its log goes."""

    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    """Only ever goes forward: caches and pauses go by it."""
    chance: Callable[[int], bytes] = os.urandom
    log: Callable[[bytes], object] | None = field(default=None, repr=False)


async def build(config: Config, *, around: Surroundings | None = None) -> web.Application:
    """The application of a host: its own issuer, and its workspaces, each an application of its own.

    Its parts are opened when it starts, and closed when it stops.

    Args:
        config: a configuration that has been checked.
        around: time, chance and log; a test brings its own.
    """
    around, anchors = around or Surroundings(), Anchors()
    host = _issuer(config, around, anchors)
    _announce(host, config, host)
    for one in config.workspaces.values():
        app = _issuer(one, around, anchors, host)
        _announce(host, one, app)
        host.add_subapp(_mount(one), app)
    if path := urlsplit(config.issuer).path:
        host.router.register_resource(BehindPath(path, host.router, but=HOSTS_OWN))
    return host


def _announce(host: web.Application, config: Config, app: web.Application) -> None:
    """Answer at the well-known paths that stand before that of an issuer (RFC 8414 §3.1).

    Discovery §4 has them behind it, where the issuer itself answers. A proxy that takes a path of the host's
    own away (`broker.endpoints.behind`) can do so in the middle as well, or leave it there.
    """
    for path, handler in discovery.of_an_issuer_with_a_path(app):
        for behind in {_mount(config), urlsplit(config.issuer).path} - {""}:
            host.router.add_get(path + behind, handler)
            host.router.add_options(path + behind, handler)


def _mount(config: Config) -> str:
    return f"{AT}{config.workspace}" if config.workspace else ""


def _issuer(
    config: Config, around: Surroundings, anchors: Anchors, host: web.Application | None = None
) -> web.Application:
    app = web.Application(middlewares=[gate], client_max_size=MAX_FORM)
    app.add_routes(route for route in ROUTES if not config.workspace or route.path not in HOSTS_OWN)
    app[flow.JAR] = Jar.of(config.issuer, config.workspace)
    app[certificates.ANCHORS] = anchors
    app[cors.ORIGINS] = cors.origins(config.clients_by_id.values())
    app.cleanup_ctx.append(_lifespan(config, around, host))
    return app


def _lifespan(
    config: Config, around: Surroundings, host: web.Application | None
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        events = Events(now=around.now, write=around.log, workspace=config.workspace)
        async with AsyncExitStack() as stack:
            if not config.workspace:  # what libraries log is said once for all issuers
                handler = LogHandler(events)
                logging.getLogger().addHandler(handler)
                stack.callback(logging.getLogger().removeHandler, handler)
            # A host starts before its workspaces, which keep what is theirs in the same store.
            beside = host[SERVICES].store if host is not None else None
            store = await open_store(config.store, config.state_dir, beside=beside)
            stack.push_async_callback(store.close)
            keys = await _key_ring(config, store, around, events)
            stack.push_async_callback(keys.close)
            keeper = in_store(store, around.now, login=config.lifetimes.login)
            upstreams = Upstreams.open(
                config, now=around.now, clock=around.clock, keeper=keeper, told=events.upstream
            )
            stack.push_async_callback(upstreams.close)
            strangers = Outbound(config.outbound, clock=around.clock, now=around.now)
            stack.push_async_callback(strangers.close)
            documents = DocumentClients(store, strangers, config.client_documents, events, around.now)
            stack.push_async_callback(documents.close)
            services = _services(config, around, events, store, keys, upstreams, strangers, documents)
            app[SERVICES] = services
            app[discovery.DOCUMENTS] = discovery.documents(services)
            await stack.enter_async_context(_rounds(services))
            await stack.enter_async_context(certificates.learning(services, app[certificates.ANCHORS]))
            yield

    return run


def _rounds(services: Services) -> AbstractAsyncContextManager[None]:
    """What this worker does beside answering."""
    courier = Courier(
        issuer=services.issuer,
        store=services.store,
        clients=services.clients,
        keys=services.keys,
        public_keys=services.public_keys,
        outbound=services.strangers,
        events=services.events,
        name=services.fresh_name(),
        now=services.now,
        news=services.endings.news,
    )
    return rounds(courier, services.endings, services.store, services.events, services.now)


def _rules(config: Config, keys: KeyRing, upstreams: Upstreams) -> Rules:
    return Rules(
        issuer=config.issuer,
        scopes=config.scope_rules,
        connectors=upstreams.enabled,
        read_hint=lambda hint: keys.verify_own(hint, typ="JWT"),
        resources=config.resources,
        detail_types=config.authorization_details_types,
        pushed_only=config.require_pushed_authorization_requests,
    )


def _pages(config: Config, base: str) -> Pages:
    pages = Pages(base=base, theme=config.theme, client_themes=config.client_themes, said=config.said)
    for path, image in config.images.items():
        pages.keep_image(base + path, image.content, image.media_type, image.ratio)
    return pages


def _authorities(config: Config) -> Authorities:
    """Whose client certificates are believed, however they come."""
    named = (config.tls.client_ca if config.tls is not None else None, config.trusted_proxies.client_ca)
    return Authorities.load(path for path in named if path is not None)


async def _key_ring(config: Config, store: Store, around: Surroundings, events: Events) -> KeyRing:
    """The signing keys, as soon as they can be had: a store that is away at the start is waited for."""
    told = ""
    while True:
        try:
            await store.check_it_keeps()
            return await KeyRing.open(config, store, now=around.now)
        except StoreUnavailable as error:
            if error.reason != told:  # and not again with each look: it may be away for an hour
                events.emit("start", "failed", reason="store_unavailable", detail=str(error))
            told = error.reason
            await asyncio.sleep(_WAIT_FOR_STORE)


def _services(
    config: Config,
    around: Surroundings,
    events: Events,
    store: Store,
    keys: KeyRing,
    upstreams: Upstreams,
    strangers: Outbound,
    documents: DocumentClients,
) -> Services:
    base = urlsplit(config.issuer).path
    own = account.client(config.issuer)
    registered = RegisteredClients(store, config.registration, around.now)
    clients = Clients({**config.clients_by_id, own.client_id: own}, (registered, documents))
    return Services(
        config=config,
        rules=_rules(config, keys, upstreams),
        clients=clients,
        registered=registered,
        scopes=config.scope_rules,
        upstreams=upstreams,
        store=store,
        keys=keys,
        strangers=strangers,
        public_keys=PublicKeys(strangers),
        authorities=_authorities(config),
        hashes_secrets=any(client.secret_hashes for client in config.clients_by_id.values()),
        pages=_pages(config, base),
        events=events,
        endings=Endings(store, clients, config.lifetimes, now=around.now, events=events),
        # Apps that registered while they could stay, whatever the policy is now.
        grant_types=config.offer.grant_types | config.registration.allowed.grant_types | _USUAL,
        takes_strangers=bool(config.offer.strangers),
        base=base,
        mount=_mount(config),
        now=around.now,
        chance=around.chance,
    )
