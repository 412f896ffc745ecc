"""When two usernames are the same, and two passwords. Pure.

Owns the one form in which usernames are compared: RFC 8265 §3.3 (UsernameCaseMapped) in what matters of it,
with NFKC where that has a width mapping and NFC, so that no two people of a pool look alike by a trick of
code points. Passwords are prepared as RFC 8265 §4.2 (OpaqueString) wants: what two keyboards send for the
same keys is the same password.
"""

from __future__ import annotations

import unicodedata

LONGEST_USERNAME = 255
LONGEST_PASSWORD = 1024
"""Characters. Argon2 takes any number; nobody types more, and hashing must not be made expensive."""

# Controls, unassigned, private use, surrogates; formats (zero width, direction); line and other spaces.
_NOT_IN_NAMES = frozenset({"Cc", "Cn", "Co", "Cs", "Cf", "Zl", "Zp", "Zs"})
_NOT_IN_PASSWORDS = frozenset({"Cc", "Cn", "Co", "Cs", "Zl", "Zp"})


def canonical(username: str) -> str | None:
    """The form in which a username is compared; None for what cannot be one."""
    if not 0 < len(username) <= LONGEST_USERNAME:
        return None
    # Folding may undo a normal form and make a character that folds again: twice is enough (UAX #31 §1.4).
    folded = unicodedata.normalize("NFKC", username.strip(" "))
    for _ in range(2):
        folded = unicodedata.normalize("NFKC", folded.casefold())
    if not 0 < len(folded) <= LONGEST_USERNAME:
        return None
    return None if any(unicodedata.category(c) in _NOT_IN_NAMES for c in folded) else folded


def counted(username: str) -> str:
    """What attempts at a username are counted as: not less alike than any directory takes names to be.

    A directory finds a person whatever the case, the width, the spaces around a name, and some whatever the
    accents (RFC 4518 §2.2, §2.6): what finds the same person must not be another name to a guesser's limit.
    It tells nobody apart, so that two people may share a count.
    """
    bare = username
    for _ in range(2):  # as in `canonical`
        spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", bare).casefold())
        bare = "".join(c for c in spread if unicodedata.category(c)[0] not in "MZC")
    return bare


def as_typed(username: str) -> str:
    """The username as its owner writes it, in one form whatever the keyboard sent."""
    return unicodedata.normalize("NFC", username.strip(" "))


def prepared_password(password: str) -> str | None:
    """The password as it is hashed; None for what cannot be one."""
    if not 0 < len(password) <= LONGEST_PASSWORD:
        return None
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
    if any(unicodedata.category(c) in _NOT_IN_PASSWORDS for c in spaced):
        return None
    return unicodedata.normalize("NFC", spaced)
