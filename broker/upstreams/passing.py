"""What of a client app's request is passed on to an upstream. Pure.

Owns `login_for`. OpenID Connect Core §3.1.2.1: what asks for a fresh login always goes on, since only the
upstream can give one; the rest goes by the connector's ``pass_through``. ``prompt=consent`` stays here: it is
about our own consent page. ``prompt=none`` never comes this far.
"""

from __future__ import annotations

from typing import Literal

from broker.config import ConnectorConfig, Fixed
from broker.connector import Login
from broker.protocol.claims_request import essential_acr
from broker.protocol.flow import AuthorizeRequest

_PASSED_PROMPTS = ("login", "select_account")


def login_for(
    asked: AuthorizeRequest,
    connector: ConnectorConfig,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    code_verifier: str,
) -> Login:
    """The login that this connector is asked for."""
    ways = connector.pass_through
    # An essential acr can only be reached if the upstream hears of it (Core §5.5.1.1).
    acr = " ".join(asked.acr_values or essential_acr(asked.claims))
    return Login(
        redirect_uri=redirect_uri,
        state=state,
        nonce=nonce,
        code_verifier=code_verifier,
        prompt=tuple(prompt for prompt in _PASSED_PROMPTS if prompt in asked.prompt),
        max_age=asked.max_age,
        login_hint=_passed(ways.login_hint, asked.login_hint or "") or None,
        acr_values=tuple(_passed(ways.acr_values, acr).split()),
        ui_locales=tuple(_passed(ways.ui_locales, " ".join(asked.ui_locales)).split()),
    )


def _passed(way: Literal["drop", "pass"] | Fixed, value: str) -> str:
    if isinstance(way, Fixed):
        return way.fixed
    return value if way == "pass" else ""
