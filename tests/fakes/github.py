"""GitHub as a fake: OAuth 2.0 with answers of its own kind, and the REST API that tells who somebody is.

It has the addresses of a GitHub Enterprise Server (``/login/oauth``, ``/api/v3``), on which all else is as
on github.com; or with ``hosts`` and ``api=""`` those of github.com and api.github.com. What it shows of
GitHub's documented behaviour: form-encoded token answers unless JSON is asked for; errors with status 200;
a code once and for ten minutes; scopes with commas, and those of an earlier login where none are asked for;
PKCE that is optional; pages with ``Link``; 404 where a scope is missing.

The switches:

    form_encoded_default  token answers stay form-encoded, whatever is asked for
    error_200             the error that the token endpoint answers
    scope_reduced         what is granted, instead of what was asked for
    no_pkce_support       the challenge and the verifier mean nothing
    iss                   "absent" or "wrong"
    email_private         the profile shows no address      emails_404, emails_none_verified
    paged                 entries on a page of a list, at most; teams_paged, orgs_paged, emails_paged for one
    link                  "elsewhere", "outside", or "endless": where the next page is
    org_sso_403           the lists want single sign-on     sso_partial  the numbers that they leave out
    restricted            the numbers of organizations that block the app, and are silently not there
    rate_limited_403      "used_up", "secondary" or "retry": the API has had enough
    login_renamed_same_id, login_reused_other_id   what the account is now called, or numbered
    suspended             the account is                    token_app, token_user  whose the token is
    user emails orgs teams check meta   the common troubles, or a list or dict: what to answer
"""

import json
import secrets
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote_plus, urlencode

from aiohttp import web

from tests.fakes.forging import challenge_of
from tests.fakes.provider import Code, FakeProvider, Refused, changed

CODE_LIFETIME = 600
DOCS = "https://docs.github.com/rest"
WORDS = {
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "bad_verification_code": "The code passed is incorrect or expired.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
    "unverified_user_email": "The user must have a verified primary email.",
}
VERSIONS = {"2022-11-28", "2026-03-10"}


def email(address: str, *, primary: bool = False, verified: bool = True) -> dict[str, Any]:
    """An address of an account."""
    return {"email": address, "primary": primary, "verified": verified, "visibility": None}


def org(number: int, login: str) -> dict[str, Any]:
    """An organization."""
    return {"login": login, "id": number, "node_id": f"O_{number}", "description": None}


def team(number: int, slug: str, organization: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """A team of an organization."""
    return {
        "id": number,
        "slug": slug,
        "name": name or slug.title(),
        "privacy": "closed",
        "organization": {"login": organization["login"], "id": organization["id"]},
        "parent": None,
    }


def form_encoded(response: web.Response) -> web.Response:
    """The same members as GitHub says them to those who do not ask for JSON."""
    return web.Response(
        text=urlencode(json.loads(response.text or "{}")), content_type="application/x-www-form-urlencoded"
    )


@dataclass
class FakeGitHub(FakeProvider):
    """One GitHub, one OAuth app; see the module."""

    auth_method: str = "client_secret_post"
    pkce: bool = False
    api: str = "/api/v3"
    """The path of the API; nothing for one that has a host of its own, the second of ``hosts``."""
    scopes_of: dict[str, set[str]] = field(default_factory=dict)
    granted: dict[str, str] = field(default_factory=dict)
    codes_at: dict[str, float] = field(default_factory=dict)

    paths: ClassVar[dict[str, str]] = {
        "authorize": "/login/oauth/authorize",
        "token": "/login/oauth/access_token",
    }

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> Any:
        """The fake, listening."""
        async with super().running(**how) as github:
            github.people.clear()
            github.person("ann")
            yield github

    @property
    def host(self) -> str:
        """As an operator writes it."""
        return self.hosts[0] if self.hosts else self.origin.removeprefix("http://")

    def person(self, sub: str, **account: Any) -> None:
        """An account by its login, with ``id``, ``emails``, ``orgs`` and ``teams``."""
        mail = [email(f"{sub}@example.com", primary=True), email(f"1+{sub}@users.noreply.github.com")]
        made = {"id": 1000 + len(self.people), "name": sub.title(), "emails": mail, "orgs": [], "teams": []}
        super().person(sub, **{**made, **account})

    def revoke(self) -> None:
        """Nobody has allowed the app anything any more."""
        self.access_tokens.clear()

    # ── OAuth ─────────────────────────────────────────────────────────────────────────────────

    def issuer_name(self) -> str:
        """As it says ``iss``."""
        return f"{self.base}/login/oauth"

    def accepts(self, asked: dict[str, str]) -> dict[str, str] | None:
        """Nearly everything: there is no response_type, and PKCE is the app's to choose."""
        return None

    def callback_answer(self, asked: dict[str, str]) -> dict[str, str]:
        """With ``iss``, as since 2026."""
        person = asked["login"] if asked.get("login") in self.people else self.current
        code = secrets.token_hex(10)
        self.codes[code], self.codes_at[code] = Code(asked, person, 0), self.now()
        answer = {"code": code, "iss": self.issuer}
        if self.switches.get("iss") == "absent":
            del answer["iss"]
        elif self.switches.get("iss") == "wrong":
            answer["iss"] = self.base
        return answer | ({"state": asked["state"]} if "state" in asked else {})

    async def _token(self, request: web.Request) -> web.Response:
        response = await super()._token(request)
        wants_json = "application/json" in request.headers.get("Accept", "")
        return (
            response
            if wants_json and not self.switches.get("form_encoded_default")
            else form_encoded(response)
        )

    def _redeem(self, form: dict[str, str]) -> Code:
        if self.switches.get("error_200"):
            raise Refused(self.switches["error_200"])
        value = form.get("code", "")
        code = self.codes.get(value)
        if code is None or code.redeemed or self.now() > self.codes_at[value] + CODE_LIFETIME:
            raise Refused("bad_verification_code")
        code.redeemed = True
        if form.get("redirect_uri", code.asked["redirect_uri"]) != code.asked["redirect_uri"]:
            raise Refused("redirect_uri_mismatch")
        challenge = code.asked.get("code_challenge")
        pkce = challenge is not None and not self.switches.get("no_pkce_support")
        if pkce and challenge_of(form.get("code_verifier", "")) != challenge:
            raise Refused("bad_verification_code")
        return code

    def token_answer(self, code: Code, form: dict[str, str]) -> dict[str, Any]:
        """A token that does not expire, and what it may be used for."""
        before = self.granted.get(code.person, "")
        scope = self.switches.get("scope_reduced", code.asked.get("scope") or before)
        scopes = [one for one in scope.replace(",", " ").split() if one]
        if "user" in scopes:  # the wider one stands for what is in it
            scopes = [one for one in scopes if one == "user" or not one.startswith(("user:", "read:user"))]
        self.granted[code.person] = " ".join(scopes)
        token = f"gho_{secrets.token_hex(18)}"
        self.access_tokens[token], self.scopes_of[token] = code.person, set(scopes)
        return {"access_token": token, "scope": ",".join(scopes), "token_type": "bearer"}

    def refusal(self, error: Refused) -> tuple[int, dict[str, Any]]:
        """With status 200."""
        word = "incorrect_client_credentials" if error.error == "invalid_client" else error.error
        uri = f"/apps/managing-oauth-apps/troubleshooting/#{word.replace('_', '-')}"
        return 200, {"error": word, "error_description": WORDS.get(word, ""), "error_uri": uri}

    # ── The API ───────────────────────────────────────────────────────────────────────────────

    def extra_routes(self, router: web.UrlDispatcher, base: str) -> None:
        """The few calls that a login needs."""
        api = base + self.api
        router.add_get(f"{api}/meta", self._meta, name="meta")
        router.add_get(f"{api}/user", self._user, name="user")
        router.add_get(f"{api}/user/emails", self._emails, name="emails")
        router.add_get(f"{api}/user/orgs", self._orgs, name="orgs")
        router.add_get(f"{api}/user/teams", self._teams, name="teams")
        router.add_post(f"{api}/applications/{{client_id}}/token", self._check, name="check")

    async def _meta(self, request: web.Request) -> web.Response:
        return web.json_response({"verifiable_password_authentication": False})

    def _refused(self, request: web.Request, *scopes: str) -> web.Response | None:
        """What any call may be refused for."""
        if not request.headers.get("User-Agent"):
            return problem(403, "Request forbidden by administrative rules. Please add a User-Agent header.")
        if request.headers.get("X-GitHub-Api-Version", "2022-11-28") not in VERSIONS:
            return problem(400, "Invalid API version")
        limited = self.switches.get("rate_limited_403")
        if limited:
            told = {"used_up": {"x-ratelimit-remaining": "0"}, "retry": {"retry-after": "60"}}
            words = {"used_up": "API rate limit exceeded for user ID 1.", "retry": "Slow down."}
            secondary = "You have exceeded a secondary rate limit."
            return problem(403, words.get(limited, secondary), told.get(limited, {}))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in {"bearer", "token"} or token not in self.access_tokens:
            return problem(401, "Bad credentials")
        if self.switches.get("suspended"):
            return problem(403, "Sorry. Your account was suspended.")
        if scopes and not self.scopes_of[token] & set(scopes):
            return problem(404, "Not Found")
        return None

    def _account(self, request: web.Request) -> tuple[str, dict[str, Any]]:
        login = self.access_tokens[request.headers["Authorization"].partition(" ")[2]]
        return login, self.people[login]

    async def _user(self, request: web.Request) -> web.Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        login, account = self._account(request)
        say = self.switches
        shown = (
            None if say.get("email_private") else account.get("public_email", f"shown-{login}@example.org")
        )
        user = {
            "login": say.get("login_renamed_same_id", login),
            "id": say.get("login_reused_other_id", account["id"]),
            "node_id": f"U_{account['id']}",
            "avatar_url": f"https://avatars.githubusercontent.com/u/{account['id']}?v=4",
            "html_url": f"https://github.com/{login}",
            "type": "User",
            "name": account["name"],
            "email": shown,
            "updated_at": "2008-01-14T04:33:35Z",
        }
        return web.json_response(changed(user, say.get("user")))

    async def _emails(self, request: web.Request) -> web.Response:
        refused = self._refused(request, "user", "user:email")
        if refused is not None:
            return refused
        if self.switches.get("emails_404"):
            return problem(404, "Not Found")
        listed = self.switches.get("emails", self._account(request)[1]["emails"])
        if self.switches.get("emails_none_verified"):
            listed = [{**one, "verified": False} for one in listed]
        return self._page(request, "emails", listed, {})

    async def _orgs(self, request: web.Request) -> web.Response:
        return await self._listed(request, "orgs", lambda entry: entry["id"])

    async def _teams(self, request: web.Request) -> web.Response:
        return await self._listed(request, "teams", lambda entry: entry["organization"]["id"])

    async def _listed(self, request: web.Request, what: str, organization: Any) -> web.Response:
        """One page of a list of the account's."""
        refused = self._refused(request, "read:org", "write:org", "admin:org", "user")
        if refused is not None:
            return refused
        say = self.switches
        if say.get("org_sso_403"):
            told = {
                "X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=SECRET"
            }
            return problem(403, "Resource protected by organization SAML enforcement.", told)
        hidden = [*say.get("sso_partial", []), *say.get("restricted", [])]
        entries = [one for one in self._account(request)[1][what] if organization(one) not in hidden]
        entries = say.get(what, entries)
        headers = {}
        if say.get("sso_partial"):
            numbers = ",".join(map(str, say["sso_partial"]))
            headers["X-GitHub-SSO"] = f"partial-results; organizations={numbers}"
        return self._page(request, what, entries, headers)

    def _page(
        self, request: web.Request, what: str, entries: list[Any], headers: dict[str, str]
    ) -> web.Response:
        """One page of a list."""
        say = self.switches
        most = say.get(f"{what}_paged", say.get("paged", 100))
        size = min(int(request.query.get("per_page", "30")), most)
        page = int(request.query.get("page", "1"))
        if page * size < len(entries) or say.get("link") == "endless":
            headers["Link"] = self._link(request, page, size)
        return web.json_response(entries[(page - 1) * size : page * size], headers=headers)

    def _link(self, request: web.Request, page: int, size: int) -> str:
        own = f"https://{self.hosts[1]}" if self.hosts else self.origin
        origin = "https://api.evil.example" if self.switches.get("link") == "elsewhere" else own
        path = "/elsewhere" if self.switches.get("link") == "outside" else request.path
        first, following = (f"<{origin}{path}?per_page={size}&page={number}>" for number in (1, page + 1))
        return f'{first}; rel="first", {following}; rel="next", {following}; rel="last"'

    async def _check(self, request: web.Request) -> web.Response:
        """Whose token it is: told to the app itself, which proves who it is."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        name, _, secret = b64decode(value).decode().partition(":") if scheme == "Basic" else ("", "", "")
        if (unquote_plus(name), unquote_plus(secret)) != (self.client_id, self.client_secret):
            return problem(401, "Bad credentials")
        token = (await request.json()).get("access_token")
        if token not in self.access_tokens:
            return problem(404, "Not Found")
        account = self.people[self.access_tokens[token]]
        told = {
            "app": {"client_id": self.switches.get("token_app", self.client_id), "name": "Broker"},
            "user": {"id": self.switches.get("token_user", account["id"])},
            "scopes": sorted(self.scopes_of[token]),
        }
        return web.json_response(changed(told, self.switches.get("check")))


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the API."""
    return web.json_response({"message": message, "documentation_url": DOCS}, status=status, headers=headers)
