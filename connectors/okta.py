"""Okta: an org's own authorization server, or a custom one of it, each an issuer of its own.

A custom authorization server may leave profile and groups out of the ID Token when it also gives an access
token, so there userinfo is pulled unless the operator says otherwise. Client assertions are for the token
endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, StrictBool, model_validator

from broker.connector import Finding, Login, Tools
from connectors import claims_map, oidc
from connectors.oidc_settings import Domain, Text, origin_of

CLAIMS = claims_map("okta")


def _not_admin(domain: str) -> str:
    if domain.partition(".")[0].endswith("-admin"):
        raise ValueError("is the address of the admin console; people sign in without -admin")
    return domain


class Settings(oidc.Common):
    """An Okta org."""

    refresh_scope = "offline_access"
    domain: Annotated[Domain, AfterValidator(_not_admin)]
    """The org's domain, such as `acme.okta.com`, or its custom domain."""
    authorization_server_id: Text | None = None
    """The custom authorization server, such as `default`; without it the org's own."""
    idp: Text | None = None
    """Sends people straight to this identity provider of the org."""
    get_user_info: StrictBool = False
    """Pulls the userinfo answer at each login; with an `authorization_server_id` the default is `true`, since
    a custom authorization server may tell name, e-mail and groups only there."""

    @model_validator(mode="before")
    @classmethod
    def _thin_tokens(cls, written: Any) -> Any:
        custom = isinstance(written, Mapping) and written.get("authorization_server_id") is not None
        return {"get_user_info": True, **written} if custom else written

    @property
    def issuer(self) -> str:
        """The authorization server's own issuer."""
        path = (
            f"/oauth2/{quote(self.authorization_server_id, safe='')}" if self.authorization_server_id else ""
        )
        return f"{origin_of(self.domain)}{path}"


class Connector(oidc.Connector):
    """An authorization server of an Okta org."""

    prompts = frozenset({"none", "login", "consent"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer, client_assertion_audience="token_endpoint"), tools)
        self._own = settings

    async def probe(self) -> list[Finding]:
        """What works and what does not, and what a custom authorization server may leave out."""
        found = await super().probe()
        if self._own.authorization_server_id is not None and not self._own.get_user_info:
            detail = "not asked; ID Tokens of a custom authorization server may lack profile and groups"
            found.append(Finding(what="userinfo", good=None, detail=detail))
        return found

    def parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """Which identity provider behind Okta."""
        return {"idp": self._own.idp} if self._own.idp is not None else {}

    def logout_parameters(self, by: Mapping[str, str], back: str) -> Mapping[str, str] | None:
        """Without the ID Token Okta answers with an error, and nobody is signed out."""
        return {**by, "post_logout_redirect_uri": back} if by else None
