"""What a settled request becomes: a grant, and the notes that it leaves.

RFC 6749 §4.1.2; RFC 9126 §4 (a pushed request is answered once).
"""

from __future__ import annotations

from collections.abc import Sequence

from broker.protocol import handles
from broker.protocol.client import Client
from broker.protocol.errors import Shown
from broker.protocol.flow import AuthenticationContext, AuthorizeRequest, Consent, Grant
from broker.protocol.scopes import OPENID
from broker.record import replace
from broker.services import Services

_AN_HOUR = 3600
_LONGEST_CODE = 60
_STEPS = 8
"""How often a login may wait for a person: chooser, upstream, its detours, consent."""


async def answered_once(services: Services, asked: AuthorizeRequest) -> None:
    """That a pushed request gives one code, however many pages it was opened in (RFC 9126 §4).

    Raises:
        Shown: it has given one.
    """
    if not asked.pushed:
        return
    # Longer than whoever opened it at its last moment can take to come here.
    ttl = services.config.lifetimes.par + _STEPS * services.config.lifetimes.login
    if not await services.store.once("pushed", f"{asked.client_id} {asked.pushed}", ttl):
        raise Shown("login_expired", detail="the request_uri has been answered")
    await services.store.drop_pushed(asked.client_id, asked.pushed)


async def used(services: Services, subject: str, stands_on: Consent) -> None:
    """Note that a consent was used, to the hour: the account page says so, and not every login writes."""
    now = services.now()
    if now - stands_on.last_used < _AN_HOUR:
        return

    def noted(before: Consent | None) -> Consent | None:
        return replace(before, last_used=now) if before is not None else None

    ttl = stands_on.expires_at - now
    await services.store.change_consent(subject, stands_on.client_id, noted, ttl)


def code_lifetime(services: Services, client: Client) -> int:
    """For how many seconds a code is good; under a profile a minute at most (FAPI 2.0 §5.3.2.1)."""
    lives = services.config.lifetimes.code
    return min(lives, _LONGEST_CODE) if client.profile is not None else lives


def grant_for(
    services: Services,
    asked: AuthorizeRequest,
    client: Client,
    context: AuthenticationContext,
    sid: str,
    granted: Sequence[str],
    stands_on: Consent | None,
) -> Grant:
    """What the code will stand for."""
    now = services.now()
    scopes = tuple(name for name in asked.scopes if name == OPENID or name in granted)
    return Grant(
        id=handles.grant_id(services.chance(handles.GRANT_BYTES)),
        client_id=asked.client_id,
        redirect_uri=asked.reply_to.redirect_uri,
        code_challenge=asked.code_challenge,
        nonce=asked.nonce,
        scopes=scopes,
        covered=tuple(granted),
        claims=asked.claims,
        context=context,
        sid=sid,
        consent_id=stands_on.id if stands_on is not None else None,
        consents_at=_allowed_at(stands_on, asked),
        issued_at=now,
        resources=asked.resources,
        authorization_details=asked.authorization_details,
        dpop_jkt=asked.dpop_jkt,
        code_expires_at=now + code_lifetime(services, client),
        correlation_id=asked.correlation_id,
    )


def _allowed_at(stands_on: Consent | None, asked: AuthorizeRequest) -> dict[str, str]:
    """By which answer it is good at each API that has one."""
    at = stands_on.at if stands_on is not None else {}
    return {uri: at[uri].id for uri in asked.resources if uri in at}
