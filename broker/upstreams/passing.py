"""What of a client app's request is passed on to an upstream. Pure.

Owns `Started` and `login_for`. Core §3.1.2.1: what asks for a fresh login always goes on, since only the
upstream can give one; the rest goes by the connector's ``pass_through``. ``prompt=consent`` stays
here: it is about our own consent page. ``prompt=none`` never comes this far.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

from broker.config import ConnectorConfig, Fixed
from broker.connector import Login
from broker.domains import belongs, domain_of
from broker.protocol.claims_request import essential_acr
from broker.protocol.flow import AuthorizeRequest, PendingLogin
from broker.record import Record

_PASSED_PROMPTS = ("login", "select_account")


class Started(Record, frozen=True, kw_only=True):
    """A login as the broker began it: what was asked by whom, and its one-time values."""

    HIDDEN: ClassVar = frozenset({"state", "nonce", "code_verifier"})
    asked: AuthorizeRequest
    client_name: str = ""
    state: str
    nonce: str
    code_verifier: str
    detour: str = ""

    @classmethod
    def of(cls, pending: PendingLogin, state: str) -> Started:
        """The login that is under way."""
        return cls(
            asked=pending.asked,
            state=state,
            nonce=pending.nonce,
            code_verifier=pending.code_verifier,
            detour=pending.detour,
        )


def login_for(started: Started, connector: ConnectorConfig, *, redirect_uri: str) -> Login:
    """The login that this connector is asked for."""
    asked, ways = started.asked, connector.pass_through
    # An essential acr can only be reached if the upstream hears of it (Core §5.5.1.1).
    acr = tuple(asked.acr_values or essential_acr(asked.claims))
    return Login(
        redirect_uri=redirect_uri,
        state=started.state,
        nonce=started.nonce,
        code_verifier=started.code_verifier,
        prompt=tuple(prompt for prompt in _PASSED_PROMPTS if prompt in asked.prompt),
        max_age=asked.max_age,
        login_hint=_hint(ways.login_hint, asked.login_hint or "", connector.domains) or None,
        acr_values=theirs(acr, connector.acr) or tuple(_passed(ways.acr_values, " ".join(acr)).split()),
        ui_locales=tuple(_passed(ways.ui_locales, " ".join(asked.ui_locales)).split()),
        client_id=asked.client_id,
        client_name=started.client_name,
        scopes=asked.scopes,
        detour=started.detour,
    )


def theirs(asked: Sequence[str], table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What is asked of the upstream for the values that its table translates; the best first."""
    return tuple(dict.fromkeys(table[value][0] for value in asked if value in table))


def ours(acr: str | None, table: Mapping[str, tuple[str, ...]]) -> str | None:
    """What apps are told of the upstream's ``acr``.

    With a table nothing that is not in it: an upstream does not get to say our words.
    """
    if not table:
        return acr
    return next((value for value, known in table.items() if acr in known), None)


def _hint(way: Literal["drop", "pass", "domains"] | Fixed, hint: str, domains: Collection[str]) -> str:
    if way != "domains":
        return _passed(way, hint)
    domain = domain_of(hint)
    return hint if domain is not None and belongs(domain, domains) else ""


def _passed(way: Literal["drop", "pass"] | Fixed, value: str) -> str:
    if isinstance(way, Fixed):
        return way.fixed
    return value if way == "pass" else ""
