"""Entrust Identity as a Service: the issuer is the account's own, and each application has ways of its own.

An application there decides how the broker authenticates, what signs its ID Tokens and whether its userinfo
is JSON or a JWT. It may even leave ID Tokens unsigned, and then sends the claims as a plain object: neither
is ever read. OpenID Connect Core §2, §3.1.3.7 and §11.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from broker.connector import Finding, Login, SignedClaims, Tools, UpstreamInvalid
from connectors import claims_map, oauth2, oidc
from connectors.oidc_settings import Domain, Text, origin_of

CLAIMS = claims_map("entrust")

_ADDRESS = (
    "people are known by an e-mail address, which can be changed and given to somebody else: "
    "set the application's Subject ID Attribute to Unique User ID"
)
log = logging.getLogger(__name__)


class Settings(oidc.Common):
    """An application of an Entrust Identity as a Service account."""

    refresh_scope = "offline_access"
    domain: Domain
    """The account's domain, with its region: `acme.us.trustedauth.com`, `….ie.…` or `….de.…`."""
    org_id: Text | None = None
    """Sends people straight to this organization of the account."""

    @property
    def issuer(self) -> str:
        """The account's issuer."""
        return f"{origin_of(self.domain)}/api/oidc"


class Connector(oidc.Connector):
    """An application at Entrust."""

    prompts = frozenset({"login", "consent"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings.on(settings.issuer), tools)
        self._own = settings
        self._warned = False

    async def probe(self) -> list[Finding]:
        """What works and what does not; and by what people are known, which only a login shows."""
        good = False if self._warned else None
        detail = _ADDRESS if self._warned else "see that the Subject ID Attribute is Unique User ID"
        return [*await super().probe(), Finding(what="subject", good=good, detail=detail)]

    def parameters(self, login: Login) -> Mapping[str, str]:
        """Which organization; and where a refresh token is wanted, the consent page that it comes with."""
        said = {} if self._own.org_id is None else {"org_id": self._own.org_id}
        if "offline_access" in self._own.scope.split():
            said["prompt"] = "login consent" if login.prompt else "consent"  # Core §11
        return said

    def logout_by(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing: Entrust knows no hint of an ID Token."""
        return {}

    def check(self, claims: SignedClaims) -> None:
        """That the account knows this way of signing in; and a word where people have no fixed name."""
        known = self._metadata.document.get("acr_values_supported") if self._metadata is not None else None
        if claims.get("acr") is not None and isinstance(known, list) and claims["acr"] not in known:
            raise UpstreamInvalid("id_token_acr_unknown", f"acr {str(claims['acr'])[:100]!r}")
        if "@" in str(claims["sub"]) and not self._warned:
            self._warned = True
            log.warning("connector %s: %s", self._tools.here.connector, _ADDRESS)
