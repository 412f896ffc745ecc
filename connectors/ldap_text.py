"""What is written into a filter, and what an entry's values are as text. Pure.

RFC 4515 §3 (escaping); RFC 4512 §2.5 (names have no case); RFC 4530 and Active Directory's GUIDs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from broker.connector import Json, UpstreamInvalid


def escaped(text: str) -> str:
    """RFC 4515 §3: what was typed is a value, whatever it looks like."""
    plain = text.isascii() and not set(text) & set("*()\\\0")
    return text if plain else "".join(f"\\{octet:02x}" for octet in text.encode())


def escaped_id(entry_id: str, is_guid: bool) -> str:
    """An id as it stands in a filter; a GUID is sixteen octets there."""
    if not is_guid:
        return escaped(entry_id)
    try:
        return "".join(f"\\{octet:02x}" for octet in UUID(entry_id).bytes_le)
    except ValueError as error:
        raise UpstreamInvalid("nothing_kept", "what was kept is no GUID") from error


def values_of(raw: Mapping[str, Any], name: str) -> list[bytes]:
    """The values of an attribute, whose name has no case (RFC 4512 §2.5)."""
    return next((list(values) for found, values in raw.items() if found.lower() == name.lower()), [])


def listed(values: Sequence[Any]) -> list[str]:
    """The values that are text."""
    found = []
    for value in values:
        try:
            found.append(value.decode() if isinstance(value, bytes) else str(value))
        except UnicodeDecodeError:  # a picture, or a key: nothing for a claim
            continue
    return found


def texts(values: Sequence[Any]) -> Json:
    """One text as itself, several as a list; None where there is none."""
    found = listed(values)
    return (found[0] if len(found) == 1 else found) or None
