"""What a person sees of their account: where they are signed in, and which apps were allowed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from broker.pages.views.signing_in import Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLine:
    """One browser in which the person is signed in."""

    sid: str
    """What its button sends; never shown."""
    browser: str = ""
    """Its name, where it is known."""
    system: str = ""
    """What it runs on, where that is known."""
    way: str
    """How they signed in there: the name of the connector."""
    since: float
    last_used: float
    here: bool = False
    """It is the one that looks at this page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLine:
    """Another service, at which an app was allowed something."""

    uri: str = ""
    """What its withdraw button sends; never shown."""
    name: str
    sentences: tuple[str, ...] = ()
    """What of it, beyond using it at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """An app that was allowed something."""

    client_id: str
    """What the withdraw button sends; never shown."""
    client_name: str
    sentences: tuple[str, ...]
    apis: tuple[ApiLine, ...] = ()
    since: float
    last_used: float | None = None
    client_logo: str | None = None
    receipt_url: str | None = None
    """A path of ours at which what was allowed can be downloaded."""
    start_url: str | None = None
    """A path of ours that leads to the app, where it can begin a sign-in from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The account page: sessions and their ends, what apps were allowed and the way to take it back.

    Every form posts ``csrf``; ending a session posts ``sid`` too, withdrawing ``client_id``,
    and ``resource`` where only what is allowed at one other service is meant.
    """

    template: ClassVar[str] = "account.html"
    person: str
    now: float
    sessions: tuple[SessionLine, ...] = ()
    """This browser's first."""
    grants: tuple[GrantLine, ...]
    csrf: str
    withdraw_action: str
    end_action: str
    sign_out_action: str
    everywhere_action: str
    receipts_url: str | None = None
    """A path of ours at which all that was allowed can be downloaded."""
    withdrawn: str | None = None
    """The name of the app whose access has just been withdrawn."""
    withdrawn_at: str | None = None
    """The name of the other service, where that is all it was withdrawn at."""
    ended: bool = False
    """Whether another browser has just been signed out."""
    forgotten: bool = False
    """Whether this browser has just forgotten how somebody signed in."""
    remembered: str | None = None
    """The way to sign in that this browser used last."""
    forget: Forget | None = None
    """How it forgets that."""
