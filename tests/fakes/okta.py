"""Okta, as far as its documentation and what others recorded go: an org and a custom authorization server.

`FakeOkta` is a custom authorization server; `FakeOktaOrg` the org's own, whose access tokens nobody but Okta
reads. A person is `00u…`; of a custom one the access token says the login instead. Refresh tokens are static:
a refresh gives none. Its switches, beside the common ones:

    thin_id_token                the ID Token has no profile and no groups
    groups_over_100              the groups claim matched too many groups
    unassigned_user              the person is not assigned to the app
    no_access_policy             a custom authorization server without an access policy
    unmet_acr                    the acr_values that were asked for cannot be reached
    errorCode_429                the token endpoint answers in the words of Okta's own API
    userinfo_403_header_only     the access token lacks a scope, told in a header only
    dynamic_issuer_host          the host that the issuer follows: a custom domain
    login_renamed                the login that the person has now
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.fakes.provider import Code, FakeProvider, Refused

HOST = "acme.okta.com"
ANN = "00u15ozp26ACQTGHJEBH"
PROFILE = {
    "name": "Ann Example",
    "email": "ann@acme.example",
    "email_verified": True,
    "preferred_username": "ann@acme.example",
    "zoneinfo": "Europe/Berlin",
    "locale": "en-US",
    "updated_at": 1446153401,
    "groups": ["Everyone", "IT"],
}
LEVELS = ("urn:okta:loa:1fa:any", "urn:okta:loa:1fa:pwd", "urn:okta:loa:2fa:any")
_ONE_WAY = "Cannot supply multiple client credentials. Use one of the following"


@dataclass
class FakeOkta(FakeProvider):
    """The custom authorization server called `default`."""

    hosts: tuple[str, ...] = (HOST,)
    path: str = "/oauth2/default"

    paths: ClassVar[dict[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "jwks": "/v1/keys",
        "authorize": "/v1/authorize",
        "token": "/v1/token",
        "userinfo": "/v1/userinfo",
        "end_session": "/v1/logout",
    }

    def on(self, name: str) -> Any:
        """What this switch says."""
        return self.switches.get(name)

    def metadata(self) -> dict[str, Any]:
        said = super().metadata() | {
            "issuer": self._issuer(),
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "client_secret_jwt",
                "private_key_jwt",
                "none",
            ],
            "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
        }
        del said["authorization_response_iss_parameter_supported"]
        return said

    def assertion_audiences(self) -> set[str]:
        return {self.url("token")}

    # ── /v1/authorize ─────────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        told = {
            "unassigned_user": ("access_denied", "User is not assigned to the client application."),
            "no_access_policy": ("access_denied", "Policy evaluation failed for this request."),
            "groups_over_100": ("server_error", "The groups claim matched too many groups"),
        }
        for switch, (error, description) in told.items():
            if self.on(switch):
                return {"error": error, "error_description": description}
        if self.on("unmet_acr") and "acr_values" in asked:
            return {"error": "unmet_authentication_requirements"}
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        answer = super().callback_answer(asked)
        del answer["iss"]
        return answer

    # ── Tokens ────────────────────────────────────────────────────────────────────────────────

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        if error.error == "invalid_request":
            return 400, {"error": "invalid_request", "error_description": _ONE_WAY}
        return super().refusal(error)

    async def _end_session(self, request: web.Request) -> web.Response:
        if "id_token_hint" not in request.query:
            return web.Response(status=400, text="The 'id_token_hint' parameter is required.")
        return await super()._end_session(request)

    async def _token(self, request: web.Request) -> web.Response:
        if self.on("errorCode_429"):
            summary = "API call exceeded rate limit due to too many requests."
            return web.json_response({"errorCode": "E0000047", "errorSummary": summary}, status=429)
        return await super()._token(request)

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        claims = super().id_token_claims(code, access_token, value)
        thin = dict.fromkeys(self.people[code.person]) if self.on("thin_id_token") else {}
        level = code.asked.get("acr_values", "").split()
        return {
            **claims,
            **thin,
            "iss": self._issuer(),
            "ver": 1,
            "jti": "ID.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "idp": "00o1pcla3rQwWqDcQ5d7",
            "amr": ["pwd", "mfa"],
            "acr": next((one for one in level if one in LEVELS), None),
            "sid": None,
        }

    def access_token_claims(self, code: Code) -> dict[str, Any]:
        claims = super().access_token_claims(code)
        login = self.on("login_renamed") or self.people[code.person].get("preferred_username")
        return {
            "ver": 1,
            "iss": self._issuer(),
            "aud": "api://default",
            "sub": login,
            "uid": code.person,
            "cid": self.client_id,
            **{name: claims[name] for name in ("iat", "exp", "jti")},
        }

    async def _userinfo(self, request: web.Request) -> web.Response:
        if self.on("userinfo_403_header_only"):
            told = 'Bearer error="insufficient_scope", error_description="needs profile, email or phone"'
            return web.json_response({}, status=403, headers={"WWW-Authenticate": told})
        return await super()._userinfo(request)

    def _issuer(self) -> str:
        return self.issuer.replace(HOST, self.on("dynamic_issuer_host") or HOST)


@dataclass
class FakeOktaOrg(FakeOkta):
    """The org's own authorization server."""

    path: str = ""

    paths: ClassVar[dict[str, str]] = {
        name: path if name == "discovery" else f"/oauth2{path}" for name, path in FakeOkta.paths.items()
    }

    def _access_token(self, _code: Code) -> str:
        return f"nobody-else-reads-it-{len(self.access_tokens)}"
