"""Sector identifiers of apps that register themselves: the document must name every redirect_uri.

OpenID Connect Dynamic Client Registration 1.0 §5; Core §8.1. It is fetched through the guard of
`broker.outbound`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.connector import UpstreamError
from broker.protocol.errors import InvalidClientMetadata
from broker.services import Services


async def lists_its_redirects(services: Services, metadata: Mapping[str, Any]) -> None:
    """That the ``sector_identifier_uri``, if there is one, names all redirect_uris.

    Raises:
        InvalidClientMetadata: it does not, or cannot be read now.
    """
    uri = metadata.get("sector_identifier_uri")
    if uri is None:
        return
    try:
        answer = await services.strangers.stranger(f"sector {uri}").get(uri)
        named = answer.json() if answer.status == 200 else None  # noqa: PLR2004
    except UpstreamError as error:
        raise InvalidClientMetadata(
            "sector_identifier_uri cannot be read.", reason="sector_unreadable", detail=error.detail
        ) from error
    if not isinstance(named, list) or not set(metadata.get("redirect_uris", ())) <= {*map(str, named)}:
        raise InvalidClientMetadata(
            "sector_identifier_uri does not name every redirect_uri.", reason="sector_not_listed"
        )
