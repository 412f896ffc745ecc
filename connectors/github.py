"""GitHub: OAuth 2.0 without OpenID Connect, so who it is comes from its API, and is a number.

Owns the connector for github.com, GHE.com and GitHub Enterprise Server. GitHub's "Authorizing OAuth apps" and
"Scopes for OAuth apps"; RFC 6749 §3.3 (what was granted is what was told), RFC 7636, RFC 9207. Its errors
come with status 200 and words of its own. It has no nonce and no ID Token: ``state``, PKCE and ``iss`` bind
the answer to the login.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StrictBool, StrictInt, StringConstraints, model_validator

from broker.connector import (
    ConnectorSettings,
    Departure,
    Finding,
    Json,
    Login,
    Secret,
    Tools,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamToken,
)
from connectors import claims_map, oauth2
from connectors.github_api import Api, Listed
from connectors.oidc_settings import Domain, Text, Url, origin_of

CLAIMS = claims_map("github")

_CLOUD = re.compile(r"github\.com|[a-z0-9-]+\.ghe\.com")
_PLACE = re.compile(r"\{(org|org_id|team|team_id|team_name)\}")
_IMPLIED_BY = {
    "read:user": {"user"},
    "user:email": {"user"},
    "user:follow": {"user"},
    "read:org": {"write:org", "admin:org"},
    "write:org": {"admin:org"},
}
"""GitHub grants, and names, the wider of two scopes only."""


def _group(shape: str) -> str:
    if "{" in _PLACE.sub("", shape) or "}" in _PLACE.sub("", shape):
        raise ValueError("knows {org}, {org_id}, {team}, {team_id} and {team_name}")
    if _PLACE.search(shape) is None:
        raise ValueError("must have {org} or {team} in it")
    return shape


def _spaced(scope: str) -> str:
    if "," in scope:
        raise ValueError("has a space between the scopes, no comma")
    return " ".join(scope.split())


def _lower(name: str) -> str:
    return name.lower()


Group = Annotated[Text, AfterValidator(_group)]
Number = Annotated[StrictInt, Field(gt=0)]
Organization = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$"), AfterValidator(_lower)]
Team = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}:[A-Za-z0-9_.-]{1,100}$"),
    AfterValidator(_lower),
]


class Settings(ConnectorSettings):
    """An OAuth app at GitHub."""

    client_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
    """Who the broker is at GitHub: the Client ID of the OAuth app."""
    client_secret: Secret
    """The secret of the OAuth app."""
    host: Domain = "github.com"
    """`github.com`, an enterprise's own `acme.ghe.com`, or the host of a GitHub Enterprise Server."""
    api_url: Annotated[Url, AfterValidator(lambda url: url.rstrip("/"))] | None = None
    """Where its REST API is, if not where GitHub has it for this host."""
    scope: Annotated[Text, AfterValidator(_spaced)] | None = None
    """What is asked of GitHub, with a space between the scopes. Without it what the other keys need:
    `user:email`, and `read:org` for organizations and teams."""
    groups: tuple[Group, ...] = ()
    """What stands in `groups`: `"{org}"` for each organization, `"{org}:{team}"` for each team. `{org}` and
    `{team}` are the names in GitHub's URLs, `{org_id}` and `{team_id}` numbers, `{team_name}` the words
    that people see."""
    allowed_organizations: Annotated[tuple[Number | Organization, ...], Field(min_length=1)] | None = None
    """Only members of one of these may sign in. A number (its `id`) is safer than a name, which an
    organization can give up and somebody else take."""
    allowed_teams: Annotated[tuple[Number | Team, ...], Field(min_length=1)] | None = None
    """Only members of one of these teams may sign in, each `organization:team` as in GitHub's URLs, or
    its `id`. With `allowed_organizations` both must hold."""
    allow_signup: StrictBool = True
    """`false`: nobody is offered to make a new account at GitHub on the way."""
    check_token: StrictBool = False
    """Asks GitHub at each login whether the token was given to this app and this person: one call more."""
    trust_email: StrictBool = False
    """Only for GitHub Enterprise Server, which proves no address: its administrators answer for them."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trust_email and _CLOUD.fullmatch(self.host):
            raise ValueError("trust_email: GitHub itself says which addresses are proven")
        if self.reads_organizations and not _covers(self.scopes, "read:org"):
            raise ValueError("scope: must contain read:org for groups and allow-lists")
        return self

    @property
    def issuer(self) -> str:
        """How GitHub names itself on the callback; numbers of accounts are unique within it."""
        return f"{origin_of(self.host)}/login/oauth"

    @property
    def api(self) -> str:
        """Where the REST API is."""
        if self.api_url is not None:
            return self.api_url
        return f"https://api.{self.host}" if _CLOUD.fullmatch(self.host) else f"{origin_of(self.host)}/api/v3"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What is asked of GitHub."""
        if self.scope is not None:
            return tuple(self.scope.split())
        return ("user:email", "read:org") if self.reads_organizations else ("user:email",)

    @property
    def reads_organizations(self) -> bool:
        """Whether it must be known where the person is a member."""
        return bool(self.groups or self.allowed_organizations or self.allowed_teams)

    @property
    def reads_teams(self) -> bool:
        """Whether it must be known which teams the person is in."""
        return self.allowed_teams is not None or any("{team" in shape for shape in self.groups)


class Connector:
    """GitHub, or one that an enterprise has for itself."""

    gives_token = True

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings, self._tools = settings, tools
        self._api = Api(tools.http, settings.api)
        self._client = oauth2.Client(
            client_id=settings.client_id, method="client_secret_post", secret=settings.client_secret
        )

    async def begin(self, login: Login) -> Departure:
        """To GitHub's page. The scope is always said: without it those of an earlier login are granted."""
        said = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": login.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": login.state,
            "code_challenge": oauth2.challenge(login.code_verifier),
            "code_challenge_method": "S256",
        }
        if login.prompt:  # it asks nobody to sign in anew; which account it is to be is all that it asks
            said["prompt"] = "select_account"
        if login.login_hint is not None:
            said["login"] = login.login_hint
        if not self._settings.allow_signup:
            said["allow_signup"] = "false"
        return Departure(url=oauth2.authorization_url(f"{self._settings.issuer}/authorize", said))

    async def finish(
        self,
        login: Login,
        answer: Mapping[str, str],
        memory: Mapping[str, str],  # noqa: ARG002
    ) -> UpstreamIdentity:
        """From the callback to a person: the code, the token, and what the API says of its owner."""
        code = oauth2.read_code(answer, issuer=self._settings.issuer)
        tokens = await self._redeemed(oauth2.code_grant(login, code, pkce=True))
        if tokens.access_token is None:
            raise UpstreamInvalid("access_token_missing")
        self._check_granted(tokens.scope or "")
        return await self._identity(tokens.access_token)

    async def refresh(self, keep: Mapping[str, str]) -> UpstreamIdentity:
        """Who they are now: the token does not expire, and is asked with again."""
        token = keep.get("access_token")
        if not token:
            raise UpstreamInvalid("access_token_missing")
        return await self._identity(token)

    async def ping(self) -> None:
        """Whether the API answers."""
        await self._api.ping()

    async def probe(self) -> Sequence[Finding]:
        """What can be told without anybody signing in: the API, and the app's credentials."""
        try:
            await self._api.ping()
        except UpstreamError as error:
            return [Finding(what="API", good=False, detail=error.detail)]
        return [
            Finding(what="API", good=True, detail=self._settings.api),
            await self._probe_client(),
            Finding(what="redirect URI", good=None, detail=f"register {self._tools.here.redirect_uri}"),
            self._who(),
        ]

    def _who(self) -> Finding:
        """Whom the configuration lets in, since an account at GitHub is anybody's to make."""
        named = [*(self._settings.allowed_organizations or ()), *(self._settings.allowed_teams or ())]
        members = f"members of {', '.join(map(str, named))}"
        return Finding(
            what="who may sign in",
            good=True if named else None,
            detail=members if named else "everybody with an account; allowed_organizations would change that",
        )

    async def _probe_client(self) -> Finding:
        try:
            known = await self._api.knows_app(self._settings.client_id, self._settings.client_secret)
        except UpstreamError as error:
            return Finding(what="our credentials", good=None, detail=error.detail)
        detail = "accepted" if known else "client_id or client_secret is wrong"
        return Finding(what="our credentials", good=known, detail=detail)

    # ── The token, and its owner ──────────────────────────────────────────────────────────────

    async def _redeemed(self, grant: Mapping[str, str]) -> oauth2.Tokens:
        endpoint = f"{self._settings.issuer}/access_token"
        try:
            return await oauth2.redeem(self._tools, endpoint, self._client, grant)
        except oauth2.TokenRefused as error:
            if error.error == "unverified_user_email":  # the only one of its words that is about the person
                detail = "the person has proved no e-mail address at GitHub"
                raise UpstreamRefused("access_denied", detail) from error
            raise

    def _check_granted(self, scope: str) -> None:
        """What was granted may be less than what was asked for, and more than is said in so many words."""
        granted = re.split(r"[,\s]+", scope.strip())
        missing = [one for one in self._settings.scopes if not _covers(granted, one)]
        if missing:
            hint = "" if scope else "; a GitHub App has no scopes at all, it takes an OAuth app"
            raise UpstreamRefused("access_denied", f"GitHub did not grant {' '.join(missing)}{hint}")

    async def _identity(self, token: str) -> UpstreamIdentity:
        user = await self._api.user(token)
        if self._settings.check_token:
            client_id, secret = self._settings.client_id, self._settings.client_secret
            await self._api.check_token(token, client_id, secret, user["id"])
        return UpstreamIdentity(
            issuer=self._settings.issuer,
            subject=str(user["id"]),
            # The address in `user` is what the person chose to show, and proves nothing.
            api={**user, **await self._email(token), **await self._membership(token)},
            keep={"access_token": token},
            token=UpstreamToken(access_token=token),
        )

    async def _email(self, token: str) -> Mapping[str, Json]:
        if not _covers(self._settings.scopes, "user:email"):
            return {"email": None, "email_verified": False}
        email = await self._api.primary_email(token, verified=self._settings.trust_email)
        return {"email": email, "email_verified": email is not None}

    async def _membership(self, token: str) -> Mapping[str, Json]:
        """Organizations and teams, read to their end before anybody is let in on them."""
        settings, nowhere = self._settings, Listed(())
        if not settings.reads_organizations:
            return {}
        orgs = await self._api.organizations(token)
        teams = await self._api.teams(token) if settings.reads_teams else nowhere
        in_orgs = {one["id"] for one in orgs.entries} | {one["login"].lower() for one in orgs.entries}
        in_teams = {one["id"] for one in teams.entries} | {_address(one) for one in teams.entries}
        _demand("organization", settings.allowed_organizations, in_orgs, orgs.left_out)
        _demand("team", settings.allowed_teams, in_teams, orgs.left_out or teams.left_out)
        return {
            "orgs": list(orgs.entries),
            "teams": list(teams.entries),
            "groups": _groups(settings.groups, orgs, teams),
            "organizations_left_out": orgs.left_out.split(",") if orgs.left_out else [],
        }


def _covers(granted: Collection[str], scope: str) -> bool:
    return scope in granted or not _IMPLIED_BY.get(scope, set()).isdisjoint(granted)


def _address(team: Mapping[str, Json]) -> str:
    return f"{team['org']}:{team['slug']}".lower()


def _demand(
    what: str, allowed: tuple[int | str, ...] | None, member: Collection[Json], left_out: str
) -> None:
    if allowed is None or not set(allowed).isdisjoint(member):
        return
    hidden = f"; GitHub leaves out organization {left_out} until single sign-on (SAML)" if left_out else ""
    raise UpstreamRefused("access_denied", f"in no allowed {what}{hidden}")


def _groups(shapes: Sequence[str], orgs: Listed, teams: Listed) -> list[str]:
    """Each shape for each organization or team; a name's own braces are never read again."""
    of_orgs = [{"org": one["login"], "org_id": one["id"]} for one in orgs.entries]
    of_teams = [
        {
            "org": one["org"],
            "org_id": one["org_id"],
            "team": one["slug"],
            "team_id": one["id"],
            "team_name": one["name"],
        }
        for one in teams.entries
    ]
    return [_filled(shape, said) for shape in shapes for said in (of_teams if "{team" in shape else of_orgs)]


def _filled(shape: str, said: Mapping[str, Json]) -> str:
    return _PLACE.sub(lambda place: str(said[place[1]]), shape)
