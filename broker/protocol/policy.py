"""One answer to "may this client, person, connector do this now?", asked by every grant and token.

A refusal is `InvalidGrant` or `InvalidToken` to whoever asks; the reason is for the log only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from broker.protocol.assertion_grants import PREFIX, AssertionIssuer
from broker.protocol.client import Client
from broker.protocol.flow import Consent, Grant
from broker.protocol.redirects import is_registered
from broker.protocol.scopes import OFFLINE_ACCESS
from broker.record import Record


class Circumstances(Record, frozen=True, kw_only=True):
    """All that bears on a grant at this moment."""

    now: float
    """Seconds since the epoch."""
    client: Client | None
    connectors: Collection[str]
    """The enabled ones."""
    assertion_issuers: Mapping[str, AssertionIssuer] = {}
    """Whose assertions are taken for a grant."""
    consent: Consent | None
    """The one remembered now; None where there is none."""
    session_ended: bool
    revoked: bool


def objection(grant: Grant, now_is: Circumstances) -> str | None:
    """Why ``grant`` may not be used now, as a stable word for the log; None when it may."""
    client = now_is.client
    if client is None or not client.enabled:
        return "client_gone"
    if grant.issued_at < client.grants_since:
        return "registration_changed"
    if grant.redirect_uri is not None and not is_registered(grant.redirect_uri, client):
        return "redirect_uri_gone"
    if grant.redirect_uri is None and grant.grant_type not in client.grant_types:
        return "grant_type_gone"  # nobody was asked: the entry alone allowed it
    lacking = _connector_lacking(grant.context.connector, client, now_is)
    if lacking is not None:
        return lacking
    if now_is.revoked:
        return "grant_revoked"
    lacking = _consent_lacking(grant, client, now_is)
    if lacking is not None:
        return lacking
    # offline_access outlives the session (Back-Channel Logout §2.7), unless the operator says otherwise.
    outlives = OFFLINE_ACCESS in grant.scopes and not client.revoke_on_logout
    return "session_ended" if now_is.session_ended and not outlives else None


def holder_objection(grant: Grant, holder: Client | None) -> str | None:
    """Why a token of ``grant`` may not be used by who exchanged another for it; None when it may."""
    if holder is None or not holder.enabled:
        return "holder_gone"
    if holder.token_exchange is None:
        return "exchange_not_allowed"
    connector = grant.context.connector
    came_by_one = bool(connector) and not connector.startswith(PREFIX)
    if came_by_one and holder.connectors is not None and connector not in holder.connectors:
        return "connector_not_allowed"
    return None


def _connector_lacking(connector: str, client: Client, now_is: Circumstances) -> str | None:
    """What is wrong with where they signed in; None when nothing is, or nobody did."""
    if not connector:
        return None
    if connector.startswith(PREFIX):
        entry = now_is.assertion_issuers.get(connector.removeprefix(PREFIX))
        if entry is None:
            return "assertion_issuer_gone"
        return None if client.client_id in entry.clients else "assertion_not_for_client"
    if connector not in now_is.connectors:
        return "connector_gone"
    if client.connectors is not None and connector not in client.connectors:
        return "connector_not_allowed"
    return None


def _consent_lacking(grant: Grant, client: Client, now_is: Circumstances) -> str | None:
    """What is wrong with the consent that ``grant`` stands on; None when nothing is."""
    if grant.consent_id is None:
        # It was given on trust, which the operator may have taken back.
        other_apis = any(uri != client.audience for uri in grant.resources)
        beyond_scopes = bool(grant.authorization_details) or other_apis
        given = bool(grant.covered or (beyond_scopes and grant.sid))
        return "consent_missing" if given and not client.trusted else None
    consent = now_is.consent
    if consent is None or consent.id != grant.consent_id:
        return "consent_withdrawn"
    return "consent_expired" if now_is.now >= consent.expires_at else None
