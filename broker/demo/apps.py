"""The two demo apps: what each is, and which scopes it asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEntry:
    """One app. Its key is its client_id."""

    key: str
    name: str
    about: str
    scopes: tuple[str, ...]


APPS = (
    AppEntry(
        key="notes",
        name="Harbour Notes",
        about="Asks what it may know about you, reads your notes from an API, and stays signed in.",
        scopes=(
            "openid", "profile", "email", "groups", "notes.read", "claim_sources", "offline_access",
        ),
    ),
    AppEntry(
        key="calendar",
        name="Harbour Calendar",
        about="An app of the house: trusted, so nobody is asked. It may not read your notes.",
        scopes=("openid", "profile", "claim_sources"),
    ),
)  # fmt: skip
