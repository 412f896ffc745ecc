"""Keycloak 26, and what was otherwise in 24 and before, as far as its documentation and source go: one realm.

The callback says `iss` and `session_state`; payloads say their `typ`; a key for encryption lies beside those
that sign; roles are in the access token, whose audience is `account`; a refreshed ID Token has no nonce. Its
switches, beside the common ones:

    host_dependent_issuer     the host that it is asked by, when no host name is fixed: the issuer follows
    no_enc_key_in_jwks        only keys that sign are published
    roles_in_id_token         a mapper puts the roles into the ID Token too
    lightweight_token         the access token has no roles, no name, and no subject
    no_sub_in_access_token    a realm whose scope `basic` is its own
    session_state_legacy      before 24: the tokens say session_state
    nonce_on_refresh          before 24: a refreshed ID Token repeats the nonce
    iss_param                 "off" or a wrong value: what the callback says as iss
    userinfo_jwt              the userinfo answer is signed
    authentication_expired    the person took too long
    session_not_active        the session of a refresh token has ended
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.fakes.forging import Key, compact
from tests.fakes.provider import Code, FakeProvider, Refused

ANN = "b4cb9d3a-0000-4000-8000-000000000002"
SESSION = "3b1b0d36-0000-4000-8000-000000000001"
_OIDC = "/protocol/openid-connect"


@dataclass
class FakeKeycloak(FakeProvider):
    """The realm `acme` with one client."""

    path: str = "/realms/acme"

    paths: ClassVar[dict[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "jwks": f"{_OIDC}/certs",
        "authorize": f"{_OIDC}/auth",
        "token": f"{_OIDC}/token",
        "userinfo": f"{_OIDC}/userinfo",
        "end_session": f"{_OIDC}/logout",
    }

    def on(self, name: str) -> Any:
        """What this switch says."""
        return self.switches.get(name)

    def metadata(self) -> dict[str, Any]:
        return super().metadata() | {
            "issuer": self._issuer(),
            "token_endpoint_auth_methods_supported": [
                "private_key_jwt",
                "client_secret_basic",
                "client_secret_post",
                "tls_client_auth",
                "client_secret_jwt",
            ],
            "prompt_values_supported": ["none", "login", "consent"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "backchannel_logout_supported": True,
        }

    def published_keys(self) -> list[Any]:
        keys = super().published_keys()
        if self.on("no_enc_key_in_jwks"):
            return keys
        wrapping = self.purse.key("enc-kid", "RS256").jwk() | {"use": "enc", "alg": "RSA-OAEP"}
        return [wrapping, *keys]

    # ── auth ──────────────────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        if self.on("authentication_expired"):
            return {"error": "temporarily_unavailable", "error_description": "authentication_expired"}
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        answer = super().callback_answer(asked) | {"session_state": SESSION, "iss": self._issuer()}
        told = self.on("iss_param")
        if told is not None:
            del answer["iss"]
        return answer if told in (None, "off") else answer | {"iss": told}

    # ── Tokens ────────────────────────────────────────────────────────────────────────────────

    def gives_refresh(self, code: Code) -> bool:
        return True  # it ends with the session, unless offline_access was asked for

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        if self.on("session_not_active"):
            raise Refused("invalid_grant", error_description="Session not active")
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if code is None:
            raise Refused("invalid_grant", error_description="Token is not active")
        return self.token_answer(code, form)

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        return super().token_answer(code, form) | {
            "session_state": SESSION,
            "not-before-policy": 0,
            "refresh_expires_in": 1800,
            "scope": code.asked["scope"],
        }

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        status, body = super().refusal(error)
        if error.error == "invalid_client":
            return 401, {"error": "unauthorized_client", "error_description": "Invalid client credentials"}
        return status, {"error_description": "Code not valid", **body}

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        claims = super().id_token_claims(code, access_token, value)
        refreshed = value == ""
        return {
            **claims,
            "iss": self._issuer(),
            "azp": self.client_id,
            "typ": "ID",
            "jti": "8a6c2d2e-0000-4000-8000-000000000003",
            "amr": None,
            "acr": code.asked.get("acr_values", "1").split()[0],
            "sid": SESSION,
            "session_state": SESSION if self.on("session_state_legacy") else None,
            "nonce": None if refreshed and not self.on("nonce_on_refresh") else claims["nonce"],
            **(self._roles() if self.on("roles_in_id_token") else {}),
        }

    def access_token_claims(self, code: Code) -> dict[str, Any]:
        claims = super().access_token_claims(code) | {"iss": self._issuer(), "sid": SESSION}
        del claims["realm_access"]
        if self.on("lightweight_token"):
            return claims | {"sub": None, "aud": None}
        without = {"sub": None} if self.on("no_sub_in_access_token") else {}
        return claims | self._roles() | without

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        said = super().userinfo_claims(person)
        return {
            name: value for name, value in said.items() if name not in ("realm_access", "resource_access")
        }

    def _roles(self) -> dict[str, Any]:
        return {
            "realm_access": {"roles": ["staff"]},
            "resource_access": {
                self.client_id: {"roles": ["editor"]},
                "account": {"roles": ["view-profile"]},
            },
        }

    async def _userinfo(self, request: web.Request) -> web.Response:
        response = await super()._userinfo(request)
        if not self.on("userinfo_jwt") or response.status != 200:
            return response
        key: Key = self.keys[0]
        claims = self.userinfo_claims(self.access_tokens[request.headers["Authorization"][7:]])
        token = compact(
            key,
            {"alg": key.alg, "kid": key.kid, "typ": "JWT"},
            {**claims, "iss": self._issuer(), "aud": self.client_id},
        )
        return web.Response(text=token, content_type="application/jwt")

    async def _end_session(self, request: web.Request) -> web.Response:
        if not {"id_token_hint", "client_id"} & request.query.keys():
            return web.Response(text="Do you want to log out?")
        return await super()._end_session(request)

    def _issuer(self) -> str:
        host = self.on("host_dependent_issuer")
        return self.issuer if host is None else f"http://{host}{self.path}"
