"""Entrust Identity as a Service as a fake: one account, one application, set up as its switches say.

Nobody has published a metadata document of Entrust's, so its shape here is the one that its SDK reads.
``expires_in`` is text. A refresh token needs the consent page. The switches:

    id_token_object          the application signs no ID Tokens: the claims come as an object
    userinfo_jwt             userinfo is a signed JWT       userinfo_jwt_bad_sig   signed by somebody else
    post_only, basic_only    how the application authenticates; without either both are good
    sub_is_email             the Subject ID Attribute is the address
    no_auth_time             Include Authentication Time is off
    acr_not_supported        a way of signing in that the metadata does not list
    offline_without_consent  a refresh token comes without the consent page, which Entrust does not do
    expires_in_string        False: expires_in is a number
    id_token_hint_ignored    False: an id_token_hint is an error, which Entrust does not do
    legacy_path              the endpoints of older accounts, under /api/oidc/OIDC
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from tests.fakes.forging import Key, compact
from tests.fakes.provider import Code, FakeProvider, Refused, changed

SHAPE = Path(__file__).parent.parent / "data" / "providers" / "entrust"
TOKEN_SYNC = "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken"
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


class FakeEntrust(FakeProvider):
    """One application of an account."""

    path = "/api/oidc"
    hosts = ("acme.us.trustedauth.com",)
    paths: ClassVar[Mapping[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "authorize": "/authorize",
        "token": "/token",
        "jwks": "/jwks",
        "userinfo": "/userinfo",
        "end_session": "/endsession",
    }

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        """The paths of older accounts."""
        router.add_get(f"{base}/OIDC/authorize", self._authorize)
        router.add_post(f"{base}/OIDC/token", self._token)

    def metadata(self) -> dict[str, Any]:
        """With the members that the vendor's SDK reads."""
        text = (SHAPE / "openid-configuration.synthetic.json").read_text(encoding="utf-8")
        document = json.loads(text.replace("example-tenant.us.trustedauth.com", self.hosts[0]))
        if self.switches.get("legacy_path"):
            document["authorization_endpoint"] = f"{self.base}/OIDC/authorize"
            document["token_endpoint"] = f"{self.base}/OIDC/token"
        return document

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        """A hint of an ID Token is nothing to it."""
        if "id_token_hint" in asked and self.switches.get("id_token_hint_ignored") is False:
            return {"error": "invalid_request"}
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """Without iss."""
        answer = super().callback_answer(asked)
        del answer["iss"]
        return answer

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        by_header = "Authorization" in request.headers
        wanted = (
            "post" if self.switches.get("post_only") else "basic" if self.switches.get("basic_only") else ""
        )
        if wanted and by_header is (wanted == "post"):
            raise Refused("invalid_client", 401)
        self.auth_method = "client_secret_basic" if by_header else "client_secret_post"
        super()._authenticate(request, form)

    def gives_refresh(self, code: Code) -> bool:
        """Only after the consent page."""
        consent = "consent" in code.asked.get("prompt", "").split()
        return super().gives_refresh(code) and bool(consent or self.switches.get("offline_without_consent"))

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        """With ``expires_in`` as text."""
        answer = super().token_answer(code, form)
        if self.switches.get("expires_in_string") is not False:
            answer["expires_in"] = str(answer["expires_in"])
        if self.switches.get("id_token_object"):
            answer["id_token"] = self.id_token_claims(code, answer["access_token"], form.get("code", ""))
        return answer

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        """Five minutes, with nbf and azp."""
        claims = super().id_token_claims(code, access_token, value)
        acr = code.asked.get("acr_values", TOKEN_SYNC).split()[0]
        special = {
            "nbf": claims["iat"],
            "azp": self.client_id,
            "jti": access_token[-8:],
            "acr": "urn:example:unlisted" if self.switches.get("acr_not_supported") else acr,
            "amr": ["pwd", "otp"],
            "sub": self._sub(code.person),
            "sid": None,
            "at_hash": None,
        }
        return changed(claims, special | ({"auth_time": None} if self.switches.get("no_auth_time") else {}))

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        """Of the same subject."""
        return super().userinfo_claims(person) | {"sub": self._sub(person)}

    def _sub(self, person: str) -> str:
        return f"{person}@example.com" if self.switches.get("sub_is_email") else person

    async def _userinfo(self, request: web.Request) -> web.Response:
        response = await super()._userinfo(request)
        forged = self.switches.get("userinfo_jwt_bad_sig")
        if response.status != 200 or not (forged or self.switches.get("userinfo_jwt")):
            return response
        key = self.keys[0]
        claims = json.loads(response.text or "") | {"iss": self.issuer, "aud": self.client_id}
        signer = Key(key.kid, key.alg) if forged else key
        return web.Response(
            text=compact(signer, {"alg": key.alg, "kid": key.kid}, claims), content_type="application/jwt"
        )
