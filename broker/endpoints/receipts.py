"""/account/receipt and /account/receipts: what a person allowed, as a document to keep.

It is a file for whoever is signed in here and nobody else: no other site can read it (``nosniff``,
``Cross-Origin-Resource-Policy``), nothing keeps it, and it opens nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from broker.endpoints import account, flow, http
from broker.endpoints.forms import person_in_words
from broker.protocol import receipts, scopes
from broker.protocol.errors import Shown
from broker.protocol.flow import Consent, ConsentAt, Session
from broker.services import SERVICES, Services


async def one(request: web.Request) -> web.Response:
    """GET /account/receipt: that of one app."""
    session, client_id = await _signed_in(request), http.read_query(request).get("client_id") or ""
    services = request.app[SERVICES]
    for consent in await account.standing(services, session.context.subject):
        if consent.client_id == client_id:
            return _file(await _receipt(services, session, consent), "receipt")
    raise Shown("not_found", status=404, detail="no consent for this app")


async def every(request: web.Request) -> web.Response:
    """GET /account/receipts: all of them in one file."""
    session, services = await _signed_in(request), request.app[SERVICES]
    standing = await account.standing(services, session.context.subject)
    found = await asyncio.gather(*(_receipt(services, session, consent) for consent in standing))
    return _file(receipts.receipts(found, now=services.now()), "receipts")


async def _signed_in(request: web.Request) -> Session:
    session = await flow.signed_in(request)
    if session is None:
        raise account.nobody_here(request)
    return session


async def _receipt(services: Services, session: Session, consent: Consent) -> dict[str, Any]:
    theme, known = services.config.theme, await account.found_soon(services, consent.client_id)
    parties = receipts.Parties(
        issuer=services.issuer,
        house=theme.name,
        privacy_url=theme.privacy_url,
        subject=session.context.subject if known is None else services.sub(session.context, known),
        person=person_in_words(session.context),
    )
    recipient = receipts.Recipient(
        client_id=consent.client_id,
        name=known.client_name if known is not None else consent.client_id,
        registered_itself=known.registered_itself if known is not None else False,
    )
    places: list[Consent | ConsentAt] = [consent, *consent.at.values()]
    names = [name for said in places for name in (*said.granted, *said.refused)]
    words = {name: scopes.in_words(name, services.scopes) for name in names}
    return receipts.receipt(parties, recipient, consent, now=services.now(), words=words)


def _file(document: Mapping[str, Any], name: str) -> web.Response:
    body = msgspec.json.format(msgspec.json.encode(document), indent=2)
    headers = {
        **http.NO_STORE,
        "Content-Disposition": f'attachment; filename="{name}.json"',
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return web.Response(body=body, headers=headers, content_type="application/json")
