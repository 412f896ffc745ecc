"""Google as a fake, under Google's own names: four hosts, one issuer.

A refresh token comes only with ``access_type=offline``, and after the first time only with a consent page; a
refresh gives no new one. There is no scope offline_access, no logout, and ``auth_time`` only where max_age
asks for it. The callback has more in it than a code. The switches:

    hd            what the ID Token says of the organization: a text, or "missing"
    iss_present   the callback says iss, as some do
    old_iss       the issuer is said without https://
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.fakes.forging import half_hash
from tests.fakes.provider import Code, FakeProvider, changed

RECORDED = Path(__file__).parent.parent / "data" / "providers" / "google" / "openid-configuration.json"
ANN = {
    "name": "Ann Example",
    "given_name": "Ann",
    "family_name": "Example",
    "picture": "https://lh3.googleusercontent.com/a/ann",
    "email": "ann@acme.example",
    "email_verified": True,
    "hd": "acme.example",
}


class FakeGoogle(FakeProvider):
    """Google, and one OAuth client of a project there."""

    hosts = (
        "accounts.google.com",
        "oauth2.googleapis.com",
        "www.googleapis.com",
        "openidconnect.googleapis.com",
    )
    pkce = False
    paths: ClassVar[Mapping[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "authorize": "/o/oauth2/v2/auth",
        "token": "/token",
        "jwks": "/oauth2/v3/certs",
        "userinfo": "/v1/userinfo",
    }

    def metadata(self) -> dict[str, Any]:
        """As recorded."""
        return json.loads(RECORDED.read_text(encoding="utf-8"))

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        """It knows openid, email and profile."""
        unknown = set(asked.get("scope", "").split()) - {"openid", "email", "profile"}
        return {"error": "invalid_scope"} if unknown else super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """With what Google adds."""
        answer = super().callback_answer(asked)
        if not self.switches.get("iss_present"):
            del answer["iss"]
        return answer | {"scope": asked.get("scope", ""), "authuser": "0", "prompt": "none"}

    def gives_refresh(self, code: Code) -> bool:
        """Once, or with a consent page each time."""
        granted = code.person in {known.person for known in self.refresh_tokens.values()}
        consent = "consent" in code.asked.get("prompt", "").split()
        return code.asked.get("access_type") == "offline" and (consent or not granted)

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        """Google's few."""
        now = int(self.time)
        claims = {
            **self.people[code.person],
            "iss": "accounts.google.com" if self.switches.get("old_iss") else self.issuer,
            "azp": self.client_id,
            "aud": self.client_id,
            "sub": code.person,
            "nonce": code.asked.get("nonce"),
            "at_hash": half_hash(access_token, self.keys[0].alg),
            "iat": now,
            "exp": now + 3600,
            "auth_time": code.auth_time if "max_age" in code.asked else None,
        }
        hd = self.switches.get("hd")
        return changed(claims, {} if hd is None else {"hd": None if hd == "missing" else hd})
