"""What goes wrong at an upstream, as a connector says it. What a client app hears is not decided here."""

from __future__ import annotations


class UpstreamError(Exception):
    """Something upstream went wrong. ``detail`` is for our log and is never shown to anyone.

    UpstreamError
    ├── UpstreamRefused      it answered with an OAuth error of its own
    ├── UpstreamDetour       it wants something else done first, and this login begun once more
    ├── UpstreamUnavailable  it could not be reached, was too slow, or said "later"
    └── UpstreamInvalid      it answered, and the answer must not be believed
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class UpstreamRefused(UpstreamError):
    """The upstream answered with ``error``, one of the codes of OAuth or OpenID Connect."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(detail or error)
        self.error = error


class UpstreamDetour(UpstreamError):
    """Raised by ``finish``: this login begins once more, with ``Login.detour`` telling ``begin`` why.

    For a forgotten password at Azure B2C, or a step that the upstream demands only now. The broker allows
    a few in one login, so that nobody is sent in circles.
    """

    def __init__(self, detour: str, detail: str = "") -> None:
        super().__init__(detail or detour)
        self.detour = detour


class UpstreamUnavailable(UpstreamError):
    """No answer in time, or an answer that says to come back later."""


class UpstreamInvalid(UpstreamError):
    """An answer that breaks a rule: a wrong signature, issuer, nonce, shape or size.

    ``reason`` is a short stable word for the audit log, such as ``nonce_mismatch``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class UpstreamStale(UpstreamInvalid):
    """The login is genuine but older than was asked for (``max_age``, ``prompt=login``)."""


class UpstreamUnmet(UpstreamInvalid):
    """The login is genuine but did not reach the essential ``acr`` that was asked for."""
