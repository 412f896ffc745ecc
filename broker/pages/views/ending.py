"""What a person sees on the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from broker.pages.views.passing import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOutView:
    """Sign out? Asked where nothing proves that the person wishes it (RP-Initiated Logout 1.0 §2).

    Posts ``csrf``, ``fields`` and ``answer``: ``sign_out`` or ``stay``.
    """

    template: ClassVar[str] = "sign_out.html"
    client_name: str | None = None
    """The app that sent the person here, where it is known."""
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    person: str
    action: str
    csrf: str
    fields: Fields = ()
    """What the endpoint needs to find the request again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutView:
    """The person is signed out here, and what may still be open."""

    template: ClassVar[str] = "signed_out.html"
    upstream: str | None = None
    """The way of signing in whose own session goes on."""
    upstream_url: str | None = None
    """Where that session ends too. It is a link, since `form-action` would stop a form there."""
    there: bool = False
    """Nothing of that goes on: they come back from there, or there is no there but a login page of ours."""
    account_url: str | None = None
    """Where they sign out here, if they have not."""
    client_name: str | None = None
    """The app that asked for it, where it is known."""
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    everywhere: bool = False
    """Signed out in every browser, not only in this one."""
    stayed: bool = False
    """The person was asked and stays signed in; nothing was ended."""
    ended: tuple[str, ...] = ()
    """The apps that are being told, by name."""
    open: tuple[str, ...] = ()
    """The apps that cannot be told, by name: they stay open until one signs out of each."""
    frames: tuple[str, ...] = ()
    """Addresses of apps that sign out in a frame that nobody sees (Front-Channel Logout 1.0 §2)."""
    onward_url: str | None = None
    """Where the app wants the person to land: at once, or as soon as the frames had their time."""
    leads: bool = True
    """Whether the page goes there by itself."""
    custom_scheme: str | None = None
    """The scheme of ``onward_url`` as registered, where it is neither http nor https."""
