"""A connector on its own: the contract's tools, made of what a provider recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from broker.connector import Answer, Here, Login, SignedClaims, Tools, UpstreamIdentity
from broker.upstreams.keeping import Nowhere

PROVIDERS = Path(__file__).parent.parent / "data" / "providers"
LOGIN = Login(
    redirect_uri="https://broker.example/callback/up",
    state="state",
    nonce="n-0S6_WzA2Mj",
    code_verifier="v" * 43,
)


def recorded(name: str) -> dict[str, Any]:
    """One of the recorded files."""
    return json.loads((PROVIDERS / name).read_text(encoding="utf-8"))


class Desk:
    """The tools, and what was done with them. It believes every token; that is tested elsewhere."""

    def __init__(self, claims: Mapping[str, Any], documents: Mapping[str, Any]) -> None:
        self.claims, self.documents = claims, documents
        self.posted: list[dict[str, Any]] = []
        self.got: list[str] = []
        self.expected: Any = None
        self.assertions: list[dict[str, str]] = []

    @property
    def tools(self) -> Tools:
        here = Here(
            connector="up",
            issuer="https://broker.example",
            redirect_uri=LOGIN.redirect_uri,
            login_uri="https://broker.example/login/up",
            metadata_uri="https://broker.example/connectors/up/metadata",
        )
        rooms = Nowhere()
        return Tools(
            http=self,
            verify=self,
            client_assertion=self.asserted,
            now=lambda: 1_700_000_100,
            fresh=lambda: "fresh",
            here=here,
            once=rooms,
            people=rooms,
            hand_offs=rooms,
        )

    async def document(self, url):
        return self.documents[url]

    async def newer_document(self, url):
        return self.documents[url]

    async def get(self, url, *, bearer=None, accept="application/json"):
        self.got.append(url)
        return Answer(
            200, "application/json", json.dumps({"sub": self.claims["sub"], "more": "told"}).encode()
        )

    async def post(self, url, form, *, basic=None, bearer=None):
        self.posted.append({"url": url, "form": dict(form), "basic": basic})
        body = {"access_token": "a.b.c", "token_type": "Bearer", "id_token": "x.y.z"}
        return Answer(200, "application/json", json.dumps(body).encode())

    async def __call__(self, token, *, jwks_uri, expected):
        self.expected = expected
        return SignedClaims(self.claims)

    async def signed(self, token, *, jwks_uri, algorithms):
        return recorded("keycloak/access_token.claims.json")

    def asserted(self, *, client_id, audience, **more):
        self.assertions.append({"client_id": client_id, "audience": audience})
        return "assertion"


async def finish(connector: Any, **answer: str) -> UpstreamIdentity:
    """A login to its end."""
    departure = await connector.begin(LOGIN)
    return await connector.finish(LOGIN, {"code": "c", **answer}, departure.memory)
