"""Every address of an issuer, in one table."""

from __future__ import annotations

from aiohttp import web

from broker.endpoints import (
    account,
    authorize,
    callback,
    choosing,
    consent,
    discovery,
    flow,
    hand_offs,
    health,
    introspect,
    login,
    static,
    token,
    userinfo,
)
from broker.protocol import metadata

ROUTES = (
    web.get(metadata.AUTHORIZE, authorize.handle, allow_head=False),
    web.post(metadata.AUTHORIZE, authorize.handle),
    web.get(flow.CONTINUE, authorize.resume, allow_head=False),
    web.post(choosing.FORGET, choosing.forget),
    web.get("/callback/{connector}", callback.handle, allow_head=False),
    web.post("/callback/{connector}", callback.handle),
    web.get("/login/{connector}", login.show, allow_head=False),
    web.post("/login/{connector}", login.answer),
    web.get("/login/{connector}/other", login.other, allow_head=False),
    web.get(hand_offs.REQUESTS, hand_offs.read, allow_head=False),
    web.post(f"{hand_offs.REQUESTS}/accept", hand_offs.accept),
    web.post(f"{hand_offs.REQUESTS}/reject", hand_offs.reject),
    web.get(flow.CONSENT, consent.show, allow_head=False),
    web.post(flow.CONSENT, consent.answer),
    web.get(flow.NOT_YOU, consent.not_you, allow_head=False),
    web.post(metadata.TOKEN, token.handle),
    web.get(metadata.USERINFO, userinfo.handle, allow_head=False),
    web.post(metadata.USERINFO, userinfo.handle),
    web.post(metadata.INTROSPECT, introspect.introspect),
    web.post(metadata.REVOKE, introspect.revoke),
    web.get(metadata.JWKS, discovery.jwks),
    web.get(metadata.OPENID_CONFIGURATION, discovery.openid_configuration),
    web.get(metadata.OAUTH_METADATA, discovery.oauth_authorization_server),
    web.get("/connectors/{connector}/jwks", discovery.connector_jwks),
    web.get("/connectors/{connector}/metadata", discovery.connector_metadata),
    web.get(account.ACCOUNT, account.show),
    web.get(account.BACK, account.back),
    web.post(account.WITHDRAW, account.withdraw),
    web.post(account.FORGET, account.forget),
    web.post(account.SIGN_OUT, account.sign_out),
    web.get(metadata.SIGNED_OUT, account.signed_out),
    web.get("/static/{name:.+}", static.handle),
    web.get(health.HEALTHZ, health.healthz),
    web.get(health.READYZ, health.readyz),
    web.get(health.METRICS, health.metrics),
)
