"""From what an upstream said to who it is for us: the subject minted, the claims map applied.

Owns the one place where an `UpstreamIdentity` becomes an `AuthenticationContext`, at a login and whenever the
upstream is asked again. Nothing is fetched or kept here.
"""

from __future__ import annotations

from broker.connector import UpstreamIdentity
from broker.mapping import Documents, MappingRefused, apply
from broker.protocol import subject
from broker.protocol.errors import AccessDenied
from broker.protocol.flow import AuthenticationContext
from broker.services import Services


def recognise(services: Services, connector: str, identity: UpstreamIdentity) -> AuthenticationContext:
    """Who signed in at ``connector``, in our own words.

    Raises:
        AccessDenied: the claims map wants something that the upstream did not say.
    """
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    try:
        mapped = apply(services.upstreams[connector].claims_map, documents)
    except MappingRefused as refusal:
        raise AccessDenied(
            "The sign-in lacks something that is needed.", reason="claim_missing", detail=refusal.claim
        ) from refusal
    return AuthenticationContext(
        subject=subject.mint(
            connector=connector,
            issuer=identity.issuer,
            subject=identity.subject,
            key=services.keys.subject_key,
        ),
        connector=connector,
        auth_time=identity.auth_time,
        acr=identity.acr,
        amr=identity.amr,
        claims=mapped.claims,
        sources=mapped.sources,
    )
