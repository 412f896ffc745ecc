"""GitLab as a fake: a short ID Token, the rest at userinfo, and refresh tokens that are good once.

``groups_direct`` is in the ID Token, ``groups`` (with those that come by an ancestor) only at userinfo. The
callback says no iss. The switches:

    groups_absent       neither document says groups
    groups_text         userinfo says one group as a text
    unconfirmed_email   the address was never confirmed
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.provider import Code, FakeProvider, changed

SIGNED = ("email", "email_verified", "groups_direct")
"""What of a person stands in the ID Token; the rest is for userinfo."""


class FakeGitLab(FakeProvider):
    """A GitLab, and one application there."""

    rotates = True
    pkce = False
    paths: ClassVar[Mapping[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "authorize": "/oauth/authorize",
        "token": "/oauth/token",
        "jwks": "/oauth/discovery/keys",
        "userinfo": "/oauth/userinfo",
    }

    def metadata(self) -> dict[str, Any]:
        """The members that matter."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "revocation_endpoint": f"{self.base}/oauth/revoke",
            "introspection_endpoint": f"{self.base}/oauth/introspect",
            "userinfo_endpoint": self.url("userinfo"),
            "jwks_uri": self.url("jwks"),
            "scopes_supported": ["api", "read_api", "read_user", "openid", "profile", "email"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "groups", "groups_direct"],
            "code_challenge_methods_supported": ["plain", "S256"],
        }

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """Without iss."""
        answer = super().callback_answer(asked)
        del answer["iss"]
        return answer

    def gives_refresh(self, code: Code) -> bool:
        """Always."""
        return True

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        """Little of the person."""
        claims = super().id_token_claims(code, access_token, value)
        person = self._person(code.person)
        hidden = dict.fromkeys((*self.people[code.person], "acr", "amr", "sid", "at_hash"))
        return changed(claims, hidden | {name: person.get(name) for name in SIGNED})

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        """Everything."""
        return {"sub": person, **self._person(person)}

    def _person(self, person: str) -> dict[str, Any]:
        said = dict(self.people[person])
        if self.switches.get("unconfirmed_email"):
            said["email_verified"] = False
        if self.switches.get("groups_absent"):
            said = {name: value for name, value in said.items() if not name.startswith("groups")}
        if self.switches.get("groups_text"):
            said["groups"] = ", ".join(said.get("groups", []))
        return said
