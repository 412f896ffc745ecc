"""What an operator writes about Microsoft Entra ID: which tenants, which cloud, and how groups are had.

Owns `Settings`. A tenant is known by its GUID: a domain name can change hands. What could let a stranger in
has no default: several tenants need a list, or the operator's word that anybody may come.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, model_validator

from broker.connector import LocalFile
from connectors import oidc
from connectors.oidc_settings import Text, Url

CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal Microsoft accounts."""
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
SHARED = frozenset({"common", "organizations", "consumers"})
"""The names under which Entra takes people of more than one organisation."""

Cloud = Literal["global", "us_government", "us_government_dod", "china"]
CLOUDS: dict[Cloud, tuple[str, str]] = {
    "global": ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "us_government": ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "us_government_dod": ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": ("https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
}
"""Where people sign in, and where Microsoft Graph is."""


def _tenant(name: str) -> str:
    name = name.lower()
    if GUID.fullmatch(name) is None and name not in SHARED and "." not in name:
        raise ValueError("is a tenant's id, one of its domains, or common, organizations, consumers")
    return name


def _guid(text: str) -> str:
    if GUID.fullmatch(text) is None:
        raise ValueError("is no tenant id; domains can change hands, ids never do")
    return text.lower()


def thumbprint(certificate: Path) -> str:
    """The SHA-256 of the first certificate in a PEM file, as `x5t#S256` has it (RFC 7515 §4.1.8)."""
    found = _PEM.search(certificate.read_text(encoding="ascii", errors="replace"))
    try:
        der = PEM_cert_to_DER_cert(found[0] if found is not None else "")
    except ValueError:
        raise ValueError(f"certificate: there is none in {certificate}") from None
    return urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()


Tenant = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"),
    AfterValidator(_tenant),
]
TenantId = Annotated[str, AfterValidator(_guid)]


class Settings(oidc.Common):
    """Microsoft Entra ID."""

    refresh_scope = "offline_access"
    tenant: Tenant
    """The id of the tenant, or one of its domains; or `organizations` (work and school accounts of any
    tenant), `common` (those and personal accounts), `consumers` (personal accounts)."""
    allowed_tenants: tuple[TenantId, ...] = ()
    """The ids of the tenants whose people may sign in; needed for `organizations` and `common`."""
    allow_any_tenant: StrictBool = False
    """Lets people of every organisation in, whoever runs it. Only with `organizations` or `common`."""
    allow_consumers: StrictBool = False
    """Lets personal Microsoft accounts in. Only with `common`; `tenant: consumers` says it too."""
    allow_guests: StrictBool = False
    """Lets guests of a tenant in whose own tenant is none of `allowed_tenants`."""
    cloud: Cloud = "global"
    """Microsoft's cloud that the tenant is in."""
    authority: Url | None = None
    """Where people sign in, if not where the cloud has it: for an emulator, or a gateway."""
    graph: Url | None = None
    """Where Microsoft Graph is, if not where the cloud has it."""
    certificate: LocalFile | None = None
    """A PEM file with the certificate of the `private_key`, the one that the app registration has: Entra
    finds the key by its thumbprint."""
    domain_hint: Text | None = None
    """Sends people straight to the sign-in page of this domain, or with `organizations` and `consumers` to
    that kind of account."""
    trust_email: StrictBool = False
    """Takes the e-mail addresses of this one tenant's own people for proved, although its administrators can
    write any address there. Without it only those whose `xms_edov` says so."""
    get_groups: Literal["overage", "always", "never"] = "overage"
    """When Microsoft Graph is asked for groups: where the ID Token says that they are too many for it, at
    every login, or never. Graph wants `User.Read` and `GroupMember.Read.All`, in `scope` or consented to by
    an administrator."""
    group_names: StrictBool = False
    """Asks Graph for the groups' display names too; a map finds them as `api.group_names`. Names are not
    unique, and whoever may make a group chooses one."""
    security_groups_only: StrictBool = False
    """Asks Graph for security groups only."""
    max_groups: int = Field(default=1000, ge=1, le=11000, strict=True)
    """Whoever is in more groups than this cannot sign in: a rule of a map takes 1000 entries. Graph itself
    stops at 11 000."""

    @model_validator(mode="after")
    def _nobody_by_accident(self) -> Self:
        """Who may come is said, and said once."""
        several = self.tenant in {"common", "organizations"}
        if several and not self.allowed_tenants and not self.allow_any_tenant:
            raise ValueError(f"allowed_tenants: missing, {self.tenant} takes people of every organisation")
        if self.allow_any_tenant and (not several or self.allowed_tenants):
            raise ValueError("allow_any_tenant: is for common and organizations, without allowed_tenants")
        if self.allow_consumers and self.tenant != "common":
            raise ValueError("allow_consumers: personal accounts sign in at common or consumers")
        if self.tenant == "consumers" and self.allowed_tenants:
            raise ValueError("allowed_tenants: consumers is a tenant by itself")
        if GUID.fullmatch(self.tenant) and self.allowed_tenants not in {(), (self.tenant,)}:
            raise ValueError("allowed_tenants: people of one tenant cannot be of another; say organizations")
        if self.trust_email and self.tenant in SHARED:
            raise ValueError("trust_email: is for one tenant; elsewhere anybody could claim any address")
        return self

    @model_validator(mode="after")
    def _key_and_certificate(self) -> Self:
        """One is of no use without the other."""
        if self.private_key is not None and self.certificate is None:
            raise ValueError("certificate: missing, Entra finds the private key by its thumbprint")
        if self.certificate is not None and self.private_key is None:
            raise ValueError("private_key: missing, the certificate is of no use without it")
        if self.certificate is not None:
            thumbprint(self.certificate)
        return self

    @model_validator(mode="after")
    def _what_the_scope_must_have(self) -> Self:
        """The object id comes with `profile`, and one access token is for one API."""
        scopes = self.scope.split()
        if "profile" not in scopes:
            raise ValueError("scope: must contain profile, which brings the person's object id")
        # A scope of another API has that API's name before a slash; one without is Graph's.
        foreign = [scope for scope in scopes if "/" in scope and not scope.startswith(f"{self.graph_url}/")]
        if foreign and self.asks_graph:
            raise ValueError(
                f"scope: {foreign[0]} makes the access token one for another API than Microsoft Graph, which"
                " then cannot be asked for groups; leave it out, or say get_groups: never"
            )
        return self

    @property
    def asks_graph(self) -> bool:
        """Whether Microsoft Graph may ever be asked."""
        return self.get_groups != "never" or self.group_names

    @property
    def base_url(self) -> str:
        """Where people sign in."""
        return (self.authority or CLOUDS[self.cloud][0]).removesuffix("/")

    @property
    def graph_url(self) -> str:
        """Where Microsoft Graph is."""
        return (self.graph or CLOUDS[self.cloud][1]).removesuffix("/")

    @property
    def template(self) -> str:
        """The issuer of each tenant, with `{tid}` for its id."""
        return f"{self.base_url}/{{tid}}/v2.0"

    @property
    def issuer(self) -> str:
        """The issuer, where there is one; with several tenants, or a domain, it is what stands for them."""
        tenant = CONSUMERS if self.tenant == "consumers" else self.tenant
        return f"{self.base_url}/{tenant}/v2.0"

    @property
    def discovery_issuer(self) -> str | None:
        """What the metadata must call itself; None where only the shape is known, as with a domain."""
        if self.tenant in {"common", "organizations"}:
            return f"{self.base_url}/{{tenantid}}/v2.0"  # their literal text
        return self.issuer if GUID.fullmatch(self.tenant) or self.tenant == "consumers" else None

    def admits(self, tid: str) -> bool:
        """Whether people of this tenant may sign in."""
        if tid == CONSUMERS:
            return self.tenant == "consumers" or self.allow_consumers or tid in self.allowed_tenants
        if self.allowed_tenants:
            return tid in self.allowed_tenants
        return self.tenant not in SHARED or self.allow_any_tenant
