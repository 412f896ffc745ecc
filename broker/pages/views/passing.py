"""Pages that only carry something on, and the one that says what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from broker.pages.words import MessageKey

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """What went wrong, and what to do now."""

    template: ClassVar[str] = "error.html"
    message: MessageKey
    correlation_id: str
    back_url: str | None = None
    """A path of ours where the person may try again. Never from the request."""
    status: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceView:
    """Posts the same fields to the same address of ours, now from our own site.

    A form_post answer from an upstream comes without our Lax cookie; the second post has it. The page's
    `form-action` is 'self' and holds for what follows the post: answer that with a page (`LeavingView`
    towards the app), not with a redirect to another site.
    """

    template: ClassVar[str] = "bounce.html"
    action: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPostView:
    """Carries the answer to the app as a form (OAuth 2.0 Form Post Response Mode).

    Browsers hold the page's `form-action` against the redirects after the post too: an app that answers
    it by sending the person on to another of its hosts needs that one's address in ``onward``.
    """

    template: ClassVar[str] = "form_post.html"
    action: str
    fields: Fields
    client_name: str
    client_id: str | None = None
    """Whose theme the page wears."""
    onward: tuple[str, ...] = ()
    """Other addresses that are registered with the app; only their origins count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureView:
    """Carries the browser to a way of signing in that wants a form (SAML's HTTP POST binding)."""

    template: ClassVar[str] = "departure.html"
    action: str
    fields: Fields
    upstream: str
    """Its name, as on its button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingView:
    """Carries the browser to the app after a POST, by an immediate refresh and a link."""

    template: ClassVar[str] = "leaving.html"
    url: str
    client_name: str
    client_id: str | None = None
    """Whose theme the page wears."""
    custom_scheme: str | None = None
    """The scheme of the registered address, where it is neither http nor https."""
