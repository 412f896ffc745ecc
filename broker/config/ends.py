"""A client app's keys about the end of sessions: read, and held against the standards.

Back-Channel Logout 1.0 §2.2; Front-Channel Logout 1.0 §2; OpenID Connect Core §4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.config.written_logout import LogoutEntry
from broker.protocol.client import Client
from broker.protocol.uris import check_redirect_uri, origin_of

_KEYS = tuple(LogoutEntry.model_fields)
_URIS = ("backchannel_logout_uri", "frontchannel_logout_uri", "initiate_login_uri")
Wrong = Callable[[str, str], None]


def fields(entry: LogoutEntry) -> dict[str, Any]:
    """What of a `Client` comes of these keys."""
    return {key: getattr(entry, key) for key in _KEYS}


def check(client: Client, wrong: Wrong) -> None:
    """Every rung; ``wrong`` hears of a key and what is wrong with it."""
    for key in _URIS:
        uri = getattr(client, key)
        if uri is None:
            continue
        try:
            check_redirect_uri(uri, "web")
        except ValueError as error:
            wrong(key, str(error))
    _front_channel(client, wrong)
    for kind in ("backchannel", "frontchannel"):
        required = f"{kind}_logout_session_required"
        if getattr(client, required) and getattr(client, f"{kind}_logout_uri") is None:
            wrong(required, f"says nothing without {kind}_logout_uri")


def _front_channel(client: Client, wrong: Wrong) -> None:
    """Front-Channel §2: scheme, host and port are those of a redirect_uri."""
    uri = client.frontchannel_logout_uri
    if uri is not None and origin_of(uri) not in {origin_of(one) for one in client.redirect_uris}:
        wrong("frontchannel_logout_uri", "must be on the scheme, host and port of one of its redirect_uris")
