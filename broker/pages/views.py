"""What each page shows, as frozen values: an endpoint makes one, `Pages.render` turns it into HTML.

A view holds facts, never sentences of ours: those come from the catalogue in the person's language.
Names and addresses in it may come from anybody; they are escaped, cut and isolated when rendered.
Instants are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from broker.pages.words import MessageKey

Fields = tuple[tuple[str, str], ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLine:
    """One thing an app asks for, as a sentence."""

    name: str
    """What the check box sends; never shown."""
    sentence: str
    optional: bool = True
    ticked: bool = True
    sensitive: bool = False
    """Shown as such, and never ticked beforehand whatever ``ticked`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """May this app have these things?

    Posts ``csrf``, ``flow``, ``answer`` (``allow`` or ``deny``) and one ``scope`` for each ticked box;
    what cannot be refused is not posted, since nobody could change it.
    """

    template: ClassVar[str] = "consent.html"
    client_name: str
    client_host: str
    """Where the answer goes: the host of the registered address, or its custom scheme."""
    client_logo: str | None = None
    on_this_device: bool = False
    """The address is a loopback or custom-scheme one: the host proves nothing (RFC 8252 §8.6)."""
    person: str
    not_you_url: str
    action: str
    csrf: str
    flow: str
    scopes: tuple[ScopeLine, ...]
    already: tuple[str, ...] = ()
    """Sentences of what was granted before."""
    account_url: str | None = None
    """Where it can be taken back."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutView:
    """The person is signed out here, and what may still be open."""

    template: ClassVar[str] = "signed_out.html"
    upstream: str | None = None
    """The way of signing in whose own session goes on."""
    upstream_url: str | None = None
    """Where that session ends too. It is a link, since `form-action` would stop a form there."""
    there: bool = False
    """They come back from there: nothing of that goes on."""
    account_url: str | None = None
    """Where they sign out here, if they have not."""


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
    custom_scheme: str | None = None
    """The scheme of the registered address, where it is neither http nor https."""


View = (
    ChooserView
    | OnwardView
    | LoginView
    | ConsentView
    | ErrorView
    | GrantsView
    | SignedOutView
    | BounceView
    | FormPostView
    | DepartureView
    | LeavingView
)
