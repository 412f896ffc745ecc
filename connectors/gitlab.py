"""GitLab: OpenID Connect at gitlab.com or at a server of one's own; groups come from userinfo.

The ID Token names only the groups that somebody is a direct member of, and little else, so userinfo is
pulled. A group is known by its path, and a path can be given up: GitLab tells no numbers of groups.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from broker.connector import Json, Tools, UpstreamIdentity, UpstreamInvalid, UpstreamRefused
from connectors import claims_map, oidc
from connectors.oidc_settings import Algorithm, IssuerUrl

CLAIMS = claims_map("gitlab")

_PATH = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
Group = Annotated[
    str, StringConstraints(pattern=rf"^{_PATH}(/{_PATH})*$", max_length=1000), AfterValidator(str.lower)
]


class Settings(oidc.Common):
    """An application at GitLab."""

    base_url: Annotated[IssuerUrl, AfterValidator(lambda url: url.removesuffix("/"))] = "https://gitlab.com"
    """Where GitLab is: `https://gitlab.com`, or the address of a server of your own."""
    allowed_groups: Annotated[tuple[Group, ...], Field(min_length=1)] | None = None
    """Only members of one of these groups may sign in, each by its full path, such as `acme/platform`.
    Members of a group are members of the groups in it; not the other way round."""
    get_user_info: StrictBool = True
    """Pulls the userinfo answer at each login. Without it there are no names, and only those groups that
    somebody is a direct member of."""
    id_token_signing_algs: tuple[Algorithm, ...] = Field(default=("RS256",), min_length=1)
    """The algorithms that its ID Tokens may be signed with."""

    @property
    def issuer(self) -> str:
        """GitLab's name for itself: its address."""
        return self.base_url

    @property
    def cannot_log_out(self) -> str | None:
        """GitLab ends no session for anybody else."""
        return "there is no logout at GitLab"


class Connector(oidc.Connector):
    """A GitLab."""

    prompts = frozenset({"none", "login", "consent"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer), tools)
        self._allowed = settings.allowed_groups

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """Whether they are in a group that may sign in; groups that are not told are none."""
        if self._allowed is not None:
            # Userinfo tells them all, as they are now; the ID Token may be of the login.
            told = identity.userinfo.get("groups", identity.id_token.get("groups_direct"))
            if set(self._allowed).isdisjoint(_paths(told)):
                raise UpstreamRefused("access_denied", "in no allowed group")
        return identity


def _paths(told: Json) -> list[str]:
    if told is None:
        return []
    if not isinstance(told, list) or not all(isinstance(path, str) for path in told):
        raise UpstreamInvalid("groups_malformed", "groups that are no list of paths")
    return [path.lower() for path in told]
