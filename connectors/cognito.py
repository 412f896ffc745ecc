"""AWS Cognito user pools: the issuer is the pool, but people sign in on the pool's own domain.

Metadata and keys lie at the issuer, the endpoints on the hosted or custom domain; a pool without a domain
publishes endpoints that do not work. All app clients of a pool share its issuer and keys, so the audience
alone tells them apart, and `token_use` an ID Token from an access token. PKCE works although the metadata
does not say so, and userinfo writes its booleans as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import StringConstraints, model_validator

from broker.connector import (
    Json,
    Login,
    SignedClaims,
    Tools,
    UpstreamDetour,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamUnavailable,
)
from connectors import claims_map, oauth2, oidc
from connectors.freshness import is_too_old
from connectors.oidc_metadata import Metadata
from connectors.oidc_settings import Text, Url
from connectors.strictly import booleans

CLAIMS = claims_map("cognito")

PoolId = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]{1,12}){1,3}-[0-9]{1,2}_[0-9A-Za-z]{1,55}$")
]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]{1,12}){1,3}-[0-9]{1,2}$")]
PoolDomain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]

_TEXT_BOOLEANS = ("email_verified", "phone_number_verified")

# Cognito answers `invalid_request` to whatever went wrong at the provider behind it, or in a Lambda trigger.
_LATER = re.compile(
    r"Timeout occurred|timed out|Connection (reset|refused)|Error - 5[0-9][0-9] ", re.IGNORECASE
)
_TRIGGER_SAID_NO = re.compile(r"UserLambdaValidation|\b(PreSignUp|PreAuthentication) failed with error")


class Settings(oidc.Common):
    """A Cognito user pool."""

    user_pool_id: PoolId
    """The id of the pool, such as `eu-west-1_EXAMPLE01`."""
    region: Region | None = None
    """The region of the pool; without it what its id begins with."""
    domain: PoolDomain | None = None
    """Where people sign in, for a pool with more than one domain: the prefix of its Cognito domain, such as
    `acme`, or a custom domain, such as `login.acme.example`. Without it what the pool's metadata says."""
    issuer_type: Literal["original", "updated"] = "original"
    """`updated` for a pool configured so: its issuer begins with `issuer-cognito-idp`."""
    identity_provider: Text | None = None
    """Sends people straight to this identity provider of the pool."""
    endpoint_url: Url | None = None
    """Another address of Cognito's API, for a pool in an emulator. The issuer is then below it."""

    @model_validator(mode="after")
    def _as_cognito_has_it(self) -> Self:
        """What Cognito has, and what it has not."""
        if self.region is not None and not self.user_pool_id.startswith(f"{self.region}_"):
            raise ValueError(f"region: the pool {self.user_pool_id} lies in another one")
        if self.private_key is not None:
            raise ValueError("private_key: Cognito has no private_key_jwt; give the client_secret")
        if self.token_audiences:
            # The app clients of a pool share its keys: another audience is another app's token.
            raise ValueError("token_audiences: an ID Token of Cognito is for one app client alone")
        if self.response_mode is not None:
            raise ValueError("response_mode: Cognito answers by query only")
        return self

    @property
    def issuer(self) -> str:
        """The pool's issuer, in the partition of its region."""
        if self.endpoint_url is not None:
            return f"{self.endpoint_url.removesuffix('/')}/{self.user_pool_id}"
        region = self.user_pool_id.partition("_")[0]
        service = "issuer-cognito-idp" if self.issuer_type == "updated" else "cognito-idp"
        partition = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://{service}.{region}.{partition}/{self.user_pool_id}"

    @property
    def endpoints(self) -> dict[str, str]:
        """Those on the domain that the operator names."""
        if self.domain is None:
            return {}
        region = self.user_pool_id.partition("_")[0]
        hosted = f"{self.domain}.auth.{region}.amazoncognito.com"
        base = f"https://{self.domain if '.' in self.domain else hosted}/oauth2"
        return {
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "userinfo_endpoint": f"{base}/userInfo",
        }


class Connector(oidc.Connector):
    """A Cognito user pool."""

    prompts = frozenset({"none", "login"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        # The metadata is silent about PKCE, and S256 is what Cognito has.
        super().__init__(settings.on(settings.issuer, pkce="always", **settings.endpoints), tools)
        self._own = settings

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """A session of the pool that is older than asked ends in one more login with ``prompt=login``."""
        identity = await super().finish(login, answer, memory)
        # Cognito has no max_age; it does tell when the person signed in, and knows prompt=login.
        if not login.detour and is_too_old(identity, login, self._tools.now()):
            raise UpstreamDetour("login", "the session of the pool is older than max_age")
        return identity

    def parameters(self, login: Login) -> Mapping[str, str]:
        """Which identity provider behind the pool, and the language in Cognito's own word."""
        said = {
            "identity_provider": self._own.identity_provider or "",
            "lang": next(iter(login.ui_locales), ""),
            "prompt": "login" if login.detour == "login" else "",
        }
        return {name: value for name, value in said.items() if value}

    def read(self, document: Mapping[str, Json], known: Metadata | None) -> Metadata:
        """The pool's metadata, unless it has no domain: then nobody can sign in there."""
        metadata = super().read(document, known)
        if _host(metadata.authorization_endpoint) == _host(self._own.issuer):
            detail = f"the user pool {self._own.user_pool_id} has no domain; add one in the Cognito console"
            raise UpstreamInvalid("metadata_pool_without_domain", detail)
        return metadata

    async def logout_url(self, by: Mapping[str, str], back: str) -> str | None:  # noqa: ARG002
        """The pool's own way out. Its metadata calls it by OpenID Connect's name, but it is not that."""
        pool = await self._discover()
        where = urlsplit(pool.authorization_endpoint)._replace(path="/logout", query="").geturl()
        return oauth2.authorization_url(where, {"client_id": self._own.client_id, "logout_uri": back})

    def logout_by(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing: it ends the session of whoever is in the browser."""
        return {}

    def refused(self, refused: UpstreamRefused) -> UpstreamError:
        """What Cognito calls ``invalid_request`` is often something else."""
        if refused.error == "invalid_request":
            if _LATER.search(refused.detail):
                return UpstreamUnavailable(f"the provider behind Cognito: {refused.detail}")
            if _TRIGGER_SAID_NO.search(refused.detail):
                return UpstreamRefused("access_denied", refused.detail)
        return refused

    def check(self, claims: SignedClaims) -> None:
        """That it is an ID Token, and for this app client alone."""
        if claims.get("token_use") != "id":
            raise UpstreamInvalid(
                "id_token_token_use_mismatch", f"token_use {str(claims.get('token_use'))[:20]!r}"
            )
        if claims["aud"] not in (self._own.client_id, [self._own.client_id]):
            raise UpstreamInvalid("id_token_aud_untrusted")

    async def userinfo(
        self, tokens: oauth2.Tokens, claims: SignedClaims, metadata: Metadata
    ) -> Mapping[str, Json]:
        """The userinfo answer with its booleans as booleans."""
        return booleans(await super().userinfo(tokens, claims, metadata), _TEXT_BOOLEANS)


def _host(url: str) -> str:
    return urlsplit(url).netloc
