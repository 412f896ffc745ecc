"""Which upstream a request goes to: the one hinted at, the only one, its domain's, or the person's choice.

Pure. Everything here is looked up. What a client app allows is worked out once, when the configuration is
read (`Routes`), so that ten thousand connectors cost a login what one does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal

from broker.protocol.client import Client
from broker.protocol.errors import AccessDenied
from broker.protocol.flow import AuthorizeRequest, Session
from broker.protocol.names import Names
from broker.record import Record

ByDomain = Literal["redirect", "choose", "off"]
Remembered = Literal["first", "straight"]


class Routes:
    """The connectors that each client app allows and that are enabled, in the operator's order."""

    def __init__(self, enabled: Iterable[str], clients: Mapping[str, Client]) -> None:
        self.all = Names(enabled)
        """What a client app allows that names none."""
        self._position = {name: index for index, name in enumerate(self.all)}
        lists: dict[tuple[str, ...], Names] = {}
        self._listed: dict[str, Names] = {}
        for client_id, client in clients.items():
            if client.connectors is not None:
                named = tuple(client.connectors)
                if named not in lists:  # many apps allow the same few
                    lists[named] = self._of(named)
                self._listed[client_id] = lists[named]

    def allowed(self, client: Client) -> Names:
        """The connectors of this client app.

        Raises:
            AccessDenied: there is none.
        """
        allowed = self.all
        if client.connectors is not None:
            known = self._listed.get(client.client_id)
            allowed = known if known is not None else self._of(client.connectors)
        if not allowed:
            raise AccessDenied("No connector can be used.", reason="no_connector")
        return allowed

    def _of(self, named: Iterable[str]) -> Names:
        return Names(sorted((name for name in named if name in self.all), key=self._position.__getitem__))


def picked(connector: str, allowed: Collection[str]) -> str:
    """The connector the person picked.

    Raises:
        AccessDenied: it is none of those offered.
    """
    if connector not in allowed:
        raise AccessDenied("The connector cannot be used.", reason="connector_not_allowed")
    return connector


def of_domain(nearest: Iterable[Sequence[str]], allowed: Collection[str], *, most: int) -> tuple[str, ...]:
    """Of the connectors that a domain belongs to, the nearest that are allowed; not more than ``most``."""
    for connectors in nearest:
        found = tuple(islice((name for name in connectors if name in allowed), most))
        if found:
            return found
    return ()


class Known(Record, frozen=True, kw_only=True):
    """What bears on where a request goes, beside the request."""

    session: Session | None = None
    domain: Sequence[str] = ()
    """The allowed connectors of the domain of its ``login_hint``."""
    remembered: str | None = None
    """The allowed connector that this browser used last, if it goes straight there."""


def routed(asked: AuthorizeRequest, allowed: Sequence[str], known: Known) -> tuple[str | None, str]:
    """The connector to use at once, and why; None when the person must choose.

    Somebody whose session is only not fresh enough goes back to where that session came from.
    """
    if asked.connector is not None:
        return asked.connector, "the app hinted at it"
    if len(allowed) == 1:
        return allowed[0], "the app allows no other"
    if "select_account" in asked.prompt:  # the person wants to choose, and this is part of it
        return None, "prompt=select_account"
    if len(known.domain) == 1:
        return known.domain[0], "the domain of login_hint is its own"
    if known.session is not None and known.session.context.connector in allowed:
        return known.session.context.connector, "the session came by it"
    return known.remembered, "this browser used it last" if known.remembered is not None else ""
