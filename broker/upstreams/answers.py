"""What goes wrong at an upstream, as errors that a client app may hear. Pure.

Owns one table. Core §3.1.2.6, RFC 6749 §4.1.2.1, Unmet Authentication Requirements 1.0. What the person or
the upstream decided keeps its name; what is broken between the upstream and us is nobody else's business:
``server_error``, or ``temporarily_unavailable`` where waiting may help. The upstream's own words go to our
log only.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.connector import (
    UpstreamError,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamStale,
    UpstreamUnmet,
)
from broker.protocol import errors

_THEIRS: Mapping[str, type[errors.OAuthError]] = {
    "access_denied": errors.AccessDenied,
    "login_required": errors.LoginRequired,
    "interaction_required": errors.InteractionRequired,
    "consent_required": errors.ConsentRequired,
    "account_selection_required": errors.AccountSelectionRequired,
    "unmet_authentication_requirements": errors.UnmetAuthenticationRequirements,
    "temporarily_unavailable": errors.TemporarilyUnavailable,
}
"""The answers of an upstream that mean the same to a client app."""


def as_protocol_error(error: UpstreamError) -> errors.OAuthError:
    """The error of the protocol for this one, with the reason and detail for our log."""
    if isinstance(error, UpstreamRefused):
        kind = _THEIRS.get(error.error)
        if kind is None:  # invalid_client, invalid_scope, …: a mistake in how we are set up there
            return errors.ServerError(reason="upstream_refused", detail=f"{error.error}: {error.detail}")
        return kind(reason=f"upstream_{error.error}", detail=error.detail)
    if isinstance(error, UpstreamStale):
        return errors.LoginRequired(reason=error.reason, detail=error.detail)
    if isinstance(error, UpstreamUnmet):
        return errors.UnmetAuthenticationRequirements(reason=error.reason, detail=error.detail)
    if isinstance(error, UpstreamInvalid):
        # Metadata that is not believed leaves this connector out of service until it is right again.
        out_of_service = error.reason.startswith("metadata_")
        kind = errors.TemporarilyUnavailable if out_of_service else errors.ServerError
        return kind(reason=error.reason, detail=error.detail)
    return errors.TemporarilyUnavailable(reason="upstream_unavailable", detail=error.detail)
