"""The connector kit: one suite of tests that every connector passes, ours and yours.

    from broker.kit import FakeProvider, OpenIDKit

    class TestForge(OpenIDKit):
        provider = FakeProvider
        connector = {
            "type": "mycompany.forge",
            "issuer": "{issuer}",
            "client_id": "{client_id}",
            "client_secret": "{client_secret}",
        }

The layers, each with all of the one before:

    contract.py     `ConnectorKit`: what the broker relies on, whatever kind of upstream it is
    oauth2.py       `OAuth2Kit`: an upstream that gives codes, and one that cheats with them
    openid.py       `OpenIDKit`: one that signs ID Tokens, and one that lies in them

and what they stand on:

    provider.py     `FakeProvider`: an OpenID Provider with a switch for everything that can go wrong
    stage.py        connectors as the broker opens them, and the way through one login
    plugin.py       the markers `row` and `proves`, which pytest finds by itself

It needs the extra ``federation-broker[kit]``. Nothing here is imported before it is used, so that the markers
cost a test run nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broker.kit.contract import ConnectorKit
    from broker.kit.oauth2 import OAuth2Kit
    from broker.kit.openid import OpenIDKit
    from broker.kit.provider import FakeProvider

__all__ = ["ConnectorKit", "FakeProvider", "OAuth2Kit", "OpenIDKit"]

_FOUND_IN = {
    "ConnectorKit": "contract",
    "OAuth2Kit": "oauth2",
    "OpenIDKit": "openid",
    "FakeProvider": "provider",
}


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_FOUND_IN[name]}"), name)
