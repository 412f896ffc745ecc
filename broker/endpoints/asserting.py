"""An assertion of somebody whom the operator trusts: found by its ``iss``, proved, and whom it is about.

RFC 7523 §2.1 and §3; RFC 7521 §5.2. Shared by jwt-bearer and by token exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from broker.clients.keys import Keyholder
from broker.endpoints.recognition import client_facts, mapped_by
from broker.jose import JoseError, unverified
from broker.mapping import Documents, upstream_facts
from broker.protocol import assertion_grants, metadata, subject
from broker.protocol.assertion_grants import Assertion, AssertionIssuer
from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied, InvalidGrant
from broker.protocol.flow import AuthenticationContext
from broker.protocol.instants import LEEWAY
from broker.services import Services

_LONGEST = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """An assertion that holds, and whom it is about."""

    who: AuthenticationContext
    claims: dict[str, Any]
    assertion: Assertion
    entry: AssertionIssuer


async def asserted(services: Services, client: Client, token: str) -> Asserted:
    """What ``token`` says, which is this client's to bring; it is not used yet.

    Raises:
        InvalidGrant: it is not a grant, for whatever reason.
        TemporarilyUnavailable: the keys of its issuer cannot be had now.
    """
    entry = _entry(services, client, token)
    claims = await _signed(services, entry, token)
    names = assertion_grants.addressed(services.issuer, services.issuer + metadata.TOKEN, entry)
    assertion = assertion_grants.check(token, claims, entry, names, now=services.now())
    who = _who(services, client, entry, assertion, claims)
    return Asserted(who=who, claims=claims, assertion=assertion, entry=entry)


async def used(services: Services, found: Asserted) -> None:
    """Use it: of many who bring the same one is first, whatever became of the store (RFC 7523 §3, 7).

    Raises:
        InvalidGrant: somebody was before.
    """
    entry, assertion, now = found.entry, found.assertion, services.now()
    leeway, made_at = LEEWAY, found.assertion.made_at
    if entry.allow_reuse:
        return
    first = await services.store.once_since(
        entry.connector,
        assertion.once,
        assertion.expires_at + 2 * leeway - now,  # another host's clock may be behind ours
        made_at=None if made_at is None else made_at - leeway,
        now=now,
        longest=entry.max_lifetime + 2 * leeway,
    )
    if not first:
        raise InvalidGrant(reason="assertion_replayed")


def _entry(services: Services, client: Client, token: str) -> AssertionIssuer:
    """The entry of whom the assertion says to be from; nothing of it is believed yet."""
    if len(token) > _LONGEST:
        raise InvalidGrant(reason="assertion_too_large")
    try:
        _, said = unverified(token)
    except JoseError as error:
        raise InvalidGrant(reason="assertion_malformed", detail=error.reason) from error
    known = services.config.assertion_issuers.values()
    entry = next((one for one in known if one.issuer == said.get("iss")), None)
    if entry is None or client.client_id not in entry.clients:
        raise InvalidGrant(reason="assertion_issuer_unknown" if entry is None else "assertion_not_for_client")
    return entry


async def _signed(services: Services, entry: AssertionIssuer, token: str) -> dict[str, Any]:
    holder = Keyholder(name=f"assertions {entry.name}", jwks=entry.jwks, jwks_uri=entry.jwks_uri)
    try:
        signed = await services.public_keys.verified(
            holder, token, algorithms=entry.algorithms, typ=assertion_grants.TYPES
        )
    except JoseError as error:
        raise InvalidGrant(reason=f"assertion_{error.reason}", detail=error.detail) from error
    return signed.claims


def _who(
    services: Services, client: Client, entry: AssertionIssuer, assertion: Assertion, claims: dict[str, Any]
) -> AuthenticationContext:
    """The person, minted as one of a connector is, and mapped by the entry's own map."""
    minted = subject.mint(
        connector=entry.connector,
        issuer=entry.issuer,
        subject=assertion.subject,
        key=services.keys.subject_key,
    )
    if entry.claims is None:
        return AuthenticationContext(subject=minted, connector=entry.connector, auth_time=None)
    facts = upstream_facts(issuer=entry.issuer, documents=({}, claims, {}))
    documents = Documents(
        id_token=claims,
        upstream=facts,
        connector={"id": entry.connector, "type": "assertion", "name": entry.name},
        client=client_facts(client),
    )
    try:
        mapped = mapped_by(entry.claims, documents)
    except AccessDenied as error:
        raise InvalidGrant(reason=error.reason, detail=error.detail) from error
    return AuthenticationContext(
        subject=minted,
        connector=entry.connector,
        auth_time=None,
        claims=mapped.claims,
        sources=mapped.sources,
    )
