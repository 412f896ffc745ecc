"""Compact JWS by a secret that both sides have: HS256, HS384 and HS512, of client apps alone.

Owns `read_with_secret`. RFC 7518 §3.2; RFC 8725 §3.5. Nothing else of the house verifies by a secret: what
reads the tokens of upstreams, and our own, knows no HMAC at all, so that no public key is ever taken for one.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from typing import Final

from broker.jose.compact import Signed, check_header, read_json, take_apart
from broker.jose.keys import JoseError

HMAC: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
SHORTEST: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes of a secret: as many as the hash has (RFC 7518 §3.2)."""


def read_with_secret(
    token: str, secrets: Sequence[str], *, algorithms: Collection[str], typ: Collection[str] | None
) -> Signed:
    """What was signed by one of ``secrets`` and one of ``algorithms``; ``typ`` as in `broker.jose.read`.

    Raises:
        JoseError: anything is wrong with it, or no secret is long enough for what it says.
    """
    head, payload, signature, message = take_apart(token)
    alg, _ = check_header(read_json(head, "bad_header"), algorithms, typ, known=HMAC)
    claims = read_json(payload, "bad_payload")
    keys = [secret.encode() for secret in secrets]
    long = [key for key in keys if len(key) >= SHORTEST[alg]]
    if not long:
        raise JoseError("weak_secret", f"{alg} needs a secret of {SHORTEST[alg]} bytes")
    # All of them are tried, in constant time each: which one it was takes no longer than another.
    right = [hmac.compare_digest(hmac.digest(key, message, HMAC[alg]), signature) for key in long]
    if not any(right):
        raise JoseError("bad_signature")
    return Signed(alg, claims)
