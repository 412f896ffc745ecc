"""Whether a client app may say which sector it is of, before it hears a pairwise ``sub``.

OpenID Connect Core §8.1, Registration §5: the document at ``sector_identifier_uri`` must list every
redirect_uri, or one app could know people by the names that they have in another's sector. An app that
registers itself is asked then; the operator's are asked here, at a login, and what was fetched is kept as any
document is.
"""

from __future__ import annotations

from broker import strictjson
from broker.connector import UpstreamError, UpstreamInvalid
from broker.protocol.client import Client
from broker.protocol.errors import ServerError, TemporarilyUnavailable
from broker.protocol.subject import sector_lists
from broker.services import Services


async def is_of_its_sector(services: Services, client: Client) -> None:
    """That the client's sector, where it names one, knows the client.

    Raises:
        ServerError: it does not, or its document is none.
        TemporarilyUnavailable: it cannot be asked now.
    """
    uri = client.sector_identifier_uri
    if client.subject_type == "public" or uri is None or client.origin == "registered":
        return
    try:
        document = strictjson.parse(await services.strangers.stranger(f"sector {uri}").file(uri))
    except (UpstreamInvalid, strictjson.StrictJSONError) as error:
        reason = error.reason if isinstance(error, UpstreamInvalid) else "not_json"
        raise ServerError(reason=f"sector_{reason}", detail=str(error)) from error
    except UpstreamError as error:
        raise TemporarilyUnavailable(reason="sector_unavailable", detail=error.detail) from error
    if not sector_lists(document, client):
        raise ServerError(reason="sector_not_listed", detail=f"{client.client_id}: {uri}")
