"""How the connections to one upstream are made: guarded addresses, its own trust, certificate and proxy.

Owns `Way` and `Sessions`. Whatever is built of files is built at its first use and kept, never per request.
RFC 8705 §2 (client certificates), RFC 9110 §9.3.6 (CONNECT). Plain http never leaves this machine, so it
goes past a proxy.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TypedDict
from urllib.parse import unquote

import aiohttp
from yarl import URL

from broker.connector import Secret, UpstreamInvalid
from broker.outbound.addresses import Network, is_allowed, read
from broker.outbound.connections import Connector
from broker.outbound.names import Names

MAX_HEADERS = 100
MAX_HEADER_LINE = 16 * 1024
MAX_CONNECTIONS = 64
"""To one upstream at one time."""
IDLE = 55.0
"""Seconds that a connection is kept: less than the 60 and 75 after which common servers close theirs, so that
they rarely close one just as a POST goes out."""
NOT_ALLOWED = "the address is not allowed"

_NO_NAME = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*|localhost)\.?", re.IGNORECASE)
"""What resolvers take for an address, a last label that is a number (``127.1``, ``0x7f000001``); and the
names of the machine itself (RFC 6761 §6.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way to one upstream, as far as it is not everybody's."""

    timeout: float | None = None
    """Seconds for one call."""
    ca: Path | None = None
    """Whom its certificate must be from; the system's roots then do not count."""
    certificate: Path | None = None
    """The certificate that we show, with what leads up to its root."""
    key: Path | None = None
    proxy: Secret | None = None
    """The URL of the proxy that https goes through, perhaps with a name and a password."""


class Through(TypedDict, total=False):
    """What a request through a proxy says."""

    proxy: URL
    proxy_headers: dict[str, str]


class Sessions:
    """The sessions of one upstream: one for https, and one for plain http, which connects to loopback only.

    The guard looks at the address that is connected to. Through a proxy that is the proxy's: it must be
    allowed, and where the proxy goes is the proxy's to guard.
    """

    def __init__(
        self, way: Way, timeout: float, networks: Sequence[Network], names: Names, *, stranger: bool = False
    ) -> None:
        self._way, self._networks, self._names, self._is_stranger = way, networks, names, stranger
        self._timeout = way.timeout if way.timeout is not None else timeout
        self._open: dict[str, aiohttp.ClientSession] = {}

    def get(self, scheme: str) -> aiohttp.ClientSession:
        """The session for this scheme.

        Raises:
            UpstreamInvalid: the files for it are not what they should be.
        """
        if scheme not in self._open:
            connector = Connector(
                socket_factory=self._guarded(loopback_only=scheme == "http"),
                resolver=self._names,
                ssl=self._tls(),
                limit=MAX_CONNECTIONS,
                keepalive_timeout=IDLE,
                ttl_dns_cache=60,
            )
            self._open[scheme] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout),  # waiting, connecting and reading
                max_headers=MAX_HEADERS,
                max_line_size=MAX_HEADER_LINE,
                max_field_size=MAX_HEADER_LINE,
            )
        return self._open[scheme]

    def through(self, target: URL) -> Through:
        """What a request there says of the proxy; nothing where it goes straight."""
        if self._way.proxy is None or target.scheme != "https":
            return {}
        # The proxy resolves names. An address that is spelled out we can still judge ourselves.
        if not _may_be_asked(target.host or "", self._networks):
            raise UpstreamInvalid("address_not_allowed", f"{target.host}: {NOT_ALLOWED}")
        return self._through

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(session.close() for session in self._open.values()))
        self._open.clear()

    @cached_property
    def _through(self) -> Through:
        proxy = URL("" if self._way.proxy is None else self._way.proxy.reveal())
        plain = proxy.with_user(None)
        if proxy.user is None:
            return {"proxy": plain}
        said = aiohttp.encode_basic_auth(unquote(proxy.user), unquote(proxy.password or ""))
        return {"proxy": plain, "proxy_headers": {"Proxy-Authorization": said}}

    def _tls(self) -> ssl.SSLContext | bool:
        """Whom we believe and what we show; True is the system's roots and nothing."""
        way = self._way
        if way.ca is None and way.certificate is None and not self._is_stranger:
            return True
        try:
            if self._is_stranger:
                return _strangers_tls(way.ca)
            context = ssl.create_default_context(cafile=way.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if way.certificate is not None:
                context.load_cert_chain(way.certificate, way.key, password=_nobody_is_asked)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            reason = getattr(error, "reason", None) or type(error).__name__
            raise UpstreamInvalid("tls_files_unusable", f"ca, certificate or key: {reason}") from error
        return context

    def _guarded(self, *, loopback_only: bool) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
        """Makes the socket for one address, which is the last word on where a connection goes."""
        networks = self._networks

        def make(info: aiohttp.AddrInfoType) -> socket.socket:
            family, kind, protocol, _, address = info
            if not is_allowed(read(str(address[0])), networks, loopback_only=loopback_only):
                raise OSError(errno.EACCES, NOT_ALLOWED)
            return socket.socket(family, kind, protocol)

        return make


@cache
def _strangers_tls(ca: Path | None) -> ssl.SSLContext:
    """For whoever may be anybody: by elliptic curves alone (RFC 9325 §4.2).

    With finite fields the server chooses how large they are, and a handshake can take most of a second in
    which nobody else is answered.
    """
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    return context


def _nobody_is_asked() -> str:
    """For a key with a passphrase; without this the library would ask at the terminal."""
    raise ValueError("a private key with a passphrase")


def _may_be_asked(host: str, networks: Sequence[Network]) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return _NO_NAME.fullmatch(host) is None
    return is_allowed(read(host), networks, loopback_only=False)
