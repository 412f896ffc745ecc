"""AWS Cognito, as far as its documentation and what others recorded go: a user pool with its own domain.

Metadata and keys are at the issuer (127.0.0.1), all that people and clients use at the pool's domain
(localhost). Two keys, one for ID Tokens and one for access tokens; kids that hold `=`, `+` and `/`. S256
works and the metadata does not say so. A refresh token comes with every code, and none with a refresh. Its
switches, beside the common ones:

    no_domain                    the endpoints are at the issuer, and do not work
    no_pkce_in_metadata          False: the metadata says S256
    string_bools                 False: userinfo says JSON booleans
    no_refresh_token_on_refresh  False: a refresh gives the same refresh token again
    rotation_on                  a refresh gives a new refresh token, and the old one is gone
    federated_user               the name of the provider behind the pool that the person is from
    groups_absent                nobody is in a group
    access_token_as_id_token     the token endpoint puts the access token where the ID Token belongs
    other_client_aud             the ID Token is for another app client of the pool
    idp_timeout_invalid_request  True, or the text: the provider behind the pool did not answer
    logout_missing_params        what /logout says is missing whatever is sent
    classic_ui_ignores_prompt    the classic hosted UI: prompt means nothing
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from tests.fakes.forging import Key, compact, half_hash
from tests.fakes.provider import Code, FakeProvider, Refused, changed

POOL = "eu-west-1_EXAMPLE01"
CODE_LIFETIME = 300
TIMEOUT = "Timeout occurred in calling IdP token endpoint"


@dataclass
class FakeCognito(FakeProvider):
    """A user pool with one app client."""

    client_scopes: set[str] = field(default_factory=lambda: {"openid", "profile", "email", "phone"})
    sign_out_urls: set[str] = field(default_factory=set)
    issued: dict[str, float] = field(default_factory=dict)

    paths: ClassVar[dict[str, str]] = {
        "discovery": f"/{POOL}/.well-known/openid-configuration",
        "jwks": f"/{POOL}/.well-known/jwks.json",
        "authorize": "/oauth2/authorize",
        "token": "/oauth2/token",
        "userinfo": "/oauth2/userInfo",
        "end_session": "/logout",
    }

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator["FakeCognito"]:
        """The pool, listening."""
        async with super().running(**how) as idp:
            idp.keys = [idp.purse.key("1234+exa/mple="), idp.purse.key("5678+exa/mple=")]
            idp.person("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", **ANN)
            yield idp

    def issuer_name(self) -> str:
        return f"{self.origin}/{POOL}"

    def on(self, name: str, default: bool = False) -> Any:
        """What this switch says."""
        return self.switches.get(name, default)

    def url(self, endpoint: str) -> str:
        at_issuer = {
            "authorize": "authorize",
            "token": "token",
            "userinfo": "userInfo",
            "end_session": "logout",
        }
        if endpoint in ("discovery", "jwks"):
            return super().url(endpoint)
        if self.on("no_domain"):
            return f"{self.issuer}/{at_issuer[endpoint]}"
        return super().url(endpoint).replace("127.0.0.1", "localhost")

    def metadata(self) -> dict[str, Any]:
        said = {
            "authorization_endpoint": self.url("authorize"),
            "end_session_endpoint": self.url("end_session"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": self.issuer,
            "jwks_uri": self.url("jwks"),
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": self.url("token").replace("/token", "/revoke"),
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": self.url("token"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": self.url("userinfo"),
        }
        silent = self.on("no_pkce_in_metadata", True)
        return said if silent else said | {"code_challenge_methods_supported": ["S256"]}

    # ── /oauth2/authorize ─────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        if asked.get("response_type") not in {"code", "token"}:
            return {"error": "invalid_request"}
        if set(asked.get("scope", "").split()) - self.client_scopes:
            return {"error": "invalid_scope"}
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            return {"error": "invalid_request", "error_description": "code_challenge_method must be S256"}
        timeout = self.on("idp_timeout_invalid_request")
        if timeout:
            return {"error": "invalid_request", "error_description": TIMEOUT if timeout is True else timeout}
        if (
            asked.get("prompt") == "none"
            and self.session_since is None
            and not self.on("classic_ui_ignores_prompt")
        ):
            return {"error": "login_required"}
        return None

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        if self.on("classic_ui_ignores_prompt"):
            asked = {name: value for name, value in asked.items() if name != "prompt"}
        answer = super().callback_answer({name: value for name, value in asked.items() if name != "max_age"})
        del answer["iss"]  # Cognito does not speak RFC 9207
        if "code" in answer:
            self.issued[answer["code"]] = self.now()
        return answer

    # ── /oauth2/token ─────────────────────────────────────────────────────────────────────────

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        """Basic or post, as the caller likes; and `invalid_client` with 400."""
        self.auth_method = "client_secret_post" if "client_secret" in form else "client_secret_basic"
        try:
            super()._authenticate(request, form)
        except Refused as error:
            raise Refused(error.error) from error

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        return error.status, {"error": error.error}

    def gives_refresh(self, code: Code) -> bool:
        return True

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        if "code" in form and self.now() > self.issued[form["code"]] + CODE_LIFETIME:
            raise Refused("invalid_grant")
        answer = super().token_answer(code, form)
        if self.on("access_token_as_id_token"):
            answer["id_token"] = answer["access_token"]
        return answer

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        self.rotates = bool(self.on("rotation_on"))
        answer = super().refresh_answer(form)
        if not self.on("no_refresh_token_on_refresh", True) and not self.rotates:
            answer["refresh_token"] = form["refresh_token"]
        return answer

    def access_token_claims(self, code: Code) -> dict[str, Any]:
        now = int(self.now())
        return {
            "sub": code.person,
            **self._groups(code),
            "iss": self.issuer,
            "version": 2,
            "client_id": self.client_id,
            "origin_jti": "11111111-bbbb-cccc-dddd-eeeeeeeeeeee",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "token_use": "access",
            "scope": code.asked.get("scope", ""),
            "auth_time": code.auth_time,
            "exp": now + 3600,
            "iat": now,
            "jti": f"33333333-{len(self.access_tokens):04}",
            "username": self.people[code.person].get("cognito:username"),
        }

    def _access_token(self, code: Code) -> str:
        key = self.keys[-1]
        claims = changed(self.access_token_claims(code), self.switches.get("access_token") or {})
        return compact(key, {"kid": key.kid, "alg": key.alg}, claims)

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        now = int(self.now())
        return {
            "at_hash": half_hash(access_token, "RS256"),
            **{k: v for k, v in self.people[code.person].items() if k != "cognito:groups"},
            **self._groups(code),
            **self._identities(),
            "sub": code.person,
            "iss": self.issuer,
            "nonce": code.asked.get("nonce"),
            "origin_jti": "11111111-bbbb-cccc-dddd-eeeeeeeeeeee",
            "aud": "another-app-client" if self.on("other_client_aud") else self.client_id,
            "token_use": "id",
            "auth_time": code.auth_time,
            "exp": now + 3600,
            "iat": now,
            "jti": "22222222-bbbb-cccc-dddd-eeeeeeeeeeee",
        }

    def _groups(self, code: Code) -> dict[str, Any]:
        groups = self.people[code.person].get("cognito:groups")
        return {} if self.on("groups_absent") or groups is None else {"cognito:groups": groups}

    def _identities(self) -> dict[str, Any]:
        provider = self.on("federated_user")
        if not provider:
            return {}
        identity = {
            "userId": "1234",
            "providerName": provider,
            "providerType": "OIDC",
            "issuer": None,
            "primary": "true",
            "dateCreated": "1642699117273",
        }
        return {"identities": [identity], "cognito:username": f"{provider}_1234"}

    def header(self, key: Key) -> dict[str, Any]:
        return {"kid": key.kid, "alg": key.alg}

    # ── /oauth2/userInfo and /logout ──────────────────────────────────────────────────────────

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        said = {
            name: value for name, value in self.people[person].items() if not name.startswith("cognito:")
        } | {"sub": person, "username": self.people[person].get("cognito:username")}
        if self.on("string_bools", True):
            said |= {name: str(value).lower() for name, value in said.items() if isinstance(value, bool)}
        return said

    async def _userinfo(self, request: web.Request) -> web.StreamResponse:
        response = await super()._userinfo(request)
        if response.status == 401:
            text = "Access token is expired, disabled, or deleted, or the user has globally signed out."
            response.headers["WWW-Authenticate"] = f'error="invalid_token", error_description="{text}"'
        return response

    async def _end_session(self, request: web.Request) -> web.Response:
        asked = request.query
        back = asked.get("logout_uri") or (asked.get("redirect_uri") if "response_type" in asked else None)
        known = asked.get("client_id") == self.client_id and back in self.sign_out_urls
        if self.on("logout_missing_params") or not known:
            said = urlencode(
                {"error": "Required parameters missing", "client_id": asked.get("client_id", "")}
            )
            return web.Response(status=302, headers={"Location": f"/error?{said}"})
        self.session_since = None
        return web.Response(status=302, headers={"Location": back or ""})


ANN = {
    "cognito:username": "janedoe",
    "cognito:groups": ["admins", "readers"],
    "given_name": "Jane",
    "family_name": "Doe",
    "name": "Jane Doe",
    "email": "janedoe@example.com",
    "email_verified": True,
    "custom:tenant": "acme",
}


def basic(client_id: str, secret: str) -> str:
    """The header by which a client says who it is."""
    return f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"
