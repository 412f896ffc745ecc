"""What a person is asked to allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


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
class Detail:
    """One particular thing an app asks for, beyond a scope (RFC 9396 §2), in words."""

    title: str
    """What it is, such as "Send 30 EUR"."""
    lines: tuple[str, ...] = ()
    """What must be known to decide: to whom, from where, until when."""


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
    client_id: str | None = None
    """Whose theme the page wears."""
    on_this_device: bool = False
    """The address is a loopback or custom-scheme one: the host proves nothing (RFC 8252 §8.6)."""
    person: str
    not_you_url: str
    action: str
    csrf: str
    flow: str
    scopes: tuple[ScopeLine, ...]
    details: tuple[Detail, ...] = ()
    """What it asks for in particular; all of it is allowed or none."""
    resources: tuple[str, ...] = ()
    """The APIs that it may use this at, by their names."""
    already: tuple[str, ...] = ()
    """Sentences of what was granted before."""
    registered_itself: bool = False
    """It came without the operator (RFC 7591 §5; CIMD): its name and picture are what it says of itself."""
    account_url: str | None = None
    """Where it can be taken back."""
