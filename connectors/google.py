"""Google: one issuer for everybody, so who may sign in is told by the hosted domain in the ID Token.

`hd` in the request only chooses what Google shows; the claim is what counts. Google answers for an address
where it is the one who hosts it: `gmail.com`, or an account of an organization. Refresh tokens come by
`access_type=offline` with a consent page; there is no scope for them. OpenID Connect Core §3.1.2.1 and §5.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from broker.connector import Finding, Json, Login, SignedClaims, Tools, UpstreamIdentity, UpstreamRefused
from connectors import claims_map, oidc
from connectors.oidc_settings import Algorithm

CLAIMS = claims_map("google")

ISSUER = "https://accounts.google.com"
_GOOGLES_OWN = frozenset({"gmail.com", "googlemail.com"})
_DOMAIN = r"^(\*|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)$"


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


HostedDomains = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=_DOMAIN, to_lower=True)], ...],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _DOMAIN},
                {"type": "array", "items": {"type": "string", "pattern": _DOMAIN}, "minItems": 1},
            ]
        }
    ),
]


class Settings(oidc.Common):
    """An OAuth client of a Google Cloud project."""

    hosted_domain: HostedDomains | None = None
    """Only accounts of this organization may sign in, by its primary domain, or of one of a list of them;
    `"*"` for those of any organization. Without it everybody who has a Google account."""
    access_type: Literal["online", "offline"] = "online"
    """`offline`: Google gives a refresh token, so that it can be asked again without the person. It shows
    its consent page at each login for that."""
    id_token_signing_algs: tuple[Algorithm, ...] = Field(default=("RS256",), min_length=1)
    """The algorithms that its ID Tokens may be signed with."""

    @model_validator(mode="after")
    def _as_google_has_it(self) -> Self:
        """What Google has, and what it has not."""
        if "offline_access" in self.scope.split():
            raise ValueError("scope: Google has no offline_access; say access_type: offline")
        if self.hosted_domain is not None and "*" in self.hosted_domain and len(self.hosted_domain) > 1:
            raise ValueError('hosted_domain: "*" is every organization, and stands alone')
        return self

    @property
    def cannot_refresh(self) -> str | None:
        """Google gives a refresh token by another parameter."""
        return "it wants access_type: offline" if self.access_type == "online" else None

    @property
    def cannot_log_out(self) -> str | None:
        """Google ends no session for anybody else."""
        return "there is no logout at Google"

    @property
    def issuer(self) -> str:
        """The one issuer of Google."""
        return ISSUER


class Connector(oidc.Connector):
    """Google."""

    prompts = frozenset({"none", "login", "consent", "select_account"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer), tools)
        self._own = settings

    async def probe(self) -> list[Finding]:
        """What works and what does not; and who may sign in, since an account is anybody's to make."""
        domains = self._own.hosted_domain
        open_to = "everybody with an account; hosted_domain would change that"
        detail = open_to if domains is None else f"accounts of {', '.join(domains)}"
        who = Finding(what="who may sign in", good=None if domains is None else True, detail=detail)
        return [*await super().probe(), who]

    def parameters(self, login: Login) -> Mapping[str, str]:
        """Whose accounts to show, and whether a refresh token is wanted."""
        domains, said = self._own.hosted_domain, {}
        if domains is not None:
            said["hd"] = domains[0] if len(domains) == 1 else "*"
        if self._own.access_type == "offline":
            # Only with a consent page is there a refresh token each time, and not just the first.
            said |= {"access_type": "offline", "prompt": " ".join((*login.prompt, "consent"))}
        return said

    def check(self, claims: SignedClaims) -> None:
        """That it is an account of an organization that may sign in; no claim is no organization."""
        wanted, domain = self._own.hosted_domain, claims.get("hd")
        if wanted is None:
            return
        member = isinstance(domain, str) and bool(domain)
        if not member or ("*" not in wanted and str(domain).lower() not in wanted):
            raise UpstreamRefused("access_denied", "an account of no organization that may sign in")

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """An address counts as verified where Google hosts it; of another it was told once, long ago."""
        organization = identity.id_token.get("hd")
        return replace(
            identity,
            id_token=_vouched(identity.id_token, organization),
            userinfo=_vouched(identity.userinfo, organization),
        )


def _vouched(said: Mapping[str, Json], organization: Json) -> Mapping[str, Json]:
    if "email_verified" not in said:
        return said
    name, at, domain = str(said.get("email")).partition("@")
    hosted = isinstance(organization, str) and bool(organization)
    own = bool(name and at) and domain.lower() in _GOOGLES_OWN
    return {**said, "email_verified": said["email_verified"] is True and (hosted or own)}
