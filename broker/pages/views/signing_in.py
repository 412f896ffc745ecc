"""What a person sees on the way in: the ways to sign in, and the forms of our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to sign in."""

    url: str
    """A path of ours: it is a link, since `form-action` would stop a form at the upstream."""
    name: str
    icon: str | None = None
    """A name from `ICONS`, or a path that `Pages.keep_image` serves; else the name's first letter."""
    last_used: bool = False
    unavailable: bool = False
    """It does not answer at the moment; the link still leads there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The field that finds one way to sign in among many.

    It sends ``flow`` and ``q`` as a GET: what it finds is answered by a page of ours.
    """

    action: str
    flow: str
    query: str = ""
    """What was typed, to be changed."""
    by_address: bool = False
    """Whether an email address finds one too."""
    field: bool = True
    """False where there are few, and only the way back to all of them is needed."""
    more: bool = False
    """There are more than are shown."""
    all_url: str | None = None
    """To all of them, where only what was found is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """The button by which a browser forgets what it used last: posts ``csrf``, and maybe ``flow``."""

    action: str
    csrf: str
    flow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooserView:
    """Which of several ways to sign in to an app."""

    template: ClassVar[str] = "chooser.html"
    client_name: str
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    choices: tuple[Choice, ...]
    search: Search | None = None
    forget: Forget | None = None
    """Where one of the choices is marked as used last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnwardView:
    """Carries the browser to the one way to sign in that was found, by an immediate refresh and a link."""

    template: ClassVar[str] = "onward.html"
    url: str
    """A path of ours."""
    name: str


LoginProblem = Literal["incomplete", "wrong", "too_many", "away"]
"""Why the last answer did not do; never whether somebody is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """A password, or the one-time code after it.

    Posts ``csrf``, ``state``, and ``username`` and ``password``, or ``code``; ``again`` instead of a code
    leads back to the password.
    """

    template: ClassVar[str] = "login.html"
    client_name: str
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    connector_name: str
    kind: Literal["password", "one_time_code"] = "password"
    action: str
    csrf: str
    state: str
    username: str = ""
    """What was typed, or what the app thinks it will be."""
    problem: LoginProblem | None = None
    minutes: int = 0
    """How long to wait, where it was too many."""
    other_url: str | None = None
    """A path of ours to the other ways to sign in, where there are some."""
    status: int = 200
