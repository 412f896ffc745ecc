"""A client app that has a key, and proves it (RFC 9449)."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import aiohttp

from broker.jose import SigningKey
from broker.protocol.dpop import ath
from tests.flow.broker import SECRET, Broker


def b64(data: bytes | str) -> str:
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def bare(key: SigningKey) -> dict[str, str]:
    """The public half, and nothing about it."""
    return {
        name: value for name, value in key.public_jwk().items() if name in {"kty", "crv", "x", "y", "n", "e"}
    }


class Prover:
    """Whoever has this key."""

    def __init__(self, broker: Broker, alg: str = "ES256") -> None:
        self.broker, self.key, self.nonce = broker, SigningKey.generate(alg), None

    @property
    def jkt(self) -> str:
        return self.key.kid

    def proof(
        self, path: str = "/token", method: str = "POST", *, token: str | None = None, **changes: Any
    ) -> str:
        """A good proof for one request; ``header`` and the claims may be changed, None leaves one out."""
        header = {"typ": "dpop+jwt", "alg": self.key.alg, "jwk": bare(self.key)} | changes.pop("header", {})
        claims = {
            "jti": secrets.token_hex(12),
            "htm": method,
            "htu": self.broker.issuer + path,
            "iat": int(self.broker.clock()),
            "nonce": self.nonce,
            "ath": ath(token) if token is not None else None,
        } | changes
        said = [json.dumps({n: v for n, v in part.items() if v is not None}) for part in (header, claims)]
        message = ".".join(b64(part) for part in said)
        return f"{message}.{b64(self.key.signature(message.encode(), self.key.alg))}"


async def send(
    broker: Broker,
    path: str,
    form: dict[str, str] | None = None,
    *,
    client: str | None = "billing",
    proof: str | list[str] | None = None,
    token: str | None = None,
    scheme: str = "DPoP",
    method: str = "POST",
) -> tuple[int, dict[str, Any], Any]:
    """One request of a client app itself, with a proof beside it or without."""
    headers: list[tuple[str, str]] = []
    if token is not None:
        headers.append(("Authorization", f"{scheme} {token}"))
    elif client is not None:
        headers.append(("Authorization", aiohttp.encode_basic_auth(client, SECRET)))
    headers += [("DPoP", one) for one in ([proof] if isinstance(proof, str) else proof or [])]
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, broker.issuer + path, data=form, headers=headers) as answer,
    ):
        body = await answer.read()
        return answer.status, json.loads(body) if body else {}, answer.headers
