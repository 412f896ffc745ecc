"""Azure AD B2C: each policy has metadata, endpoints and keys of its own, below one tenant's issuer.

The issuer names the tenant's GUID and mostly not the policy, so `tfp` (`acr` in old policies) must be the
policy that was asked for. There is no userinfo, and an access token only where one is asked for. A person who
forgot their password is sent to the policy for that, and then to sign in: the new password, and whatever else
the sign-in policy demands, are proved there. So no token of the other policy is ever wanted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Self

from pydantic import AfterValidator, StrictBool, StringConstraints, model_validator

from broker.connector import (
    Departure,
    Finding,
    IssuerRule,
    Json,
    Login,
    SignedClaims,
    Tools,
    UpstreamDetour,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
)
from connectors import claims_map, oauth2, oidc
from connectors.entra_settings import GUID, TenantId
from connectors.oidc_metadata import Metadata, read_metadata
from connectors.oidc_settings import Domain, Text, openid, origin_of

CLAIMS = claims_map("azure_b2c")

TenantName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,61}(\.onmicrosoft\.com)?$"),
    AfterValidator(lambda name: name.lower().removesuffix(".onmicrosoft.com")),
]
Policy = Annotated[str, StringConstraints(pattern=r"^[Bb]2[Cc]_1[Aa]?_[A-Za-z0-9_-]{1,120}$")]

RESET, BACK = "password_reset", "back_from_password_reset"
_CODE = re.compile(r"AADB2C([0-9]{5})")
_FORGOTTEN, _CANCELLED = "90118", "90091"
_MEANING = {
    _FORGOTTEN: "access_denied",  # where no policy for it is configured
    _CANCELLED: "access_denied",
    "90157": "access_denied",  # too many tries
    "90077": "login_required",
    "90035": "temporarily_unavailable",
}
"""What a number means, where the OAuth error beside it may say something else."""
_NO_SUBJECT = "Not supported currently"


class Settings(oidc.Common):
    """A user flow or custom policy of an Azure AD B2C tenant."""

    refresh_scope = "offline_access"
    tenant: TenantName
    """The tenant's name, `acme` of `acme.onmicrosoft.com`."""
    policy: Policy
    """The user flow or policy that people sign in with, such as `B2C_1_signin`."""
    password_reset_policy: Policy | None = None
    """The user flow for a forgotten password, where the sign-in page leaves that to us (`AADB2C90118`)."""
    custom_domain: Domain | None = None
    """The tenant's own domain, such as `login.acme.example`, instead of `<tenant>.b2clogin.com`."""
    tenant_id: TenantId | None = None
    """The tenant's id. Without it, what the metadata says; it is a part of each person's subject."""
    scope: Annotated[Text, AfterValidator(openid)] = "openid"
    """What is asked of B2C, with a space between the scopes."""
    request_access_token: StrictBool = False
    """Asks for an access token too, by the client id as a scope. The broker itself needs none."""
    domain_hint: Text | None = None
    """Sends people straight to this identity provider of the policy."""
    trust_email: StrictBool = False
    """Takes the e-mail addresses of this tenant for proved: they are, where every way to sign up or to change
    one has the address verified, also those through other providers."""

    @model_validator(mode="after")
    def _as_b2c_has_it(self) -> Self:
        """What B2C has not is told before a login needs it."""
        if self.get_user_info:
            raise ValueError("get_user_info: B2C has no userinfo; add the claims to the policy's token")
        if (
            self.password_reset_policy is not None
            and self.password_reset_policy.lower() == self.policy.lower()
        ):
            raise ValueError("password_reset_policy: is the sign-in policy itself")
        return self

    @property
    def base_url(self) -> str:
        """Where people sign in."""
        return origin_of(self.custom_domain or f"{self.tenant}.b2clogin.com")

    @property
    def issuer(self) -> str:
        """Who vouches for people: the tenant, whatever form its tokens have at the time."""
        return (
            f"https://{self.tenant}.b2clogin.com/{self.tenant_id or f'{self.tenant}.onmicrosoft.com'}/v2.0/"
        )

    def document_url(self, policy: str) -> str:
        """Where a policy's metadata is."""
        return f"{self.base_url}/{self.tenant}.onmicrosoft.com/{policy}/v2.0/.well-known/openid-configuration"

    @property
    def asked_scope(self) -> str:
        """The scope with what brings an access token."""
        return f"{self.scope} {self.client_id}" if self.request_access_token else self.scope


class OnePolicy(oidc.Connector):
    """One policy of the tenant."""

    prompts = frozenset({"none", "login"})

    def __init__(self, settings: Settings, policy: str, tools: Tools) -> None:
        more: dict[str, object] = {
            "discovery_url": settings.document_url(policy),
            "scope": settings.asked_scope,
            "client_assertion_audience": "token_endpoint",
        }
        if settings.client_secret is not None and settings.token_endpoint_auth_method is None:
            more["token_endpoint_auth_method"] = "client_secret_post"  # its metadata may list no way at all
        super().__init__(settings.on(settings.issuer, **more), tools)
        self._own, self._policy, self._tenant_id = settings, policy, settings.tenant_id

    @property
    def callback_issuer(self) -> str | None:
        """What the metadata calls itself, once that is known."""
        return next(iter(self._issuer.exact), None) if isinstance(self._issuer, IssuerRule) else None

    def parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """Which identity provider behind the policy."""
        return {"domain_hint": self._own.domain_hint} if self._own.domain_hint else {}

    def token_parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """B2C gives what is asked for at both endpoints only."""
        return {"scope": self._own.asked_scope}

    def read(self, document: Mapping[str, Json], known: Metadata | None) -> Metadata:
        """The policy's metadata, which says the tenant's issuer in one of its forms."""
        issuer = document.get("issuer")
        tenant_id = self._tenant_of(issuer) if isinstance(issuer, str) else None
        if tenant_id is None:
            raise UpstreamInvalid("metadata_issuer_mismatch", f"it says {oauth2.printable(str(issuer))}")
        if self._tenant_id not in {None, tenant_id}:
            raise UpstreamInvalid("metadata_issuer_mismatch", f"it is of the tenant {tenant_id}")
        settings = self._settings.model_copy(update={"discovery_issuer": issuer})
        metadata = read_metadata(document, settings, known)
        self._tenant_id, self._issuer = tenant_id, IssuerRule(exact=frozenset({str(issuer)}))
        return metadata

    def _tenant_of(self, issuer: str) -> str | None:
        """The tenant's id in an issuer: with or without the policy, or with the tenant's name."""
        host, policy = re.escape(self._own.base_url), re.escape(self._policy)
        found = re.fullmatch(rf"{host}(/tfp)?/({GUID.pattern})(/(?i:{policy}))?/v2\.0/", issuer)
        if found is not None and (found[1] is None) is (found[4] is None):
            return found[2].lower()
        by_name = issuer == f"{self._own.base_url}/{self._own.tenant}.onmicrosoft.com/v2.0/"
        return self._own.tenant_id if by_name else None

    def check(self, claims: SignedClaims) -> None:
        """That it was this policy; its name is written in any case."""
        said = claims["tfp"] if "tfp" in claims else claims.get("acr")
        if not isinstance(said, str) or said.lower() != self._policy.lower():
            raise UpstreamInvalid("policy_mismatch", f"the token is of {oauth2.printable(str(said))}")

    def subject(self, claims: SignedClaims) -> str:
        """`sub`, unless the policy says that it gives none: the same text for everybody."""
        subject = str(claims["sub"])
        if subject.startswith(_NO_SUBJECT):
            raise UpstreamInvalid(
                "sub_not_supported", "set the policy's subject claim to ObjectID: now it is the same for all"
            )
        return subject

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """The tenant vouches: its tokens' form, a policy or a new domain make nobody somebody else."""
        issuer = f"https://{self._own.tenant}.b2clogin.com/{self._tenant_id}/v2.0/"
        return replace(super().settled(identity), issuer=issuer)

    async def further(
        self,
        tokens: oauth2.Tokens,  # noqa: ARG002
        claims: SignedClaims,
        metadata: Metadata,  # noqa: ARG002
    ) -> Mapping[str, Json]:
        """The tenant, and the address, with whether it counts as proved."""
        emails = claims.get("emails")
        listed = emails if isinstance(emails, list) else []
        known = [claims.get("email"), *listed[:1], claims.get("signInNames.emailAddress")]
        email = next((one for one in known if isinstance(one, str) and one), None)
        address = {} if email is None else {"email": email, "email_verified": self._own.trust_email}
        return {"tenant": self._tenant_id, **address}

    def refused(self, refused: UpstreamRefused) -> UpstreamError:
        """By B2C's number, where the error beside it may say something else."""
        number = _number(refused)
        return UpstreamRefused(_MEANING.get(number, refused.error), refused.detail)


class Connector(OnePolicy):
    """The sign-in policy, and the way round by the one for forgotten passwords."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(settings, settings.policy, tools)
        reset = settings.password_reset_policy
        self._reset = None if reset is None else OnePolicy(settings, reset, tools)

    async def begin(self, login: Login) -> Departure:
        """To the sign-in policy, or to the other on the way round."""
        if login.detour == RESET and self._reset is not None:
            # Nothing of the request is about it: no prompt, no age, no hint.
            return await self._reset.begin(replace(login, prompt=(), max_age=None, acr_values=()))
        return await super().begin(login)

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """A person; or the way round by the policy for forgotten passwords, and back to sign in."""
        if login.detour == RESET:
            self._end_of_reset(answer)
        try:
            return await super().finish(login, answer, memory)
        except UpstreamRefused as error:
            if _number(error) == _FORGOTTEN and self._reset is not None:
                raise UpstreamDetour(RESET, error.detail) from error
            raise

    async def probe(self) -> list[Finding]:
        """What works and what does not, at both policies."""
        found = await super().probe()
        if self._reset is not None:
            theirs = await self._reset.probe()
            found += [replace(one, what=f"password reset: {one.what}") for one in theirs]
        return found

    def _end_of_reset(self, answer: Mapping[str, str]) -> None:
        """Whether it was reset or given up, what comes next is signing in. The code there is not redeemed."""
        try:
            oauth2.read_code(answer, issuer=None)
        except UpstreamRefused as error:
            if _number(error) != _CANCELLED:
                raise self.refused(error) from error
        raise UpstreamDetour(BACK, "the policy for forgotten passwords has ended")


def _number(refused: UpstreamRefused) -> str:
    found = _CODE.search(refused.detail)
    return found[1] if found is not None else ""
