"""The algorithms of JOSE that the house knows by name, and what each list of them is for.

RFC 7518 §3.1; RFC 8037 §3.1 and RFC 9864 (an Edwards key has two names); FAPI 2.0 Security Profile §5.4.1.
What the broker itself signs and encrypts with is in `broker.protocol.client`, beside the members that say it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

ByKey = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]
"""What is verified by a public key of whoever signed. ``none`` is nowhere."""
BySecret = Literal["HS256", "HS384", "HS512"]
"""What is verified by a secret that both sides have: client assertions alone."""
BY_KEY: Final[tuple[str, ...]] = get_args(ByKey)
BY_SECRET: Final[tuple[str, ...]] = get_args(BySecret)
FAPI: Final[tuple[str, ...]] = ("PS256", "ES256", "EdDSA", "Ed25519")
"""By what anything may be signed under a profile; and proofs of possession of everybody."""
