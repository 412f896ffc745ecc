"""The broker's own ``sub``: who a person is, for ever, to every client app, or to those of one sector.

Minted from connector, upstream issuer and subject key under a key that is never rotated, so it is
stable and cannot be turned back (OpenID Connect Core §8). The parts are length-prefixed, so no two
different triples read alike; nothing is folded, trimmed or cut. A client app with pairwise subjects hears
what is made of that for its sector (Core §8.1), wherever a ``sub`` is said to it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from broker.protocol.client import Client
from broker.protocol.uris import LOOPBACK_HOSTS


def mint(*, connector: str, issuer: str, subject: str, key: bytes) -> str:
    """The ``sub`` of the person whom ``issuer`` calls ``subject``: 64 characters of hex."""
    return _keyed(key, connector, issuer, subject)


def for_client(subject: str, client: Client, key: bytes) -> str:
    """The ``sub`` of a person as it is said to this client app: everybody's, or its sector's own."""
    if client.subject_type == "public":
        return subject
    return _keyed(_pairwise_key(key), _known_by(client), subject)


def session_for_client(sid: str, client: Client, key: bytes) -> str:
    """The ``sid`` of a session as it is said to this client app: one for all would join them."""
    if client.subject_type == "public" or not sid:
        return sid
    return _keyed(_pairwise_key(key), "session", _known_by(client), sid)


def _known_by(client: Client) -> str:
    """Whose apps know a person by one name."""
    sector = sector_of(client)
    # Every native app is answered on the person's own machine, which makes them no one app of one maker.
    if sector is None or (client.sector_identifier_uri is None and sector in LOOPBACK_HOSTS):
        return f"client {client.client_id}"
    return sector


def sector_of(client: Client) -> str | None:
    """The host whose client apps know a person by one pairwise ``sub`` (Core §8.1).

    None where several hosts, or none, are registered: then ``sector_identifier_uri`` must say.
    """
    return _sector(client.sector_identifier_uri, client.redirect_uris)


def sector_lists(document: object, redirect_uris: Sequence[str]) -> bool:
    """Whether what the ``sector_identifier_uri`` says lists every redirect_uri of an app (Core §8.1)."""
    return isinstance(document, list) and all(uri in document for uri in redirect_uris)


@lru_cache(maxsize=1024)
def _sector(uri: str | None, redirect_uris: tuple[str, ...]) -> str | None:
    hosts = {urlsplit(one).hostname for one in ((uri,) if uri is not None else redirect_uris)}
    return hosts.pop() if len(hosts) == 1 else None


@lru_cache(maxsize=8)
def _pairwise_key(key: bytes) -> bytes:
    """A key for nothing else: what it makes tells nothing of the subjects that all others hear."""
    return hmac.digest(key, b"pairwise subjects", "sha256")


def _keyed(key: bytes, *texts: str) -> str:
    parts = (part.encode("utf-8", "surrogatepass") for part in texts)
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256").hex()
