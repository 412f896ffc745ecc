"""Instants as tokens say them, and by how much two clocks may differ.

RFC 7519 §2 (NumericDate); FAPI 2.0 Security Profile §5.3.2.1 (10 seconds ahead are accepted, 60 refused).
What comes of an instant, and what is said of one that is none, is for whoever reads the token.
"""

from __future__ import annotations

from typing import Final, TypeGuard

LEEWAY: Final = 10
"""Seconds that the clock of whoever made a token may be ahead of ours."""
_NOT_SECONDS: Final = 1e11
"""From here on it is milliseconds."""


def is_instant(value: object) -> TypeGuard[int | float]:
    """Whether it is a NumericDate: a number of seconds, whole or not, and no boolean."""
    return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < _NOT_SECONDS
