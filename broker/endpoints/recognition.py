"""From what an upstream said to who it is for us: the subject minted, the claims map applied.

Owns the one place where an `UpstreamIdentity` becomes an `AuthenticationContext`, at a login and whenever the
upstream is asked again. Client apps share a session, so a map that says something else for each of them is
applied anew for each: a session never holds what one of them alone may see. Nothing is fetched or kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from broker.connector import UpstreamIdentity
from broker.mapping import ClaimsMap, Documents, Mapped, MappingRefused, apply, upstream_facts
from broker.protocol import subject
from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied
from broker.protocol.flow import AuthenticationContext
from broker.record import replace
from broker.services import Services
from broker.upstreams import Upstream

MAX_KEPT = 32_768
"""Bytes of what a map that reads the client app may want kept with the session."""

Seen = Callable[[Documents, Mapped | None], None]
"""Sees what a map was applied to, and what it made of that; None where it refused the login."""


def recognise(
    services: Services,
    connector: str,
    identity: UpstreamIdentity,
    *,
    correlation_id: str = "",
    since: float | None = None,
    seen: Seen | None = None,
) -> AuthenticationContext:
    """Who signed in at ``connector``, in our own words; what is one client app's is left to `for_client`.

    A claim that is left out, since what the upstream says of it cannot be passed on, is told to the log.
    ``since`` is when people of ours began to be looked up.

    Raises:
        AccessDenied: the claims map wants something that the upstream did not say.
    """
    upstream = services.upstreams[connector]
    documents, claims_map, mapped = told_by(upstream, identity), upstream.claims_map, None
    try:
        kept = _kept(claims_map, documents) if claims_map.reads_client else None
        mapped = mapped_by(claims_map if kept is None else claims_map.for_everybody, documents)
    finally:
        if seen is not None:
            seen(documents, mapped)
    _tell(services, connector, mapped.unfit, correlation_id)
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
        documents=kept,
        since=since,
        session_expiry=identity.session_ends,
    )


def for_client(
    services: Services, context: AuthenticationContext, client: Client, *, correlation_id: str | None = None
) -> AuthenticationContext:
    """The same person, as this client app sees them; with a ``correlation_id`` the log hears what lacks.

    Raises:
        AccessDenied: the claims map wants something for this client app that is not there.
    """
    if context.documents is None:
        return context
    upstream = services.upstreams[context.connector]
    documents = Documents(**context.documents, connector=_facts(upstream), client=client_facts(client))
    mapped = mapped_by(upstream.claims_map, documents)
    if correlation_id is not None:
        its_own = {rule.claim for rule in upstream.claims_map.rules if rule.reads_client}
        unfit = {claim: why for claim, why in mapped.unfit.items() if claim in its_own}
        _tell(services, context.connector, unfit, correlation_id)
    return replace(context, claims=mapped.claims, sources=mapped.sources, documents=None)


def told_by(upstream: Upstream, identity: UpstreamIdentity) -> Documents:
    """All that a map may read of a login, but for the client app."""
    return Documents(
        id_token=identity.id_token,
        userinfo=identity.userinfo,
        api=identity.api,
        upstream=upstream_facts(
            issuer=identity.issuer,
            documents=(identity.userinfo, identity.id_token, identity.api),
            auth_time=identity.auth_time,
            acr=identity.acr,
            amr=identity.amr,
            sid=identity.sid,
        ),
        connector=_facts(upstream),
    )


def client_facts(client: Client) -> dict[str, object]:
    """What an expression may read of a client app."""
    return {
        "client_id": client.client_id,
        "client_name": client.client_name,
        "trusted": client.trusted,
        "scopes": sorted(client.scopes),
    }


def mapped_by(claims_map: ClaimsMap, documents: Documents) -> Mapped:
    """What the map makes of the documents.

    Raises:
        AccessDenied: a required claim is missing.
    """
    try:
        return apply(claims_map, documents)
    except MappingRefused as refusal:
        # Never what it is, only where it was found and why it is not passed on.
        detail = str(refusal) if refusal.unfit else refusal.claim
        raise AccessDenied(
            "The sign-in lacks something that is needed.", reason="claim_missing", detail=detail
        ) from refusal


def _tell(services: Services, connector: str, unfit: Mapping[str, str], correlation_id: str) -> None:
    """One event for all the claims that a person is without, though the upstream said something of them."""
    if unfit:
        detail = "; ".join(f"{claim} ({why})" for claim, why in unfit.items())
        services.events.emit(
            "claims",
            "refused",
            reason="claims_left_out",
            detail=detail,
            connector=connector,
            correlation_id=correlation_id,
        )


def _facts(upstream: Upstream) -> dict[str, object]:
    return {"id": upstream.id, "type": upstream.type, "name": upstream.name}


def _kept(claims_map: ClaimsMap, documents: Documents) -> dict[str, object]:
    kept: dict[str, object] = {**claims_map.read_of(documents), "upstream": documents.upstream}
    try:
        size = len(msgspec.json.encode(kept))
    except (ValueError, OverflowError, RecursionError) as error:  # nothing that JSON can say
        raise AccessDenied(reason="documents_malformed", detail=str(error)) from error
    if size > MAX_KEPT:
        raise AccessDenied("The sign-in says too much to be kept.", reason="documents_too_large")
    return kept
