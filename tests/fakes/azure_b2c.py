"""Azure AD B2C, as far as its documentation and what others recorded go: a tenant with policies.

Each policy has metadata, endpoints and keys below its own path, and a code is good at its own policy only. No
userinfo; an access token only where the client id or an API is among the scopes, at both endpoints. Its
switches, beside the common ones:

    guid_issuer           the issuer without the policy, as it is left alone; False is tfp_issuer
    tfp_issuer            the issuer with the policy
    name_issuer           the issuer with the tenant's name, as seen at custom domains
    policy_in_query       the endpoints have the policy as ?p=
    no_access_token       None even where one is asked for
    empty_auth_methods    the metadata lists no way to prove who the client is
    AADB2C90118           the person pressed "forgot password" at the sign-in policy; "once", "twice" or True
    AADB2C90091           the person pressed "cancel"; "reset": only at another policy than the first
    b2c_error             (error, number) on the callback    b2c_token_error    the same at the token endpoint
    wrong_policy          the token is of another policy; True, or its name
    policy_in_acr         an old policy: acr instead of tfp
    emails_array_empty    no address                         no_subject   "Not supported currently. …"
    string_expires_in     seconds as text
    refresh_wrong_policy  the refresh token is another policy's
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.forging import Key
from tests.fakes.provider import Code, FakeProvider, Refused

NAME = "fabrikamb2c"
TENANT = "775527ff-9a37-4307-8b3d-cc311f58d925"
POLICY, RESET = "B2C_1_susi", "B2C_1_reset"
JANE = "884408e1-2918-4c00-b12d-3aa027d7563b"
CODE_LIFETIME = 600
NUMBERS = {"invalid_grant": "90080", "invalid_client": "90081", "invalid_request": "90006"}
TRACE = "\r\nCorrelation ID: aaaa0000-bb11-2222-33cc-444444dddddd\r\nTimestamp: 2024-01-01 00:00:00Z\r\n"


@dataclass
class FakeB2C(FakeProvider):
    """A tenant with a policy to sign in and one for a forgotten password."""

    auth_method: str = "client_secret_post"
    policy: str = POLICY
    """The policy that is spoken to."""
    issued: dict[str, tuple[float, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inside = f"/{NAME}.onmicrosoft.com/{{policy}}"
        self.paths = {
            "discovery": f"{inside}/v2.0/.well-known/openid-configuration",
            "jwks": f"{inside}/discovery/v2.0/keys",
            "authorize": f"{inside}/oauth2/v2.0/authorize",
            "token": f"{inside}/oauth2/v2.0/token",
            "end_session": f"{inside}/oauth2/v2.0/logout",
        }

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator["FakeB2C"]:
        """B2C, listening."""
        async with super().running(**how) as idp:
            idp.keys = [idp.purse.key("X5eXk4xyojNFum1kl2Ytv8dlNP4-c57dO6QGTVBwaNk")]
            idp.person(
                JANE,
                name="Jane Doe",
                given_name="Jane",
                family_name="Doe",
                emails=["jane@example.com"],
                idp="google.com",
                extension_tenant="acme",
            )
            yield idp

    def on(self, name: str, default: Any = False) -> Any:
        """What this switch says."""
        return self.switches.get(name, default)

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        """The same endpoints with the policy in the query."""
        inside = f"{base}/{NAME}.onmicrosoft.com"
        router.add_get(f"{inside}/oauth2/v2.0/authorize", self._authorize, name="authorize_p")
        router.add_post(f"{inside}/oauth2/v2.0/token", self._token, name="token_p")

    async def _around(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.policy = request.match_info.get("policy") or request.query.get("p", "")
        return await super()._around(request, handler)

    def url(self, endpoint: str) -> str:
        if self.on("policy_in_query") and endpoint in {"authorize", "token"}:
            return self.base + self.paths[endpoint].replace("/{policy}", "") + f"?p={self.policy.lower()}"
        return self.base + self.paths[endpoint].format(policy=self.policy.lower())

    def issuer_name(self) -> str:
        return f"{self.origin}/{TENANT}/v2.0/"

    def issuer_of(self, policy: str) -> str:
        """What the tenant calls itself in tokens of this policy."""
        if self.on("name_issuer"):
            return f"{self.origin}/{NAME}.onmicrosoft.com/v2.0/"
        if self.on("tfp_issuer") or not self.on("guid_issuer", True):
            return f"{self.origin}/tfp/{TENANT}/{policy.lower()}/v2.0/"
        return self.issuer

    def metadata(self) -> dict[str, Any]:
        ways = ["client_secret_post", "client_secret_basic"]
        return {
            "issuer": self.issuer_of(self.policy),
            "authorization_endpoint": self.url("authorize"),
            "token_endpoint": self.url("token"),
            "end_session_endpoint": self.url("end_session"),
            "jwks_uri": self.url("jwks"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "response_types_supported": [
                *["code", "code id_token", "code token", "code id_token token"],
                *["id_token", "id_token token", "token", "token id_token"],
            ],
            "scopes_supported": ["openid"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [] if self.on("empty_auth_methods") else ways,
            "claims_supported": [
                *["oid", "sub", "newUser", "name", "emails", "idp", "tfp", "iss", "iat", "exp", "aud"],
                *["acr", "nonce", "auth_time"],
            ],
        }

    def jwk(self, key: Key) -> dict[str, Any]:
        return {k: v for k, v in key.jwk().items() if k != "alg"} | {"nbf": 1493763266}

    # ── A policy ──────────────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        first = self.policy.lower() == POLICY.lower()
        cancelled = self.on("AADB2C90091")
        if self.on("b2c_error"):
            return told(*self.on("b2c_error"))
        if self.on("AADB2C90118") and first:
            self.switch(AADB2C90118={"once": None, "twice": "once"}.get(self.on("AADB2C90118"), True))
            return told("access_denied", "90118")
        if cancelled is True or (cancelled == "reset" and not first):
            return told("access_denied", "90091")
        if "max_age" in asked and not asked["max_age"].isdigit():
            return told("invalid_request", "90120")
        if asked.get("prompt", "none") not in {"none", "login"}:
            return told("invalid_request", "90043")
        if asked.get("prompt") == "none" and self.session_since is None:
            return told("login_required", "90077")
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        answer = super().callback_answer({name: value for name, value in asked.items() if name != "p"})
        del answer["iss"]  # B2C does not speak RFC 9207
        if "code" in answer:
            self.issued[answer["code"]] = (self.now(), self.policy.lower())
        return answer

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        """Either way, as the caller likes."""
        self.auth_method = "client_secret_post" if "client_secret" in form else "client_secret_basic"
        try:
            super()._authenticate(request, form)
        except Refused as error:
            raise Refused(error.error) from error

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        number = getattr(error, "number", NUMBERS.get(error.error, "90037"))
        return error.status, told(error.error, number)

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        if self.on("b2c_token_error"):
            raise numbered(*self.on("b2c_token_error"))
        if "code" in form:
            since, policy = self.issued[form["code"]]
            if policy != self.policy.lower():
                raise numbered("invalid_grant", "90088")
            if self.now() > since + CODE_LIFETIME:
                raise numbered("invalid_grant", "90080")
        answer = super().token_answer(code, form)
        now, seconds = int(self.now()), "3600" if self.on("string_expires_in") else 3600
        answer |= {"not_before": str(now) if self.on("string_expires_in") else now}
        scopes = set(form.get("scope", "").split()) & set(code.asked.get("scope", "").split())
        if not scopes - {"openid", "offline_access"} or self.on("no_access_token"):
            for name in ("access_token", "expires_in"):
                del answer[name]
            return answer | {"id_token_expires_in": seconds, "scope": "openid"}
        return answer | {"expires_in": seconds, "scope": " ".join(sorted(scopes - {"openid"}))}

    def gives_refresh(self, code: Code) -> bool:
        asked = self.requests[-1].form
        if asked.get("grant_type") == "refresh_token":
            return True
        return super().gives_refresh(code) and "offline_access" in asked.get("scope", "").split()

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """A new refresh token each time."""
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if self.on("refresh_wrong_policy"):
            raise numbered("invalid_grant", "90088")
        if code is None or self.on("refresh") == "invalid_grant":
            raise numbered("invalid_grant", "90129")
        return self.token_answer(code, form)

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        now, wrong = int(self.now()), self.on("wrong_policy")
        policy = ("b2c_1_another" if wrong is True else wrong) if wrong else self.policy.lower()
        person = dict(self.people[code.person])
        if self.on("emails_array_empty"):
            person["emails"] = []
        return {
            **person,
            "ver": "1.0",
            "iss": self.issuer_of(self.policy),
            "sub": "Not supported currently. Use oid claim." if self.on("no_subject") else code.person,
            "aud": self.client_id,
            "exp": now + 3600,
            "nonce": code.asked.get("nonce"),
            "iat": now,
            "nbf": now,
            "auth_time": code.auth_time,
            "oid": code.person,
            "newUser": True,
            "acr" if self.on("policy_in_acr") else "tfp": policy,
        }


def told(error: str, number: str) -> dict[str, str]:
    """An error in B2C's words."""
    return {"error": error, "error_description": f"AADB2C{number}: as the tests asked.{TRACE}"}


def numbered(error: str, number: str) -> Refused:
    """An error of the token endpoint with B2C's number."""
    refused = Refused(error)
    refused.number = number
    return refused
