"""Microsoft Entra ID, as far as its documentation and what others recorded go: sign-in and Microsoft Graph.

One origin is both. Keys have no `alg` and an `issuer` each; `sub` is pairwise; the access token is for Graph
and opaque. `person(oid, **claims)` makes somebody. Claims that Entra calls optional come when they are in
``optional``. Its switches, beside the common ones:

    multi_tenant                 False: the shared endpoints say a tenant's issuer in their metadata
    per_key_issuer_mismatch      the keys are another tenant's
    jwks_without_alg             False: the keys say RS256
    jwks_without_issuer          the keys do not say whose they are
    tid_missing                  no tenant in the token
    wrong_tenant                 somebody of another tenant
    v1_token                     what an app manifest can do: a v1.0 token
    guest                        somebody who is at home in another tenant; or that tenant's id
    msa_consumer                 a personal account
    groups_overage               True, or how many groups there are: only Graph tells them
    hasgroups                    the other way to say so
    overage_endpoint_hostile     the token names an address of an attacker's for the groups
    graph_page                   groups on a page; 2 left alone
    graph_next_link              where the next page is said to be
    graph_403, graph_429, graph_400    Graph says no
    graph_token_for_another_api  the access token is not for Graph
    xms_edov                     what it says; "missing" for nothing
    pairwise_sub_changes         another app registration: every `sub` is new
    interaction_required_at_token  True, or a claims challenge
    aadsts_error_body            (error, number): the token endpoint refuses in Entra's words
    callback_error               (error, text): so does the authorization endpoint
    ignores_max_age              an old session answers, however old
    form_post                    no other response_mode is taken
    acrs                         the contexts that are reached, whatever was asked
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web

from tests.fakes.forging import Key
from tests.fakes.provider import Code, FakeProvider, Refused

TENANT = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
HOME = "3338040d-6c67-4c5b-b112-36a304b66dad"
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
ANN = "00000000-0000-0000-66f3-3332eca7ea81"
SHARED = ("common", "organizations")
CODE_LIFETIME = 600
NUMBERS = {"invalid_grant": 54005, "invalid_client": 7000215, "invalid_request": 900144}


def group(number: int) -> str:
    """The id of a group."""
    return f"11111111-aaaa-4bbb-8ccc-{number:012}"


@dataclass
class FakeEntra(FakeProvider):
    """Sign-in under one name, which is a tenant, a domain or what stands for several; and Graph."""

    auth_method: str = "client_secret_post"
    tenant: str = TENANT
    """The name in the path."""
    tid: str = TENANT
    """The tenant that people are of."""
    optional: set[str] = field(default_factory=lambda: {"auth_time", "xms_edov"})
    issued: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.paths = {
            "discovery": f"/{self.tenant}/v2.0/.well-known/openid-configuration",
            "jwks": f"/{self.tenant}/discovery/v2.0/keys",
            "authorize": f"/{self.tenant}/oauth2/v2.0/authorize",
            "token": f"/{self.tenant}/oauth2/v2.0/token",
            "userinfo": "/oidc/userinfo",
            "end_session": f"/{self.tenant}/oauth2/v2.0/logout",
        }

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator["FakeEntra"]:
        """Entra, listening."""
        async with super().running(**how) as idp:
            kids = ("23ntaxfH9Gk-8D_USzoAJgwjyt8", "MGLqj98VNLoXaFfpJCBpgB4JaKs")
            idp.keys = [idp.purse.key(kid) for kid in kids]
            idp.person(
                ANN,
                name="Abe Lincoln",
                preferred_username="AbeLi@example.com",
                email="AbeLi@example.com",
                groups=[group(1), group(2)],
                roles=["App.Admin"],
            )
            yield idp

    def issuer_name(self) -> str:
        return self.issuer_of(self.tenant_of_the_endpoint())

    def tenant_of_the_endpoint(self) -> str:
        """The tenant that a name for one stands for."""
        return CONSUMERS if self.tenant == "consumers" else self.tid

    def issuer_of(self, tid: str) -> str:
        """What a tenant calls itself."""
        return f"{self.origin}/{tid}/v2.0"

    def on(self, name: str, default: Any = False) -> Any:
        """What this switch says."""
        return self.switches.get(name, default)

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        router.add_post(f"{base}/v1.0/me/getMemberGroups", self._member_groups, name="member_groups")
        router.add_post(f"{base}/v1.0/directoryObjects/getByIds", self._by_ids, name="by_ids")
        router.add_route("*", f"{base}/hostile", self._hostile, name="hostile")

    def metadata(self) -> dict[str, Any]:
        shared = self.tenant in SHARED and self.on("multi_tenant", True)
        return {
            "token_endpoint": self.url("token"),
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": self.url("jwks"),
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": self.issuer_of("{tenantid}") if shared else self.issuer,
            "request_uri_parameter_supported": False,
            "userinfo_endpoint": self.url("userinfo"),
            "authorization_endpoint": self.url("authorize"),
            "device_authorization_endpoint": self.url("authorize").replace("authorize", "devicecode"),
            "http_logout_supported": True,
            "frontchannel_logout_supported": True,
            "end_session_endpoint": self.url("end_session"),
            "claims_supported": [
                *["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name"],
                *["msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username"],
                *["name", "tid", "ver", "at_hash", "c_hash", "email"],
            ],
            "kerberos_endpoint": f"{self.origin}/{self.tenant}/kerberos",
            "tenant_region_scope": "" if shared else "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
            "rbac_url": "https://pas.windows.net",
        }

    def jwk(self, key: Key) -> dict[str, Any]:
        tenant = "{tenantid}" if self.tenant in SHARED else self.tenant_of_the_endpoint()
        said = {name: value for name, value in key.jwk().items() if name != "alg"}
        said |= {"x5t": key.kid, "x5c": ["MIIC"]}
        said["issuer"] = self.issuer_of(OTHER if self.on("per_key_issuer_mismatch") else tenant)
        if self.on("jwks_without_issuer"):
            del said["issuer"]
        return said if self.on("jwks_without_alg", True) else said | {"alg": "RS256"}

    # ── Sign-in ───────────────────────────────────────────────────────────────────────────────

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        mode, prompt = asked.get("response_mode", "query"), asked.get("prompt", "")
        if mode not in {"query", "fragment", "form_post"} or (self.on("form_post") and mode != "form_post"):
            return {"error": "invalid_request", "error_description": "AADSTS70007: response_mode"}
        if prompt not in {"", "none", "login", "consent", "select_account"}:
            return {"error": "invalid_request", "error_description": "AADSTS90023: prompt"}
        if "claims" in asked:
            json.loads(asked["claims"])
        told = self.on("callback_error")
        if told and asked.get("prompt") not in {"login", "consent"}:
            return {"error": told[0], "error_description": told[1]}
        if prompt == "none" and self.session_since is None:
            text = "AADSTS50058: A silent sign-in request was sent but no user is signed in."
            return {"error": "login_required", "error_description": text}
        return super().accepts(asked)

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in asked.items()
            if name != "max_age" or not self.on("ignores_max_age")
        }
        answer = super().callback_answer(kept)
        del answer["iss"]  # Entra does not speak RFC 9207
        if "code" in answer:
            self.issued[answer["code"]] = self.now()
            answer["session_state"] = "5f1b9d0e-0000-4000-8000-000000000001"
        return answer

    def _authenticate(self, request: web.Request, form: dict[str, str]) -> None:
        """Any of its three ways, as the caller likes."""
        if "client_assertion" not in form:
            self.auth_method = "client_secret_post" if "client_secret" in form else "client_secret_basic"
        super()._authenticate(request, form)

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        number = getattr(error, "number", NUMBERS.get(error.error, 70000))
        text = f"AADSTS{number}: as the tests asked.\r\nTrace ID: 0000aaaa-11bb-cccc-dd22-eeeeee333333"
        body = {
            "error": error.error,
            "error_description": text,
            "error_codes": [number],
            "timestamp": "2016-01-09 02:02:12Z",
            "trace_id": "0000aaaa-11bb-cccc-dd22-eeeeee333333",
            "correlation_id": "aaaa0000-bb11-2222-33cc-444444dddddd",
        }
        challenge = self.on("interaction_required_at_token")
        if error.error == "interaction_required" and isinstance(challenge, str):
            body["claims"] = challenge
        return error.status, body

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        if "code" in form and self.now() > self.issued[form["code"]] + CODE_LIFETIME:
            raise numbered("invalid_grant", 70008)
        if self.on("aadsts_error_body"):
            raise numbered(*self.on("aadsts_error_body"))
        asked = code.asked
        if self.on("interaction_required_at_token") and "claims" not in asked and "prompt" not in asked:
            raise numbered("interaction_required", 50076)
        scopes = [scope for scope in asked.get("scope", "").split() if scope != "offline_access"]
        answer = super().token_answer(code, form)
        return {**answer, "scope": " ".join([*scopes, "User.Read"]), "ext_expires_in": 300}

    def refresh_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """Every refresh gives a new token, and leaves the old one good."""
        code = self.refresh_tokens.get(form.get("refresh_token", ""))
        if code is None or self.on("refresh") == "invalid_grant":
            raise numbered("invalid_grant", 70008)
        return self.token_answer(code, form)

    def _access_token(self, code: Code) -> str:
        return f"opaque-{len(self.access_tokens)}-{sha256(code.person.encode()).hexdigest()}"

    def pairwise(self, oid: str) -> str:
        """The ``sub`` that this app registration sees."""
        app = f"{self.client_id}{'again' if self.on('pairwise_sub_changes') else ''}"
        return urlsafe_b64encode(sha256(f"{app}{oid}".encode()).digest()).rstrip(b"=").decode()

    def id_token_claims(self, code: Code, access_token: str, value: str) -> dict[str, Any]:
        now, scopes, person = int(self.now()), code.asked.get("scope", "").split(), self.people[code.person]
        tid = self.tenant_of_the_day()
        profile = "profile" in scopes
        claims = {
            **{k: v for k, v in person.items() if k not in {"groups", "email", "xms_edov"}},
            "aud": self.client_id,
            "iss": self.issuer_of(tid),
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "aio": "Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5Bis",
            "email": person.get("email") if "email" in scopes else None,
            "nonce": code.asked.get("nonce"),
            "oid": code.person if profile else None,
            "rh": "0.AAAA.",
            "sid": "5f1b9d0e-0000-4000-8000-000000000001",
            "sub": self.pairwise(code.person),
            "tid": None if self.on("tid_missing") else tid,
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "2.0",
            "auth_time": code.auth_time if "auth_time" in self.optional else None,
            "acrs": self._contexts(code),
            **self._groups(person),
            **self._edov(person),
            **self._guest(tid),
        }
        if self.on("v1_token"):
            claims |= {"iss": f"https://sts.windows.net/{tid}/", "ver": "1.0"}
        return claims

    def tenant_of_the_day(self) -> str:
        """The tenant that the person is of."""
        if self.on("wrong_tenant"):
            return OTHER
        return CONSUMERS if self.on("msa_consumer") else self.tenant_of_the_endpoint()

    def _contexts(self, code: Code) -> list[str] | None:
        asked = json.loads(code.asked.get("claims", "{}")).get("id_token", {}).get("acrs", {})
        reached = [asked["value"]] if "value" in asked else None
        return self.on("acrs", reached)

    def _groups(self, person: dict[str, Any]) -> dict[str, Any]:
        endpoint = f"https://graph.windows.net/{self.tid}/users/{ANN}/getMemberObjects"
        if self.on("overage_endpoint_hostile"):
            endpoint = f"{self.origin}/hostile"
        if self.on("hasgroups"):
            return {"hasgroups": True}
        if self.on("groups_overage") or self.on("overage_endpoint_hostile"):
            return {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": endpoint}}}
        return {"groups": person["groups"]} if "groups" in person else {}

    def _edov(self, person: dict[str, Any]) -> dict[str, Any]:
        said = self.on("xms_edov", person.get("xms_edov", True))
        told = "xms_edov" in self.optional and "email" in person and said != "missing"
        return {"xms_edov": said} if told else {}

    def _guest(self, tid: str) -> dict[str, Any]:
        home = self.on("guest")
        if not home:
            return {"acct": 0}
        return {"idp": f"https://sts.windows.net/{HOME if home is True else home}/", "acct": 1}

    def userinfo_claims(self, person: str) -> dict[str, Any]:
        known = self.people[person]
        return {
            "sub": self.pairwise(person),
            **{name: known[name] for name in ("name", "family_name", "given_name", "email") if name in known},
            "picture": "https://graph.microsoft.com/v1.0/me/photo/$value",
        }

    # ── Graph ─────────────────────────────────────────────────────────────────────────────────

    def _graph_person(self, request: web.Request) -> str | web.Response:
        """Whose token it is; or how Graph says no."""
        person = self.access_tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        for status, code in GRAPH_SAYS.items():
            if self.on(f"graph_{status}"):
                return graph_error(status, code)
        if person is None or self.on("graph_token_for_another_api"):
            return graph_error(401, "InvalidAuthenticationToken")
        return person

    async def _member_groups(self, request: web.Request) -> web.Response:
        person, body = self._graph_person(request), await request.json()
        if isinstance(person, web.Response):
            return person
        if not isinstance(body.get("securityEnabledOnly"), bool):
            return graph_error(400, "Request_BadRequest")
        many = self.on("groups_overage")
        count = many if isinstance(many, int) and not isinstance(many, bool) else 3
        groups = [group(number) for number in range(1, count + 1)]
        size, start = self.on("graph_page", 2), int(request.query.get("$skiptoken", "0"))
        page: dict[str, Any] = {"value": groups[start : start + size]}
        if start == 0:
            kind = "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)"
            page = {"@odata.context": kind, **page}
        if start + size < len(groups):
            there = f"{self.origin}/v1.0/me/getMemberGroups?$skiptoken={start + size}"
            page["@odata.nextLink"] = self.on("graph_next_link", there)
        return web.json_response(page)

    async def _by_ids(self, request: web.Request) -> web.Response:
        person, body = self._graph_person(request), await request.json()
        if isinstance(person, web.Response):
            return person
        if body.get("types") != ["group"] or len(body["ids"]) > 1000:
            return graph_error(400, "Request_BadRequest")
        kind = "#microsoft.graph.group"
        found = [
            {
                "@odata.type": kind,
                "id": one,
                "displayName": f"Group {int(one[-12:])}",
                "securityEnabled": True,
            }
            for one in reversed(body["ids"])
        ]
        return web.json_response({"value": found})

    async def _hostile(self, request: web.Request) -> web.Response:
        return web.json_response({"value": ["everything"]})


GRAPH_SAYS = {
    403: "Authorization_RequestDenied",
    429: "TooManyRequests",
    400: "Directory_ResultSizeLimitExceeded",
}


def graph_error(status: int, code: str) -> web.Response:
    """Graph's way to say no."""
    inner = {"date": "2024-01-01T00:00:00", "request-id": "aaaa0000", "client-request-id": "aaaa0000"}
    error = {"code": code, "message": "As the tests asked.", "innerError": inner}
    return web.json_response({"error": error}, status=status)


def numbered(error: str, number: int) -> Refused:
    """An error of the token endpoint with Microsoft's number."""
    refused = Refused(error)
    refused.number = number
    return refused
