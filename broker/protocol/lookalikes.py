"""Names that can be taken for each other: what somebody registers to be mistaken for another app.

Pure. Owns `skeleton`, the form in which two names are compared: case, width, accents and marks do not count,
and letters of other scripts count as the Latin ones that they look like (Unicode TR #39 §4, of which this is
the common part). It finds what is worth a second look, and forbids nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

_LIKE: Final = str.maketrans(
    {
        # Cyrillic
        "\u0430": "a", "\u0432": "b", "\u0435": "e", "\u043a": "k", "\u043c": "m", "\u043d": "h",
        "\u043e": "o",
        "\u0440": "p", "\u0441": "c", "\u0442": "t", "\u0443": "y", "\u0445": "x", "\u0455": "s",
        "\u0456": "i",
        "\u0458": "j", "\u04bb": "h", "\u04cf": "i", "\u0501": "d", "\u051b": "q", "\u051d": "w",
        # Greek
        "\u03b1": "a", "\u03b5": "e", "\u03b9": "i", "\u03ba": "k", "\u03bd": "v", "\u03bf": "o",
        "\u03c1": "p",
        "\u03c4": "t", "\u03c5": "u", "\u03c7": "x", "\u03c9": "w", "\u03b7": "n", "\u03b3": "y",
        "\u03f2": "c",
        # Latin letters and digits that look like others
        "\u0131": "i", "\u0269": "i", "\u0251": "a", "\u0261": "g", "\u00df": "b", "\u00f8": "o",
        "l": "i", "1": "i", "|": "i", "0": "o", "5": "s", "3": "e",
    }
)  # fmt: skip


def skeleton(name: str) -> str:
    """What remains of a name for the eye."""
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold()).translate(_LIKE)
    letters = "".join(char for char in spread if unicodedata.category(char)[0] in "LN")
    return letters.replace("rn", "m").replace("vv", "w")


def looks(names: Iterable[str]) -> Mapping[str, str]:
    """These names, by what remains of them for the eye; of several that look alike, the first."""
    return {skeleton(name): name for name in reversed([*names])}


def taken_for(name: str, others: Mapping[str, str]) -> str | None:
    """Which of ``others``, as `looks` has them, this name can be taken for."""
    seen = skeleton(name)
    return others.get(seen) if seen else None
