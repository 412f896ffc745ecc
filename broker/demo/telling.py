"""What the signed-in page tells: each claim, what it is, and where it came from.

Where a claim came from is told by the broker itself, in the claim `claim_sources` that the demo's
configuration releases with a scope of that name. What the protocol's own claims are for is said here.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from broker.demo.relying import Answer, Tokens
from broker.demo.web import pretty

SOURCES = "claim_sources"

PROTOCOL = {
    "iss": "who speaks: the broker, which is the only issuer this app knows",
    "sub": "who it is, for ever: made by the broker from provider and person, and not reversible",
    "aud": "whom it is for: this app's client_id",
    "exp": "until when it may be believed",
    "iat": "when the broker signed it",
    "auth_time": "when the person really signed in, as the provider stated it",
    "nonce": "this app's own random word, so that the answer is to its question",
    "acr": "how the person signed in, as the provider stated it",
    "amr": "by which means, as the provider stated it",
    "jti": "its own name, which no other token has",
    "at_hash": "ties the ID Token to its access token",
    "sid": "the broker's session; the other app has the same one",
}
_TIMES = {"exp", "iat", "auth_time"}
_LABELS = {"userinfo": "provider’s userinfo", "id_token": "provider’s ID Token", "map": "the claims map"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    claim: str
    value: str
    where: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that the page tells of one person's login."""

    name: str
    sourced: bool
    """Whether the broker told where the claims came from."""
    person: list[Row]
    protocol: list[Row]
    access_token: str | None
    """Its content, to look at: an app must not read it, it is the API's."""

    @classmethod
    def of(cls, tokens: Tokens, userinfo: Answer) -> Self:
        """The story of these tokens and this answer of userinfo."""
        said = userinfo.body if isinstance(userinfo.body, dict) else {}
        sources = said.get(SOURCES)
        sources = sources if isinstance(sources, dict) else {}
        return cls(
            name=str(said.get("name") or tokens.id_token_claims.get("name") or "Somebody"),
            sourced=bool(sources),
            person=[
                Row(claim, _shown(value), *_source(claim, sources))
                for claim, value in sorted(said.items(), key=lambda one: one[0] != "sub")
                if claim != SOURCES
            ],
            protocol=[
                Row(claim, _shown(value, time=claim in _TIMES), PROTOCOL.get(claim, "released with a scope"))
                for claim, value in tokens.id_token_claims.items()
                if claim != SOURCES
            ],
            access_token=_peek(tokens.access_token),
        )


def _source(claim: str, sources: Mapping[str, Any]) -> tuple[str, str]:
    """`userinfo: email` → where, and what it is called there."""
    document, _, path = str(sources.get(claim, "")).partition(": ")
    if document:
        return _LABELS.get(document, document), path
    if claim == "sub":
        return "the broker", "made from provider and person"
    return "not told", ""


def _shown(value: Any, *, time: bool = False) -> str:
    if time and isinstance(value, int):
        return f"{value} ({datetime.fromtimestamp(value, UTC):%H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _peek(token: str) -> str | None:
    if "." not in token:  # an opaque token has nothing to look at
        return None
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return f"{pretty(header)}\n.\n{pretty(claims)}"
