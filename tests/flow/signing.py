"""Client apps with keys of their own: what they sign, and the entries that they need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from broker.jose import SigningKey, sign
from tests.flow.broker import ASKED, Broker

REQUEST_TYP = "oauth-authz-req+jwt"


def key(alg: str = "ES256", name: str = "") -> SigningKey:
    """A key of the client app's; another one for another name."""
    return _made(alg, name)


@cache
def _made(alg: str, _name: str) -> SigningKey:
    return SigningKey.generate(alg)


def jwks(*keys: SigningKey) -> dict[str, Any]:
    return {"keys": [one.public_jwk() for one in keys or (key(),)]}


def written_jwks(folder: Path, *keys: SigningKey) -> str:
    """The file of a client's keys, as an entry names it."""
    path = folder / "client-jwks.json"
    path.write_bytes(msgspec.json.encode(jwks(*keys)))
    return str(path)


def asked(client_id: str = "billing", **changes: Any) -> dict[str, Any]:
    """The members of a good request."""
    members = {**ASKED, "client_id": client_id, **changes}
    return {name: value for name, value in members.items() if value is not None}


def request_object(
    broker: Broker,
    members: Mapping[str, Any],
    *,
    by: SigningKey | None = None,
    typ: str = REQUEST_TYP,
    **changes: Any,
) -> str:
    """A signed request."""
    now = int(time.time() + broker.clock.offset)
    claims = {
        "iss": members.get("client_id"),
        "aud": broker.issuer,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        **members,
    } | changes
    return sign(by or key(), {n: v for n, v in claims.items() if v is not None}, typ=typ)


def give(broker: Broker, client_id: str = "billing", **changes: Any) -> None:
    """Let a client app have what its entry does not say, such as keys that a test has just made."""
    known = broker.services.clients.configured
    assert isinstance(known, dict)
    known[client_id] = replace(known[client_id], **changes)
