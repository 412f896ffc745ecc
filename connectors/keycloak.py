"""Keycloak: the issuer is a realm; roles live in the access token, which is read only where it is asked for.

The issuer follows the realm's host name, so where the broker reaches Keycloak by an inner address the
metadata's own place (``discovery_url``) is said separately.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, StrictBool

from broker.connector import Json, Login, SignedClaims, Tools, UpstreamInvalid
from connectors import claims_map, oauth2, oidc
from connectors.oidc_metadata import Metadata
from connectors.oidc_settings import IssuerUrl, Text, Url

CLAIMS = claims_map("keycloak")

ROLE_CLAIMS = ("realm_access", "resource_access")


class Settings(oidc.Common):
    """A Keycloak realm."""

    base_url: Annotated[IssuerUrl, AfterValidator(lambda url: url.removesuffix("/"))]
    """Where Keycloak is, such as `https://sso.acme.example`; with `/auth` where it has that path."""
    realm: Text
    """The realm that people are in."""
    kc_idp_hint: Text | None = None
    """Sends people straight to this identity provider of the realm."""
    discovery_url: Url | None = None
    """Where the broker reads the realm's metadata, if not at the address that people see."""
    roles_from_access_token: StrictBool = False
    """Reads `realm_access` and `resource_access` from the access token, where Keycloak keeps roles."""

    @property
    def issuer(self) -> str:
        """The realm's issuer."""
        return f"{self.base_url}/realms/{quote(self.realm, safe='')}"


class Connector(oidc.Connector):
    """A Keycloak realm."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer, discovery_url=settings.discovery_url), tools)
        self._own = settings

    def parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """Which identity provider behind Keycloak."""
        return {"kc_idp_hint": self._own.kc_idp_hint} if self._own.kc_idp_hint is not None else {}

    async def further(
        self, tokens: oauth2.Tokens, claims: SignedClaims, metadata: Metadata
    ) -> Mapping[str, Json]:
        """The realm, and the roles in the access token: for us only because that realm signed it for us."""
        realm = {"realm": self._own.realm}
        if not self._own.roles_from_access_token:
            return realm
        if tokens.access_token is None:
            raise UpstreamInvalid("access_token_missing")
        algorithms = self._own.id_token_signing_algs
        token = await self._tools.verify.signed(
            tokens.access_token, jwks_uri=metadata.jwks_uri, algorithms=algorithms
        )
        self._check_access_token(token, claims)
        return realm | {name: token[name] for name in ROLE_CLAIMS if name in token}

    def _check_access_token(self, token: Mapping[str, Any], claims: SignedClaims) -> None:
        """Ours and this person's. Its ``aud`` is often ``account``; ``azp`` is whom it was given to."""
        expires = token.get("exp")
        alive = isinstance(expires, int) and not isinstance(expires, bool) and expires > self._tools.now()
        rules = {
            "iss": token.get("iss") == claims["iss"],
            "typ": token.get("typ") == "Bearer",
            "azp": token.get("azp") == self._own.client_id,
            "sub": token.get("sub", claims["sub"]) == claims["sub"],  # some realms leave it out
            "exp": alive,
        }
        broken = [name for name, holds in rules.items() if not holds]
        if broken:
            raise UpstreamInvalid(f"access_token_{broken[0]}_mismatch")
