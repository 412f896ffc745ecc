"""Whether a browser's session answers a request, or a login at the upstream must.

OpenID Connect Core §3.1.2.1 (``prompt``, ``max_age``, ``id_token_hint``) and §5.5.1 (``sub``, ``acr``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from broker.protocol.claims_request import essential_acr, names_somebody_else
from broker.protocol.errors import LoginRequired, UnmetAuthenticationRequirements
from broker.protocol.flow import AuthenticationContext, AuthorizeRequest, Session


def objection(
    asked: AuthorizeRequest,
    session: Session | None,
    allowed: Sequence[str],
    *,
    now: float,
    reachable: Collection[str] = (),
    sub: str | None = None,
) -> str | None:
    """Why ``session`` is not good enough for ``asked``; None where it is.

    ``sub`` is whose it is, as this client app knows them. ``reachable`` are those of the ``acr_values``
    asked for that a new login where the session came from may reach: without one of them the person steps
    up (RFC 9470 §5).
    """
    if session is None or now >= session.ends_at:
        return "there is none"
    context = session.context
    # A session of a connector this client does not allow, or other than the one hinted, is no session.
    if context.connector not in allowed or asked.connector not in (None, context.connector):
        return f"it came by {context.connector}"
    if not asked.session_may_answer:
        return "the id_token_hint is not a good one of ours"
    if asked.prompt & {"login", "select_account"}:
        return f"prompt={' '.join(sorted(asked.prompt))}"
    if reachable and context.acr not in reachable:
        return "it is not as strong as acr_values asks"
    if asked.max_age is not None and not _is_younger(context, asked.max_age, now=now):
        return "it is not known to be younger than max_age"
    try:
        is_whom_was_asked(asked, context, sub=sub)
    except (LoginRequired, UnmetAuthenticationRequirements) as error:
        return error.reason
    return None


def _is_younger(context: AuthenticationContext, max_age: int, *, now: float) -> bool:
    """Whether the login is known to be at most so old; ``max_age=0`` is never met by a session."""
    return max_age > 0 and context.auth_time is not None and now - context.auth_time <= max_age


def is_whom_was_asked(
    asked: AuthorizeRequest, context: AuthenticationContext, *, sub: str | None = None
) -> None:
    """That this person, authenticated this way, may be answered about.

    ``sub`` is how this client app knows them; without it as everybody does.

    Raises:
        LoginRequired: it is somebody else than ``id_token_hint`` or ``claims`` names.
        UnmetAuthenticationRequirements: an essential ``acr`` was not reached (Core §5.5.1.1).
    """
    known_as = sub if sub is not None else context.subject
    if asked.subject is not None and asked.subject != known_as:
        raise LoginRequired("Somebody else is signed in.", reason="subject_differs_from_hint")
    if names_somebody_else(asked.claims, known_as):
        raise LoginRequired("Somebody else is signed in.", reason="subject_differs_from_claims")
    essential = essential_acr(asked.claims)
    if essential and context.acr not in essential:
        raise UnmetAuthenticationRequirements(reason="acr_unmet")
