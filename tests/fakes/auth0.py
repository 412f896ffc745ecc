"""Auth0, as far as its documentation and what others recorded go: one tenant under its own name.

The issuer ends in a slash; a person is `strategy|id`; `updated_at` is ISO 8601; access tokens are opaque;
when somebody signed in is told only where it was asked for. Roles are under a URL. Its switches, beside the
common ones:

    issuer_without_slash         the metadata and the tokens say the issuer without its slash
    hs256_id_token               ID Tokens by HMAC with the client secret, as an application may be set
    no_end_session_in_metadata   an older tenant: the metadata does not tell of /oidc/logout
    org_mismatch                 the tokens name another organization than the one asked for
    org_missing                  the tokens name no organization at all
    userinfo_429                 the userinfo endpoint says that this was too often
    prompt_none                  login_required, consent_required, …: what a login without a page ends in
    auth_time_missing_on_max_age it does not say when somebody signed in, even where it was asked for
    action_denied                what an Action says when it refuses somebody
    unauthorized                 what a rule, the Actions' predecessor, says when it refuses somebody
    next_key_in_jwks             the key that comes next is published already
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.fakes.forging import compact
from tests.fakes.provider import Code, FakeProvider, Refused

HOST = "acme.eu.auth0.com"
ANN = "auth0|602c0dcab993d10073daf680"
ROLES = "https://acme.example/roles"
_LIMITS = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "Retry-After": "3"}


@dataclass
class FakeAuth0(FakeProvider):
    """A tenant with one application."""

    hosts: tuple[str, ...] = (HOST,)
    path: str = "/"
    organizations: dict[str, str] = field(default_factory=lambda: {"acme": "org_9ybsU1dN2dKfDkBi"})
    """The organizations that people are in: name → id."""
    connections: tuple[str, ...] = ("Username-Password-Authentication", "google-oauth2")

    paths: ClassVar[dict[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "jwks": "/.well-known/jwks.json",
        "authorize": "/authorize",
        "token": "/oauth/token",
        "userinfo": "/userinfo",
        "end_session": "/oidc/logout",
    }

    def on(self, name: str) -> Any:
        """What this switch says."""
        return self.switches.get(name)

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        router.add_get(f"{base}/v2/logout", self._v2_logout, name="v2_logout")

    def metadata(self) -> dict[str, Any]:
        said = super().metadata() | {
            "issuer": self._issuer(),
            "mfa_challenge_endpoint": f"{self.base}/mfa/challenge",
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "code_challenge_methods_supported": ["S256", "plain"],
            "response_modes_supported": ["query", "fragment", "form_post"],
        }
        del said["authorization_response_iss_parameter_supported"]
        if self.on("no_end_session_in_metadata"):
            del said["end_session_endpoint"]
        return said

    def published_keys(self) -> list[Any]:
        keys = super().published_keys()
        return [*keys, self.purse.key("next", self.alg).jwk()] if self.on("next_key_in_jwks") else keys

    # ── /authorize ────────────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        if self.on("prompt_none"):
            return {"error": self.on("prompt_none"), "error_description": "Login required"}
        if asked.get("connection", self.connections[0]) not in self.connections:
            return _wrong("the connection was disabled")
        if not self._knows(asked.get("organization")):
            return _wrong("parameter organization is invalid")
        if self.on("action_denied"):
            return {"error": "access_denied", "error_description": self.on("action_denied")}
        if self.on("unauthorized"):
            return {"error": "unauthorized", "error_description": self.on("unauthorized")}
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        answer = super().callback_answer(asked)
        del answer["iss"]
        return answer

    def _knows(self, organization: str | None) -> bool:
        if organization is None:
            return True
        return organization in self.organizations.values() or organization.lower() in self.organizations

    # ── Tokens ────────────────────────────────────────────────────────────────────────────────

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        if error.error == "invalid_client":
            return 401, {"error": "access_denied", "error_description": "Unauthorized"}
        status, body = super().refusal(error)
        return (403, body) if error.error == "invalid_grant" else (status, body)

    def _access_token(self, _code: Code) -> str:
        return f"opaque-{len(self.access_tokens)}"

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        claims = super().id_token_claims(code, access_token, value)
        asked = code.asked.get("prompt") == "login" or "max_age" in code.asked
        told = asked and not self.on("auth_time_missing_on_max_age")
        return {
            **claims,
            **self._organization(code.asked.get("organization")),
            "iss": self._issuer(),
            "auth_time": claims["auth_time"] if told else None,
            "acr": None,
            "amr": None,
        }

    def _organization(self, asked: str | None) -> dict[str, str]:
        if asked is None or self.on("org_missing"):
            return {}
        if self.on("org_mismatch"):
            return {"org_id": "org_other", "org_name": "other"}
        name = next(
            name for name, number in self.organizations.items() if asked == number or asked.lower() == name
        )
        return {"org_id": self.organizations[name], "org_name": name}

    def signed(self, claims: dict[str, Any]) -> str:
        if self.on("hs256_id_token"):
            return compact(
                self.keys[0], {"alg": "HS256", "typ": "JWT"}, claims, secret=self.client_secret.encode()
            )
        return super().signed(claims)

    async def _userinfo(self, request: web.Request) -> web.Response:
        if self.on("userinfo_429"):
            body = {"error": "too_many_requests", "error_description": "Global limit has been reached"}
            return web.json_response(body, status=429, headers=_LIMITS)
        return await super()._userinfo(request)

    # ── Logout ────────────────────────────────────────────────────────────────────────────────

    async def _end_session(self, request: web.Request) -> web.Response:
        if not {"id_token_hint", "logout_hint"} & request.query.keys():
            return web.Response(text="Do you want to sign out?")
        return await super()._end_session(request)

    async def _v2_logout(self, request: web.Request) -> web.Response:
        self.session_since = None
        back = request.query.get("returnTo")
        return web.Response(status=302, headers={"Location": back}) if back else web.Response(text="OK")

    def _issuer(self) -> str:
        return self.issuer.removesuffix("/") if self.on("issuer_without_slash") else self.issuer


def _wrong(description: str) -> dict[str, str]:
    return {"error": "invalid_request", "error_description": description}
