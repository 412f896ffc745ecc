"""What a person sees who signs in a device that has no browser (RFC 8628)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from broker.pages.views.consent import Detail, ScopeLine
from broker.pages.views.passing import Fields

DeviceProblem = Literal["incomplete", "wrong", "too_many"]
"""Why the code did not do; never whether it is another's, spent or expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodeView:
    """The code that a device shows is typed here (RFC 8628 §3.3). Posts ``csrf`` and ``user_code``."""

    template: ClassVar[str] = "device_code.html"
    action: str
    csrf: str
    user_code: str = ""
    """What was typed, or came with the link (§3.3.1)."""
    problem: DeviceProblem | None = None
    minutes: int = 0
    """How long to wait, where it was too many."""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfirmView:
    """May this device have these things (RFC 8628 §5.4: nobody else's device, by mistake)?

    Posts ``csrf``, ``fields``, ``answer`` (``allow`` or ``deny``) and one ``scope`` for each ticked box.
    """

    template: ClassVar[str] = "device_confirm.html"
    client_name: str
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    user_code: str
    """As the device shows it, to be compared."""
    from_link: bool = False
    """The code came with a link, so nobody has read it off a device yet."""
    asked_from: str = ""
    """Where the device is, in words: its address, as far as it is known."""
    minutes_ago: int = 0
    """How long ago the device asked."""
    person: str
    not_you_url: str | None = None
    action: str
    csrf: str
    fields: Fields = ()
    """What the endpoint needs to find the request again."""
    scopes: tuple[ScopeLine, ...] = ()
    details: tuple[Detail, ...] = ()
    resources: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    """Sentences of what was granted before."""
    registered_itself: bool = False
    """It came without the operator: its name and picture are what it says of itself."""
    account_url: str | None = None
    """Where it can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDoneView:
    """The device was told; this window may be closed."""

    template: ClassVar[str] = "device_done.html"
    client_name: str
    client_logo: str | None = None
    client_id: str | None = None
    """Whose theme the page wears."""
    allowed: bool
    account_url: str | None = None
    """Where it can be taken back."""
