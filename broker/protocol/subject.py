"""The broker's own ``sub``: who a person is, for ever, to every client app.

Minted from connector, upstream issuer and subject key under a key that is never rotated, so it is
stable and cannot be turned back (OpenID Connect Core §8). The parts are length-prefixed, so no two
different triples read alike; nothing is folded, trimmed or cut.
"""

from __future__ import annotations

import hmac


def mint(*, connector: str, issuer: str, subject: str, key: bytes) -> str:
    """The ``sub`` of the person whom ``issuer`` calls ``subject``: 64 characters of hex."""
    parts = (part.encode("utf-8", "surrogatepass") for part in (connector, issuer, subject))
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256").hex()
