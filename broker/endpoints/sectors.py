"""Whether a client app is of the sector that it names, before it hears a pairwise ``sub``.

OpenID Connect Core §8.1, Registration §5: the document at ``sector_identifier_uri`` must list every
redirect_uri, or one app could know people by the names that they have in another's sector. An app that
registers itself is held against what it says at that moment, and not again; all others at a login, where the
document is kept as any is, and asked for anew where it does not list them. It is fetched through the guard of
`broker.outbound`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from broker import strictjson
from broker.connector import UpstreamError, UpstreamInvalid
from broker.outbound import UpstreamClient
from broker.protocol.client import Client
from broker.protocol.errors import InvalidClientMetadata, ServerError, TemporarilyUnavailable
from broker.protocol.subject import sector_lists
from broker.services import Services


async def knows(services: Services, client: Client) -> None:
    """That the client's sector, where it names one, knows the client.

    Raises:
        ServerError: it does not, or its document is none.
        TemporarilyUnavailable: it cannot be asked now.
    """
    uri = client.sector_identifier_uri
    if client.subject_type == "public" or uri is None or client.origin == "registered":
        return
    try:
        listed = await _lists(services, uri, client.redirect_uris, stranger=client.registered_itself)
    except UpstreamInvalid as error:
        raise ServerError(reason=f"sector_{error.reason}", detail=error.detail) from error
    except UpstreamError as error:
        raise TemporarilyUnavailable(reason="sector_unavailable", detail=error.detail) from error
    if not listed:
        raise ServerError(reason="sector_not_listed", detail=f"{client.client_id}: {uri}")


async def lists_its_redirects(services: Services, metadata: Mapping[str, Any]) -> None:
    """That the sector of an app that registers itself, where it names one, knows what it registers.

    Raises:
        InvalidClientMetadata: it does not, or cannot be asked now.
    """
    uri = metadata.get("sector_identifier_uri")
    if uri is None:
        return
    try:
        document = await _called(services, uri, stranger=True).present_file(uri)
        listed = sector_lists(_read(document), metadata.get("redirect_uris", ()))
    except UpstreamError as error:
        raise InvalidClientMetadata(
            "sector_identifier_uri cannot be read.", reason="sector_unreadable", detail=error.detail
        ) from error
    if not listed:
        raise InvalidClientMetadata(
            "sector_identifier_uri does not name every redirect_uri.", reason="sector_not_listed"
        )


async def _lists(services: Services, uri: str, redirect_uris: Sequence[str], *, stranger: bool) -> bool:
    http = _called(services, uri, stranger=stranger)
    known = sector_lists(_read(await http.file(uri)), redirect_uris)
    return known or sector_lists(_read(await http.newer_file(uri)), redirect_uris)


def _called(services: Services, uri: str, *, stranger: bool) -> UpstreamClient:
    return services.strangers.called(f"sector {uri}", stranger=stranger)


def _read(document: bytes) -> object:
    try:
        return strictjson.parse(document)
    except strictjson.StrictJSONError as error:
        raise UpstreamInvalid("not_json", str(error)) from error
