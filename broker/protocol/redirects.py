"""Which redirect_uri a client may be answered at.

RFC 9700 §2.1: equal byte for byte to a registered one. RFC 8252 §7.3: only the port of a literal
loopback address may differ, and only for native apps.
"""

from __future__ import annotations

import re

from broker.protocol.client import Client

_LOOPBACK = re.compile(r"(http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?(/[^#]*)?")
_LAST_PORT = 65535


def _without_port(uri: str) -> tuple[str, str] | None:
    """Host and path of a loopback URI, or None when it is not plainly one."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None:
        return None
    port = match[2]
    if port is not None and int(port) > _LAST_PORT:
        return None
    return match[1], match[3] or ""


def is_registered(redirect_uri: str, client: Client) -> bool:
    """Whether this client registered ``redirect_uri``."""
    if redirect_uri in client.redirect_uris:
        return True
    if client.application_type != "native":
        return False
    asked = _without_port(redirect_uri)
    return asked is not None and any(asked == _without_port(uri) for uri in client.redirect_uris)


def cannot_be_proved(redirect_uri: str) -> bool:
    """Whether any app on the person's device could stand behind it (RFC 8252 §8.6)."""
    return not redirect_uri.startswith("https://")
