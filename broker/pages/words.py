"""The sentences that are chosen by a key, and the catalogues they are translated with.

Owns the texts of errors and of the scopes that OpenID Connect itself defines (Core §5.4, §11), and which
catalogue a person gets (RFC 4647 §3.4, lookup). The English texts are the catalogue's msgids. No word
of the protocol is in them: a person has an app, an account, and a way to sign in.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from broker.protocol.languages import SOURCE

DOMAIN: Final = "pages"
SOURCE_LANGUAGE: Final = SOURCE
_MOST_WANTED: Final = 16
_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})


def N_(text: str) -> str:  # noqa: N802  (the name that extraction knows)
    """Mark a sentence for the catalogue; it is translated where it is shown."""
    return text


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802
    """The same for a sentence that counts."""
    return one, many


@dataclass(frozen=True, slots=True)
class Message:
    """An error in two sentences: what happened, and what to do now."""

    title: str
    happened: str
    do_now: str
    button: str = N_("Try again")
    """What leads on, where there is somewhere to go."""


MessageKey = Literal[
    "bad_request",
    "browser_mismatch",
    "consent_gone",
    "forbidden",
    "login_expired",
    "method_not_allowed",
    "not_found",
    "redirect_uri_unregistered",
    "server_error",
    "sign_in_changed",
    "signed_out_since",
    "store_away",
    "too_large",
    "unknown_client",
    "upstream_refused",
]

_START_AGAIN = N_("Go back to the app and start signing in again.")
_CHANGED_SINCE = N_(
    "Since this page was opened, the sign-in in this browser has ended or changed, so nothing was done."
)
_DOUBT_THE_LINK = N_(
    "If you do not know where the link came from, stop here. If you do, tell the people who run the app."
)

MESSAGES: Final[Mapping[MessageKey, Message]] = {
    "bad_request": Message(
        N_("We could not read that"),
        N_("The link or form that brought you here was incomplete or damaged."),
        _START_AGAIN,
    ),
    "browser_mismatch": Message(
        N_("Please start again"),
        N_("This was not begun in this browser, or has ended, so it was stopped to protect your account."),
        N_(
            "Go back to the app, start again, and stay in one browser. "
            "If you block cookies, allow them for this site."
        ),
    ),
    "consent_gone": Message(
        N_("This question is no longer open"),
        N_("You may have answered it already, or it waited too long. Nothing was allowed just now."),
        _START_AGAIN,
    ),
    "forbidden": Message(
        N_("You cannot do that here"),
        N_("The request did not come from a page of ours that you have open, so nothing was changed."),
        N_("Reload the page you came from and try once more."),
    ),
    "login_expired": Message(
        N_("This sign-in is no longer open"),
        N_("You may have finished it already, or it waited too long. It stays open for a few minutes only."),
        _START_AGAIN,
    ),
    "method_not_allowed": Message(
        N_("This page cannot be opened that way"),
        N_("The page exists, but it was called in a way it does not answer to."),
        _START_AGAIN,
    ),
    "not_found": Message(
        N_("Page not found"),
        N_("There is nothing at this address."),
        N_("Check the address, or go back to the app you came from."),
    ),
    "redirect_uri_unregistered": Message(
        N_("The app gave a wrong return address"),
        N_("It asked us to send you to an address that it has not registered, so we stopped."),
        _DOUBT_THE_LINK,
    ),
    "server_error": Message(
        N_("Something went wrong on our side"),
        N_("You did nothing wrong. What you were doing was not finished."),
        N_("Try again in a moment. If it happens again, give the reference below to your help desk."),
    ),
    "sign_in_changed": Message(N_("Please start again"), _CHANGED_SINCE, _START_AGAIN),
    "signed_out_since": Message(
        N_("You are no longer signed in here"),
        _CHANGED_SINCE,
        N_("Sign in again, and then try once more."),
        N_("Sign in"),
    ),
    "store_away": Message(
        N_("We need a moment"),
        N_("A part that we cannot do without is not answering. What you were doing was not finished."),
        N_("Wait a minute, then try again."),
    ),
    "too_large": Message(
        N_("That was too much at once"),
        N_("The request was larger than anything a sign-in needs."),
        _START_AGAIN,
    ),
    "unknown_client": Message(
        N_("We do not know this app"),
        N_("The app that sent you here is not one of those that may sign people in with us."),
        _DOUBT_THE_LINK,
    ),
    "upstream_refused": Message(
        N_("Your sign-in service said no"),
        N_("It ended the sign-in without confirming who you are. Perhaps it was cancelled."),
        N_("Go back and try again. If this keeps happening, tell the people who run the app."),
    ),
}

SCOPE_SENTENCES: Final[Mapping[str, str]] = {
    "openid": N_("Know that it is you when you sign in"),
    "profile": N_("See your name and profile picture"),
    "email": N_("See your email address"),
    "address": N_("See your postal address"),
    "phone": N_("See your phone number"),
    "offline_access": N_("Keep this access while you are away"),
}
"""The standard scopes as sentences; a sentence of the operator's that equals one is translated too."""

MONTHS: Final = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)


DATE: Final = N_("%(day)d %(month)s %(year)d")
"""A day in words; a translator may put its parts in another order."""

ACCOUNT: Final = N_("Your account")
"""The name of the account page as an app."""

NOW: Final = N_("just now")
AGO: Final[Mapping[int, tuple[str, str]]] = {
    60: NN_("%(count)d minute ago", "%(count)d minutes ago"),
    3600: NN_("%(count)d hour ago", "%(count)d hours ago"),
    86400: NN_("%(count)d day ago", "%(count)d days ago"),
}
"""How long ago, by the unit that is counted, in seconds."""

LINKS: Final[Mapping[str, str]] = {"help": N_("Help"), "privacy": N_("Privacy"), "terms": N_("Terms")}
"""The links of a theme, in the order in which they stand."""


NAMES: Final[Mapping[str, str]] = {
    "ar": "العربية",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
}
"""What each language calls itself: who looks for theirs may not read the page."""


@dataclass(frozen=True, slots=True)
class Language:
    """A catalogue, and how its script runs."""

    tag: str
    direction: Literal["ltr", "rtl"]
    translations: gettext.NullTranslations

    @property
    def name(self) -> str:
        """What it calls itself."""
        return NAMES.get(self.tag, self.tag)


@cache
def load_languages(folder: Path) -> Mapping[str, Language]:
    """Every catalogue in ``folder`` (``de/LC_MESSAGES/pages.mo``), and English, which needs none."""
    languages = {SOURCE_LANGUAGE: Language(SOURCE_LANGUAGE, "ltr", gettext.NullTranslations())}
    for file in sorted(folder.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")):
        tag = file.parent.parent.name.replace("_", "-")
        with file.open("rb") as stream:
            translations = gettext.GNUTranslations(stream)
        direction: Literal["ltr", "rtl"] = "rtl" if tag.split("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
        languages[tag.lower()] = Language(tag, direction, translations)
    return languages


def first_of(wanted: Sequence[str], have: Mapping[str, Language]) -> Language | None:
    """The first wanted language that we have, each cut from the right until it fits (RFC 4647 §3.4)."""
    for tag in wanted[:_MOST_WANTED]:
        parts = tag[:35].lower().split("-")
        for length in range(len(parts), 0, -1):
            found = have.get("-".join(parts[:length]))
            if found is not None:
                return found
    return None


def choose_language(wanted: Sequence[str], have: Mapping[str, Language]) -> Language:
    """The same, and English where there is none."""
    return first_of(wanted, have) or have[SOURCE_LANGUAGE]
