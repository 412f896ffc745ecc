"""What a person sees of their account: which apps were allowed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from broker.pages.views.signing_in import Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """An app that was allowed something."""

    client_id: str
    """What the withdraw button sends; never shown."""
    client_name: str
    sentences: tuple[str, ...]
    since: float
    last_used: float | None = None
    client_logo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsView:
    """The account page: which apps were allowed what, and the way to take it back.

    Withdrawing posts ``csrf`` and ``client_id``; signing out posts ``csrf``.
    """

    template: ClassVar[str] = "grants.html"
    person: str
    grants: tuple[GrantLine, ...]
    csrf: str
    withdraw_action: str
    sign_out_action: str
    withdrawn: str | None = None
    """The name of the app whose access has just been withdrawn."""
    remembered: str | None = None
    """The way to sign in that this browser used last."""
    forget: Forget | None = None
    """How it forgets that."""
