"""Which upstream a request goes to: the one hinted at, the only one, or the person's choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied
from broker.protocol.flow import AuthorizeRequest, Session


def choices(client: Client, enabled: Iterable[str]) -> tuple[str, ...]:
    """The connectors that this client allows and that are enabled, in the operator's order.

    Raises:
        AccessDenied: there is none.
    """
    allowed = tuple(c for c in enabled if client.connectors is None or c in client.connectors)
    if not allowed:
        raise AccessDenied("No connector can be used.", reason="no_connector")
    return allowed


def picked(connector: str, allowed: Sequence[str]) -> str:
    """The connector the person picked.

    Raises:
        AccessDenied: it is none of those offered.
    """
    if connector not in allowed:
        raise AccessDenied("The connector cannot be used.", reason="connector_not_allowed")
    return connector


def route(asked: AuthorizeRequest, session: Session | None, allowed: Sequence[str]) -> str | None:
    """The connector to use at once; None when the person must choose.

    Somebody whose session is only not fresh enough goes back to where that session came from.
    """
    if asked.connector is not None:
        return asked.connector
    if len(allowed) == 1:
        return allowed[0]
    if session is None or "select_account" in asked.prompt or session.context.connector not in allowed:
        return None
    return session.context.connector
