"""The end of a session at an upstream, both ways: where a browser ends it, and what the upstream says ended.

What a connector returns is held against what it promised, as everything that comes from one.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.connector import CanLogOut, Connector, HearsLogout, LoggedOut, UpstreamInvalid
from broker.upstreams import checked

_LONGEST = 255


async def url(connector: Connector, by: Mapping[str, str], back: str) -> str | None:
    """Where the browser goes for that; None where there is no such place."""
    if not isinstance(connector, CanLogOut):
        return None
    return checked.logout(await connector.logout_url(by, back))


async def named(connector: Connector, token: str) -> LoggedOut:
    """What a logout token ends.

    Raises:
        UpstreamError: it is not to be believed, or nobody can tell now.
    """
    if not isinstance(connector, HearsLogout):
        raise UpstreamInvalid("no_logout_tokens", "this kind of upstream sends none")
    said = await connector.logged_out(token)
    if not isinstance(said, LoggedOut) or not said.issuer or not said.jti:
        raise TypeError("logged_out returned no LoggedOut")
    texts = [text for text in (said.sid, said.subject) if text is not None]
    if not texts or not all(isinstance(text, str) and 0 < len(text) <= _LONGEST for text in texts):
        raise ValueError("logged_out names nobody")
    return said
