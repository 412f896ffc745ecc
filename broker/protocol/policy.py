"""One answer to "may this client, person, connector do this now?", asked by every grant and token.

A refusal is `InvalidGrant` or `InvalidToken` to whoever asks; the reason is for the log only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from broker.protocol.client import Client
from broker.protocol.flow import Consent, Grant
from broker.protocol.redirects import is_registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """All that bears on a grant at this moment."""

    now: float
    """Seconds since the epoch."""
    client: Client | None
    connectors: Collection[str]
    """The enabled ones."""
    consent: Consent | None
    """The one remembered now; None where there is none."""
    session_ended: bool
    revoked: bool


def objection(grant: Grant, now_is: Circumstances) -> str | None:
    """Why ``grant`` may not be used now, as a stable word for the log; None when it may."""
    client = now_is.client
    if client is None or not client.enabled:
        return "client_gone"
    if grant.redirect_uri is not None and not is_registered(grant.redirect_uri, client):
        return "redirect_uri_gone"
    lacking = _connector_lacking(grant.context.connector, client, now_is)
    if lacking is not None:
        return lacking
    if now_is.revoked:
        return "grant_revoked"
    lacking = _consent_lacking(grant, client, now_is)
    if lacking is not None:
        return lacking
    # offline_access outlives the session (Back-Channel Logout §2.7), unless the operator says otherwise.
    outlives = "offline_access" in grant.scopes and not client.revoke_on_logout
    return "session_ended" if now_is.session_ended and not outlives else None


def _connector_lacking(connector: str, client: Client, now_is: Circumstances) -> str | None:
    """What is wrong with where they signed in; None when nothing is, or nobody did."""
    if not connector:
        return None
    if connector not in now_is.connectors:
        return "connector_gone"
    if client.connectors is not None and connector not in client.connectors:
        return "connector_not_allowed"
    return None


def _consent_lacking(grant: Grant, client: Client, now_is: Circumstances) -> str | None:
    """What is wrong with the consent that ``grant`` stands on; None when nothing is."""
    if grant.consent_id is None:
        # It was given on trust, which the operator may have taken back.
        return "consent_missing" if grant.covered and not client.trusted else None
    consent = now_is.consent
    if consent is None or consent.id != grant.consent_id:
        return "consent_withdrawn"
    return "consent_expired" if now_is.now >= consent.expires_at else None
