"""What a request proves to hold, beside who sent it: the key that its tokens will be bound to.

RFC 7800 §3.1 (``cnf``); RFC 9449 §5 and §6; RFC 8705 §3.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from broker.protocol.client import Client


async def proved(_request: web.Request, _client: Client) -> Mapping[str, str]:
    """The ``cnf`` of what is minted for this request; empty where nothing was proved, and nothing need be."""
    return {}
