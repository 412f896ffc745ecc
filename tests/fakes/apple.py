"""Sign in with Apple as a fake, under Apple's own name.

The client secret is a JWT (ES256) of the team, by form only, for half a year at most. Whoever asks for a name
or an address is answered by form, or not at all. The form has ``user`` at the first login of a person, and
never again. Booleans are text. There is no userinfo and no iss on the callback. The switches:

    booleans        "json": true and false; or a dict of claims to say instead
    user            the text of ``user`` in the form, at each login
    no_email        the person hides everything
    cancelled       the person leaves the page by its button
    lost_form       the first login of a person is not their first: the name was told before
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from tests.fakes.forging import Key
from tests.fakes.provider import Code, FakeProvider, Refused, changed

HALF_A_YEAR = 15777000
TEAM, KEY_ID, SERVICE = "TEAM123456", "KEY1234567", "com.acme.login"
ANN = {
    "email": "7qjq5example@privaterelay.appleid.com",
    "email_verified": True,
    "is_private_email": True,
}


class FakeApple(FakeProvider):
    """Apple, and one Services ID there."""

    hosts = ("appleid.apple.com",)
    client_id = SERVICE
    pkce = False
    paths: ClassVar[Mapping[str, str]] = {
        "discovery": "/.well-known/openid-configuration",
        "authorize": "/auth/authorize",
        "token": "/auth/token",
        "jwks": "/auth/keys",
    }
    team_key = Key(KEY_ID, "ES256")
    """The key that the team made at Apple."""

    def metadata(self) -> dict[str, Any]:
        """As documented."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "revocation_endpoint": f"{self.base}/auth/revoke",
            "jwks_uri": self.url("jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "name"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "is_private_email", "iss"],
        }

    async def _authorize(self, request: web.Request) -> web.Response:
        wanted = set(request.query.get("scope", "").split()) & {"name", "email"}
        if wanted and request.query.get("response_mode") != "form_post":
            return web.Response(
                status=400, text="response_mode must be form_post when name or email is asked"
            )
        return await super()._authorize(request)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """With the name, once."""
        if self.switches.get("cancelled"):
            return {"error": "user_cancelled_authorize", "state": asked.get("state", "")}
        first = self.current not in {code.person for code in self.codes.values()}
        answer = super().callback_answer(asked)
        del answer["iss"]
        if "user" in self.switches:
            return answer | {"user": self.switches["user"]}
        if first and not self.switches.get("lost_form") and "name" in asked.get("scope", "").split():
            name = {"firstName": "Ann", "lastName": "Example"}
            answer["user"] = json.dumps({"name": name, "email": ANN["email"]})
        return answer

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        if "Authorization" in request.headers or "client_assertion" in form:
            raise Refused("invalid_client")
        try:
            token = jws.deserialize_compact(
                form.get("client_secret", ""), import_key(self.team_key.jwk()), algorithms=["ES256"]
            )
            claims, header = json.loads(token.payload), token.protected
        except (JoseError, ValueError):
            raise Refused("invalid_client") from None
        now = self.now()
        good = (
            form.get("client_id") == claims.get("sub") == self.client_id
            and claims.get("iss") == TEAM
            and claims.get("aud") == self.issuer
            and header.get("kid") == KEY_ID
            and now < claims.get("exp", 0) <= now + HALF_A_YEAR
        )
        if not good:
            raise Refused("invalid_client")

    def gives_refresh(self, code: Code) -> bool:
        """Always."""
        return True

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """An ID Token without the nonce of the login."""
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if code is not None:
            code.asked.pop("nonce", None)
        return super().refresh_answer(form)

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        """With booleans as text."""
        claims = super().id_token_claims(code, access_token, value)
        person = {} if self.switches.get("no_email") else dict(ANN)
        booleans = self.switches.get("booleans")
        if booleans != "json":
            person = {name: str(said).lower() if said is True else said for name, said in person.items()}
        hidden = dict.fromkeys((*self.people[code.person], "acr", "amr", "sid"))
        said = hidden | person | {"nonce_supported": True}
        return changed(claims, said | (booleans if isinstance(booleans, dict) else {}))
