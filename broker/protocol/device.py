"""Signing in a device that has no browser: the code a person types, and how often a device may ask.

Owns `DeviceRequest` and the form of a user code. RFC 8628 §3.1 to §3.3, §5.1 and §6.1: twenty consonants, so
that no word comes of it and nothing in it looks like something else; eight of them are 34 bits. What was
typed is brought into one form before it is looked up or counted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.protocol.flow import AuthorizeRequest, ForDevice
from broker.protocol.reply import ReplyTo

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH: Final = 8
_GROUP: Final = 4
_FAIR: Final = 256 - 256 % len(ALPHABET)
"""Bytes from here on would make the first letters likelier than the last."""
_LONGEST_TYPED: Final = 64

INTERVAL: Final = 5
"""Seconds between two questions of a device, unless it is told more (§3.2)."""
SLOWER: Final = 5
"""Seconds by which a device that asks too soon must wait longer from then on (§3.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """What a device asked for, until a person answers (§3.1)."""

    client_id: str
    scopes: tuple[str, ...]
    """Asked for, declared and assigned to the client; in the order asked."""
    user_code: str = ""
    """In its one form."""
    asked_at: float = 0.0
    expires_at: float = 0.0
    address: str = ""
    """Where the device is, as far as it is known: the person is shown it."""
    resources: tuple[str, ...] = ()
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswer:
    """What a person answered."""

    code: str | None = field(default=None, repr=False)
    """The code of the grant that the device gets; None where the person said no."""


def fresh_user_code(chance: Callable[[int], bytes]) -> str:
    """A user code of which every letter is as likely as any other."""
    letters: list[str] = []
    while len(letters) < LENGTH:
        letters += [ALPHABET[byte % len(ALPHABET)] for byte in chance(2 * LENGTH) if byte < _FAIR]
    return "".join(letters[:LENGTH])


def canonical(typed: str) -> str | None:
    """What was typed, in the form of a user code; None for what cannot be one (§6.1).

    Case, width, spaces and punctuation do not count, as a person may write them or leave them out. A letter
    or a digit that is none of ours stays, and makes it no code: to guess what was meant would make guessing
    easier.
    """
    if len(typed) > _LONGEST_TYPED:
        return None
    folded = unicodedata.normalize("NFKC", typed).upper()
    # Separators, punctuation and what cannot be seen. Unicode's other letters and digits are none of these.
    letters = "".join(char for char in folded if unicodedata.category(char)[0] not in "ZPC")
    return letters if len(letters) == LENGTH and set(letters) <= set(ALPHABET) else None


def shown(user_code: str) -> str:
    """A user code as a person reads it best: WDJB-MJHT."""
    return "-".join(user_code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


def as_asked(device: DeviceRequest, which: ForDevice, reply_to: ReplyTo) -> AuthorizeRequest:
    """The device's request as the request that a person signs in for; ``reply_to`` is a page of ours."""
    return AuthorizeRequest(
        client_id=device.client_id,
        reply_to=reply_to,
        scopes=device.scopes,
        resources=device.resources,
        authorization_details=device.authorization_details,
        correlation_id=device.correlation_id,
        device=which,
    )
