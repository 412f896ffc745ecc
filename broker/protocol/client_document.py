"""A ``client_id`` that is the URL of a document, and what that document must say.

Pure. OAuth Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document) §2 to §4; RFC 3986
§6.2.1. Nobody shares a secret by a document that everybody can read. The host cannot be made up, so people
always see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from broker.protocol import registration
from broker.protocol.errors import InvalidClientMetadata
from broker.protocol.registration import Allowed, Metadata
from broker.protocol.uris import check_stranger_page

LONGEST_URL: Final = 500
LARGEST: Final = 5 * 1024
"""Bytes of a document (§6.6)."""
LONGEST_HOST: Final = 64
"""One that is longer could not be shown whole beside a name."""
_SHOWN: Final = 80
"""Characters of a name that a page shows (`broker.pages.safety.NAME_LIMIT`)."""
_SECRETS: Final = ("client_secret", "client_secret_expires_at")


def is_url(client_id: str) -> bool:
    """Whether this could be the URL of a document (§2): https, with a path, in its one plain spelling."""
    if not client_id.startswith("https://") or len(client_id) > LONGEST_URL or "#" in client_id:
        return False
    try:
        check_stranger_page(client_id)
    except ValueError:
        return False
    path = urlsplit(client_id).path
    if len(host_of(client_id)) > LONGEST_HOST:
        return False
    segments = [unquote(segment) for segment in path.split("/")]
    return path.startswith("/") and not {".", ".."} & set(segments)


def host_of(client_id: str) -> str:
    """The host that vouches for the document."""
    return urlsplit(client_id).hostname or ""


def read(client_id: str, document: Mapping[str, Any], allowed: Allowed) -> Metadata:
    """What the document at ``client_id`` registers.

    Raises:
        InvalidClientMetadata, InvalidRedirectUri: it is not what such a document is.
    """
    if document.get("client_id") != client_id:  # §4.1, by simple string comparison
        raise InvalidClientMetadata("client_id is not the URL of the document.", reason="client_id_differs")
    if any(name in document for name in _SECRETS):
        raise InvalidClientMetadata("A document has no secret.", reason="document_with_secret")
    usual = {"token_endpoint_auth_method": "none"}
    found = dict(registration.read({**usual, **document, **_offered(document)}, allowed))
    # A name is what it says of itself; the host behind it is not, and is never cut off.
    host = f" ({host_of(client_id)})"
    found["client_name"] = found["client_name"][: _SHOWN - len(host)].rstrip() + host
    return found


def _offered(document: Mapping[str, Any]) -> Metadata:
    """Its grants without those that we never heard of: it is written once, for whatever servers there are."""
    asked = document.get("grant_types")
    if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
        return {}  # refused as anybody's
    return {"grant_types": [name for name in asked if name in registration.KNOWN_GRANTS]}
