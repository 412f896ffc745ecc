"""Auth0: the issuer is the domain with a slash; a connection or an organization may be asked for.

Roles and groups are claims under a URL of the operator's choice, so only a map of their own can name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, StrictBool

from broker.connector import Login, SignedClaims, Tools, UpstreamError, UpstreamRefused
from connectors import claims_map, oauth2, oidc, oidc_logout
from connectors.oidc_settings import Algorithm, Domain, Text, origin_of
from connectors.strictly import word

CLAIMS = claims_map("auth0")


class Settings(oidc.Common):
    """An Auth0 tenant."""

    refresh_scope = "offline_access"
    domain: Domain
    """The tenant's domain, such as `acme.eu.auth0.com`, or its custom domain."""
    connection: Text | None = None
    """Sends people straight to this connection."""
    organization: Text | None = None
    """The organization (its id, or its name where the tenant allows names) that people must sign in to."""
    logout_endpoint: Literal["auto", "oidc", "v2"] = "auto"
    """For `upstream_logout`: `oidc` is `/oidc/logout`, `v2` the older `/v2/logout`. `auto` takes the first
    where the tenant's metadata tells of it."""
    federated_logout: StrictBool = False
    """For `upstream_logout`: also ends the session at the identity provider behind Auth0, where it can."""
    id_token_signing_algs: tuple[Algorithm, ...] = Field(default=("RS256", "PS256"), min_length=1)
    """The algorithms that its ID Tokens may be signed with."""

    @property
    def issuer(self) -> str:
        """With a slash: without it, it is somebody else."""
        return f"{origin_of(self.domain)}/"


class Connector(oidc.Connector):
    """An Auth0 tenant."""

    prompts = frozenset({"none", "login", "consent"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer), tools)
        self._own = settings

    def parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """Which connection, which organization."""
        asked = {"connection": self._own.connection, "organization": self._own.organization}
        return {name: value for name, value in asked.items() if value is not None}

    def logout_by(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, str]:
        """The session, by which Auth0 asks nothing; where it was not told, the ID Token."""
        sid = word(claims.get("sid"))
        return super().logout_by(tokens, claims) if sid is None else {"logout_hint": sid}

    async def logout_url(self, by: Mapping[str, str], back: str) -> str | None:
        """Of the tenant's two, the one that it has."""
        choice, federated = self._own.logout_endpoint, {"federated": ""} if self._own.federated_logout else {}
        told = None
        if choice == "auto":
            told = oidc_logout.endpoint(await self._discover(), self._settings)
        if choice == "v2" or (choice == "auto" and told is None):
            asked = {"client_id": self._own.client_id, "returnTo": back, **federated}
            return oauth2.authorization_url(f"{self._own.issuer}v2/logout", asked)
        asked = {**by, "client_id": self._own.client_id, "post_logout_redirect_uri": back, **federated}
        return oauth2.authorization_url(told or f"{self._own.issuer}oidc/logout", asked)

    def refused(self, refused: UpstreamRefused) -> UpstreamError:
        """Rules, which Actions replaced, say ``unauthorized`` where they mean ``access_denied``."""
        return (
            UpstreamRefused("access_denied", refused.detail) if refused.error == "unauthorized" else refused
        )

    def check(self, claims: SignedClaims) -> None:
        """That the person signed in to the organization that was asked for, not to another."""
        organization = self._own.organization
        if organization is None:
            return
        by_id = organization.startswith("org_")
        told = claims.get("org_id" if by_id else "org_name")
        # Auth0 keeps names of organizations in lower case, however they are asked for.
        if told != (organization if by_id else organization.lower()):
            raise UpstreamRefused("access_denied", "signed in to another organization")
