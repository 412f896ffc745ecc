"""The two people of the demo, and what their identity provider knows about each.

They differ where providers differ: an address that was proved and one that was not, a list of groups and a
single one as a bare string, a full name and none. The claims map of the demo (`claims.yaml`) evens that out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person at the demo provider."""

    key: str
    subject: str
    shown_as: str
    about: str
    id_token: Mapping[str, Any]
    """What the ID Token says beside the claims of the protocol."""
    userinfo: Mapping[str, Any]
    """What only userinfo says."""

    @property
    def initial(self) -> str:
        """One letter, for the round picture."""
        return self.shown_as[0]

    def is_meant_by(self, login_hint: str) -> bool:
        """Whether an app that sent this hint was thinking of this person."""
        return login_hint.casefold() in {self.key, str(self.userinfo["email"]).casefold()}


PEOPLE = {
    person.key: person
    for person in (
        Person(
            key="ada",
            subject="p-4c1f7a02",
            shown_as="Ada Marlowe",
            about="Editor at Harbour. Her e-mail address is verified.",
            id_token={
                "name": "Ada Marlowe",
                "preferred_username": "ada",
                "groups": ["harbour-staff", "harbour-editors", "coffee-club"],
            },
            userinfo={
                "given_name": "Ada",
                "family_name": "Marlowe",
                "email": "ada.marlowe@harbour.example",
                "email_verified": True,
                "locale": "en-GB",
                "zoneinfo": "Europe/London",
            },
        ),
        Person(
            key="grace",
            subject="p-93be55d1",
            shown_as="Grace Tanaka",
            about="A guest. Nobody has verified her e-mail address.",
            id_token={"preferred_username": "grace.tanaka", "groups": "harbour-guests"},
            userinfo={
                "email": "grace@tanaka.example",
                "email_verified": False,
                "locale": "de-DE",
            },
        ),
    )
}
