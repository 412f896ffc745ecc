"""Every error the protocol can answer, in one tree.

    ProtocolError
    ├── Shown               answered on our own page: nothing yet allows a redirect (RFC 6749 §4.1.2.1)
    ├── OAuthError          one error code of a standard; who hears it depends on the endpoint
    │   ├── InvalidRequest, InvalidScope, UnsupportedResponseType, …       RFC 6749 §4.1.2.1, §5.2
    │   ├── LoginRequired, ConsentRequired, InteractionRequired, …         OpenID Connect Core §3.1.2.6
    │   └── InvalidToken, InsufficientScope                                RFC 6750 §3.1
    └── AnsweredAtClient    an OAuthError with the `ReplyTo` that may hear it (`broker.protocol.reply`)

Each speaks to two listeners: ``description`` may leave the house, ``detail`` goes to our log only.
``reason`` is the stable word in the audit line.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

_UNTELLABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
"""What an ``error_description`` cannot hold (RFC 6749 Appendix A.8)."""


class ProtocolError(Exception):
    """Something was asked that cannot be answered as asked."""

    reason: str
    detail: str


Message = Literal[
    "bad_request",
    "browser_mismatch",
    "consent_gone",
    "forbidden",
    "login_expired",
    "not_found",
    "redirect_uri_unregistered",
    "sign_in_changed",
    "signed_out_since",
    "unknown_client",
    "upstream_refused",
]


class Shown(ProtocolError):
    """Told to the person on a page of our own.

    ``message`` names a text of the page catalogue; it never echoes what was sent.
    """

    def __init__(
        self, message: Message, *, status: int = 400, detail: str = "", back_url: str | None = None
    ) -> None:
        super().__init__(message)
        self.back_url = back_url
        """A path of ours to try again at."""
        self.message = message
        self.status = status
        self.reason = message
        self.detail = detail


class OAuthError(ProtocolError):
    """An error response of OAuth 2.0 or OpenID Connect."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400
    said: ClassVar[str] = ""
    """The ``error_description`` when none is given; within %x20-21 / %x23-5B / %x5D-7E."""
    told_often: ClassVar[bool] = False
    """Whether it is how a thing goes usually, and no line in the log."""

    def __init__(self, description: str = "", *, reason: str = "", detail: str = "") -> None:
        super().__init__(description or self.said or self.error)
        # A name that an operator or an app wrote may stand in it.
        self.description = _UNTELLABLE.sub("?", description or self.said)
        self.reason = reason or self.error
        self.detail = detail

    def body(self) -> dict[str, str]:
        """The members of the error answer (RFC 6749 §5.2)."""
        told = {"error": self.error}
        if self.description:
            told["error_description"] = self.description
        return told


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated or malformed."""

    error = "invalid_request"


class InvalidScope(OAuthError):
    """A scope that this client may not ask for."""

    error = "invalid_scope"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant or response type."""

    error = "unauthorized_client"


class UnsupportedResponseType(OAuthError):
    """A ``response_type`` other than ``code``."""

    error = "unsupported_response_type"


class UnsupportedGrantType(OAuthError):
    """A ``grant_type`` that we do not have."""

    error = "unsupported_grant_type"


class RequestNotSupported(OAuthError):
    """The ``request`` parameter (Core §6.1) is not supported."""

    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """The ``request_uri`` parameter (Core §6.2) is not supported."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """The ``registration`` parameter (Core §7.2.1) is not supported."""

    error = "registration_not_supported"


class InvalidRequestObject(OAuthError):
    """The request object is not one that we believe (RFC 9101 §7)."""

    error = "invalid_request_object"


class InvalidTarget(OAuthError):
    """A resource that is unknown, malformed, or not for this client (RFC 8707 §2)."""

    error = "invalid_target"


class InvalidAuthorizationDetails(OAuthError):
    """Authorization details that are not what their type says, or not for this client (RFC 9396 §5)."""

    error = "invalid_authorization_details"


class TooManyRequests(OAuthError):
    """More was sent in a short time than one client may keep here (RFC 9126 §2.3; RFC 6585 §4)."""

    error = "temporarily_unavailable"
    status = 429
    said = "Too many requests."

    def __init__(self, *, reason: str = "", detail: str = "", wait: float = 1) -> None:
        super().__init__(reason=reason, detail=detail)
        self.wait = wait
        """Seconds after which it is worth trying again."""


class InvalidRedirectUri(OAuthError):
    """A redirect_uri that nobody may register (RFC 7591 §3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """Something else that is registered cannot be had (RFC 7591 §3.2.2)."""

    error = "invalid_client_metadata"


class InvalidSoftwareStatement(OAuthError):
    """The software statement is not one that we believe (RFC 7591 §3.2.2)."""

    error = "invalid_software_statement"


class UnapprovedSoftwareStatement(OAuthError):
    """A software statement is needed, of an issuer that is trusted here (RFC 7591 §3.2.2)."""

    error = "unapproved_software_statement"


class AuthorizationPending(OAuthError):
    """Nobody has answered for the device yet (RFC 8628 §3.5)."""

    error = "authorization_pending"
    told_often = True


class SlowDown(OAuthError):
    """The same, and the device asks too often (RFC 8628 §3.5)."""

    error = "slow_down"
    told_often = True


class ExpiredToken(OAuthError):
    """Nobody answered for the device in time (RFC 8628 §3.5)."""

    error = "expired_token"


class AccessDenied(OAuthError):
    """The person, the upstream or a rule said no."""

    error = "access_denied"


class LoginRequired(OAuthError):
    """A login would have to be shown, or was not fresh enough."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """Consent would have to be asked, and ``prompt=none`` forbids it."""

    error = "consent_required"


class InteractionRequired(OAuthError):
    """Something would have to be asked, and ``prompt=none`` forbids it."""

    error = "interaction_required"


class AccountSelectionRequired(OAuthError):
    """The upstream wants an account chosen."""

    error = "account_selection_required"


class UnmetAuthenticationRequirements(OAuthError):
    """The essential ``acr`` was not reached (Unmet Authentication Requirements 1.0)."""

    error = "unmet_authentication_requirements"


class ServerError(OAuthError):
    """Something failed on our side, or upstream in a way that is nobody else's business."""

    error = "server_error"
    status = 500
    said = "The login could not be completed."


class TemporarilyUnavailable(OAuthError):
    """The store or an upstream cannot be reached right now."""

    error = "temporarily_unavailable"
    status = 503
    said = "Please try again in a moment."


class InvalidClient(OAuthError):
    """Client authentication failed; the same body whatever was wrong."""

    error = "invalid_client"
    status = 401
    said = "Client authentication failed."


class TooManyAttempts(InvalidClient):
    """Client authentication failed too often from one place to be tried again at once."""

    status = 429  # RFC 6585 §4

    def __init__(self, *, reason: str, wait: float) -> None:
        super().__init__(reason=reason)
        self.wait = wait
        """Seconds until the next try is looked at."""


class InvalidDpopProof(OAuthError):
    """The proof of possession is missing, of another key, or not for this request (RFC 9449 §5)."""

    error = "invalid_dpop_proof"
    said = "The DPoP proof is not valid."


class UseDpopNonce(OAuthError):
    """The proof must carry the nonce that is sent with this answer (RFC 9449 §8)."""

    error = "use_dpop_nonce"
    said = "The DPoP proof needs the nonce that comes with this answer."


class InvalidGrant(OAuthError):
    """A code or refresh token that is unknown, foreign, expired or spent: one body for all.

    Whoever holds its own and does not prove it hears what does not fit.
    """

    error = "invalid_grant"
    said = "The grant is not valid."


class InvalidToken(OAuthError):
    """An access token that is not good here (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401
    said = "The access token is not valid."


class InsufficientScope(OAuthError):
    """A genuine access token without the scope that is needed here."""

    error = "insufficient_scope"
    status = 403
    said = "The access token has no scope openid."
