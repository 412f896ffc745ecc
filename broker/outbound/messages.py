"""What goes out to others over HTTP, and how what comes back is judged before anybody reads it.

RFC 6749 §2.3.1 and Appendix B (forms, Basic); RFC 6750 §2.1; RFC 9110 §15. Owns the spelling of requests,
which URLs are asked at all, the limit on answers, and the library's errors as ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus

import aiohttp
from yarl import URL

from broker.connector import Secret, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from broker.outbound.sessions import NOT_ALLOWED

MAX_BODY = 1 << 20
"""Bytes of an answer; none is compressed, so these are all the bytes there are."""
MAX_URL = 4096
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986 §2.3: nothing in it to quote


class Away(UpstreamUnavailable):
    """It answered that it cannot now; ``retry_after`` is what it says of when it can."""

    status = 0
    """The status of its answer, where there was one."""
    retry_after = ""
    of_one = False
    """Whether it is somebody's own limit, which says nothing of the upstream to all others."""


def form(members: Mapping[str, str]) -> bytes:
    """application/x-www-form-urlencoded. Nearly every value is a token with nothing in it to quote."""
    said = [f"{_quoted(name)}={_quoted(value)}" for name, value in members.items()]
    return "&".join(said).encode("ascii")


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def basic_of(credentials: tuple[str, Secret] | None) -> dict[str, str]:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    return {} if credentials is None else {"Authorization": _basic_header(*credentials)}


@lru_cache(maxsize=1024)
def _basic_header(name: str, secret: Secret) -> str:
    return aiohttp.encode_basic_auth(quote_plus(name), quote_plus(secret.reveal()))


def bearer_of(token: str | None) -> dict[str, str]:
    """The header of a bearer token; nothing where there is none."""
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise UpstreamInvalid("bad_token", "an access token that does not fit into a header")
    return {"Authorization": f"Bearer {token}"}


def place_of(url: str) -> str:
    """Which endpoint a message is about: its URL without what may be private."""
    return url.partition("?")[0][:200]


@lru_cache(maxsize=1024)
def checked(url: str) -> URL:
    """The URL, if it is one that we ask: absolute, http or https, no user, no fragment, nothing hidden."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or set(url) & set(' \\#<>"{}|^`'):
        raise UpstreamInvalid("bad_url", "a URL with characters that no URL has, or a fragment")
    try:
        target = URL(url, encoded=True)
        sound = target.scheme in {"http", "https"} and bool(target.host) and target.port is not None
    except ValueError:
        sound = False
    if not sound or target.user is not None or target.password is not None or "@" in target.raw_authority:
        raise UpstreamInvalid(
            "bad_url", f"{place_of(url).rpartition('@')[2]} is not an http(s) URL that we ask"
        )
    return target


def check_status(response: aiohttp.ClientResponse, place: str, *, bearer: bool) -> None:
    """What no caller can use is an error here; 2xx and 4xx are theirs to read."""
    if response.status == _TOO_MANY_REQUESTS or response.status >= _SERVER_ERROR:
        away = Away(f"{place} answered {response.status}")
        away.status = response.status
        away.retry_after = response.headers.get("Retry-After", "")
        # Whoever uses up the limit of their own token must not shut everybody else out.
        away.of_one = bearer and response.status == _TOO_MANY_REQUESTS
        raise away
    if 300 <= response.status < 400:  # noqa: PLR2004 - never followed: credentials stay at home
        raise UpstreamInvalid("redirect", f"{place} answered {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamInvalid("bad_encoding", f"{place} compressed its answer although we asked it not to")


def headers_of(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """By name; the first where one repeats."""
    told: dict[str, str] = {}
    for name, value in response.headers.items():
        told.setdefault(name.lower(), value)
    return told


async def read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of an answer, if it is not larger than that."""
    if (response.content_length or 0) > most:
        raise UpstreamInvalid("too_large", f"more than {most} bytes were announced")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most:
            raise UpstreamInvalid("too_large", f"more than {most} bytes came")
    return bytes(content)


def ours(error: aiohttp.ClientError | OSError, place: str) -> UpstreamError:
    """The library's error as ours. Theirs can hold request headers, so they are not passed on."""
    if isinstance(error, TimeoutError):
        return UpstreamUnavailable(f"{place} did not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        if NOT_ALLOWED in str(error.os_error):
            return UpstreamInvalid("address_not_allowed", f"{place}: {NOT_ALLOWED}")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "")
            return UpstreamUnavailable(f"{place} has a certificate that is not believed: {why}")
        return UpstreamUnavailable(f"{place} cannot be connected to: {_unconnected(error)}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return UpstreamUnavailable(f"{place}: the proxy answered {error.status}")
    if isinstance(error, aiohttp.InvalidURL):  # neither a name nor an address in its usual spelling
        return UpstreamInvalid("bad_url", f"{place} is not a URL that we ask")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamInvalid("bad_http", f"{place} did not answer in HTTP: {type(error).__name__}")
    return UpstreamUnavailable(f"{place} broke off: {type(error).__name__}")


def _unconnected(error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection, as an operator would say it."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "its proxy does not answer"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not found"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "no TLS is agreed on"
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
