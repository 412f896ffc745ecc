"""HTTP to upstreams: one deadline, one size limit, no redirects, no cookies, guarded addresses.

Owns `Outbound`, the client of one process, and `UpstreamClient`, the part of it that one upstream may use.
Each upstream has its own share of connections, so that a dead one costs the others nothing. RFC 9110 §9.2.2:
a POST is sent once; when its connection breaks, that is an error and never a second try, since a code is
single use.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from urllib.parse import quote_plus

import aiohttp
import msgspec
from yarl import URL

from broker.config import OutboundConfig
from broker.connector import Answer, Json, Secret, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from broker.outbound.circuit import Circuit, NeverOpen
from broker.outbound.documents import Documents
from broker.outbound.sessions import NOT_ALLOWED, Sessions, Way

MAX_BODY = 1 << 20
"""Bytes of an answer; none is compressed, so these are all the bytes there are."""
MAX_URL = 4096
MAX_STRANGERS = 512
"""Those of whom connections and documents are kept."""
MAX_WAITING = 1024
"""Calls to one upstream under way or waiting for a connection."""

_USUAL = Way()
_NOT_ASKED = frozenset({"address_not_allowed", "bad_url"})
"""Refused by us, so it says nothing of the upstream."""
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_USER_AGENT = "federation-broker"
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986 §2.3: nothing in it to quote


class _Away(UpstreamUnavailable):
    """It answered that it cannot now; ``retry_after`` is what it says of when it can."""

    retry_after = ""
    of_one = False
    """Whether it is somebody's own limit, which says nothing of the upstream to all others."""


class Outbound:
    """The HTTP client of this process. Opens nothing until it is used."""

    def __init__(
        self,
        config: OutboundConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        told: Callable[[str, bool, str], None] = lambda _name, _opened, _why: None,
    ) -> None:
        """``told`` hears which upstream is left alone, or asked again, and why."""
        self._config, self._clock, self._now, self._told = config, clock, now, told
        self._clients: dict[str, UpstreamClient] = {}
        self._strangers: OrderedDict[str, UpstreamClient] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def client(self, name: str, way: Way = _USUAL) -> UpstreamClient:
        """The share of the upstream called ``name``: connections, limits and documents of its own."""
        if name not in self._clients:
            circuit = Circuit(self._clock, self._now, partial(self._told, name))
            self._clients[name] = UpstreamClient(self._config, self._clock, circuit, way)
        return self._clients[name]

    def stranger(self, name: str, way: Way = _USUAL) -> UpstreamClient:
        """The share of somebody who may be anybody, such as a client app that registered itself.

        Of those only so many are kept, and the one that was asked for longest ago goes.
        """
        known = self._strangers.pop(name, None)
        if known is None:
            known = UpstreamClient(self._config, self._clock, NeverOpen(self._clock, self._now), way)
        self._strangers[name] = known
        if len(self._strangers) > MAX_STRANGERS:
            _, oldest = self._strangers.popitem(last=False)
            closing = asyncio.get_running_loop().create_task(oldest.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return known

    async def close(self) -> None:
        """Close every connection."""
        everybody = [*self._clients.values(), *self._strangers.values()]
        await asyncio.gather(*(client.close() for client in everybody), *self._closing)
        self._clients.clear()
        self._strangers.clear()


class UpstreamClient:
    """HTTP to one upstream; see `broker.connector.UpstreamHTTP`, which this is."""

    def __init__(
        self, config: OutboundConfig, clock: Callable[[], float], circuit: Circuit, way: Way = _USUAL
    ) -> None:
        self.circuit = circuit
        self._sessions = Sessions(way, config.timeout, config.allow_networks)
        self._under_way = 0
        self._documents = Documents(self._fetch_document, clock, self._missed)
        self._files = Documents(self._fetch_file, clock, self._missed)

    async def get(
        self,
        url: str,
        *,
        bearer: str | None = None,
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        most: int = MAX_BODY,
    ) -> Answer:
        """GET, with the bearer token in its header (RFC 6750 §2.1); ``most`` bytes are read of the answer."""
        said = {**(headers or {}), "Accept": accept, **_bearer(bearer)}
        return await self._send("GET", url, said, most=most)

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: str | None = None,
    ) -> Answer:
        """POST a form, once."""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **_basic(basic),
            **_bearer(bearer),
        }
        return await self._send("POST", url, headers, _form(form))

    async def post_json(
        self,
        url: str,
        body: Json,
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a JSON document, once."""
        said = {
            "Accept": "application/json",
            **(headers or {}),
            "Content-Type": "application/json",
            **_basic(basic),
            **_bearer(bearer),
        }
        return await self._send("POST", url, said, msgspec.json.encode(body))

    async def document(self, url: str) -> Mapping[str, Json]:
        """A JSON object that rarely changes."""
        return await (self._documents.ask(url) if self.circuit.is_probe else self._documents.get(url))

    async def newer_document(self, url: str) -> Mapping[str, Json]:
        """The same, asked for anew unless that was done within the last minute."""
        return await self._documents.renew(url)

    async def file(self, url: str) -> bytes:
        """A file that rarely changes and is no JSON."""
        return await (self._files.ask(url) if self.circuit.is_probe else self._files.get(url))

    async def newer_file(self, url: str) -> bytes:
        """The same, asked for anew unless that was done within the last minute."""
        return await self._files.renew(url)

    async def close(self) -> None:
        """Close its connections and end its fetches."""
        await self.circuit.close()
        await self._documents.close()
        await self._files.close()
        await self._sessions.close()

    async def _fetch_document(self, url: str) -> tuple[Mapping[str, Json], str]:
        answer = await self._fetch(url, "application/json", spare=self._documents.has(url))
        document = answer.json()
        if not isinstance(document, dict):
            raise UpstreamInvalid("not_json", f"{_place(url)} answered no JSON object")
        return document, answer.headers.get("cache-control", "")

    async def _fetch_file(self, url: str) -> tuple[bytes, str]:
        answer = await self._fetch(url, "*/*", spare=self._files.has(url))
        return answer.body, answer.headers.get("cache-control", "")

    def _missed(self, failure: UpstreamError) -> None:
        """Somebody had to go without a document: that it was not asked for again is no sign of life."""
        if isinstance(failure, UpstreamUnavailable) and self.circuit.is_closed:
            self.circuit.unanswered(failure.detail)

    async def _fetch(self, url: str, accept: str, *, spare: bool) -> Answer:
        """A document. While the last edition serves, nobody is left alone for want of a newer one."""
        answer = await self._send("GET", url, {"Accept": accept}, spare=spare)
        if answer.status != 200:  # noqa: PLR2004
            raise UpstreamInvalid("bad_status", f"{_place(url)} answered {answer.status}")
        return answer

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        spare: bool = False,
        most: int = MAX_BODY,
    ) -> Answer:
        """One request, answered whole or not at all. That a ``spare`` one is not counts against nobody."""
        target = _checked(url)
        self.circuit.check()
        if self._under_way >= MAX_WAITING:  # at once: more wait for this upstream than it will ever answer
            raise UpstreamUnavailable("too many calls are under way")
        try:
            answer = await self._exchange(method, target, _place(url), headers, body, most)
        except _Away as error:
            if not spare and not error.of_one:
                self.circuit.unanswered(error.detail, asks_for=error.retry_after)
            raise
        except UpstreamUnavailable as error:
            if not spare:
                self.circuit.unanswered(error.detail)
            raise
        except UpstreamInvalid as error:
            if error.reason not in _NOT_ASKED:
                self.circuit.answered()
            raise
        self.circuit.answered()
        return answer

    async def _exchange(
        self,
        method: str,
        target: URL,
        place: str,
        headers: Mapping[str, str],
        body: bytes | None,
        most: int,
    ) -> Answer:
        with_identity = {**headers, "Accept-Encoding": "identity", "User-Agent": _USER_AGENT}
        self._under_way += 1
        try:
            async with self._sessions.get(target.scheme).request(
                method,
                target,
                headers=with_identity,
                data=body,
                allow_redirects=False,
                **self._sessions.through(target),
            ) as response:
                _check_status(response, place, bearer=headers.get("Authorization", "").startswith("Bearer "))
                body, told = await _read(response, most), _headers(response)
                return Answer(response.status, response.content_type, body, told)
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise _ours(error, place) from None
        finally:
            self._under_way -= 1


def _form(members: Mapping[str, str]) -> bytes:
    """application/x-www-form-urlencoded. Nearly every value is a token with nothing in it to quote."""
    said = [f"{_quoted(name)}={_quoted(value)}" for name, value in members.items()]
    return "&".join(said).encode("ascii")


def _quoted(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)


def _basic(credentials: tuple[str, Secret] | None) -> dict[str, str]:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    return {} if credentials is None else {"Authorization": _basic_header(*credentials)}


@lru_cache(maxsize=1024)
def _basic_header(name: str, secret: Secret) -> str:
    return aiohttp.encode_basic_auth(quote_plus(name), quote_plus(secret.reveal()))


def _bearer(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not token.isascii() or not token.isprintable():
        raise UpstreamInvalid("bad_token", "an access token that does not fit into a header")
    return {"Authorization": f"Bearer {token}"}


def _place(url: str) -> str:
    """Which endpoint a message is about: its URL without what may be private."""
    return url.partition("?")[0][:200]


@lru_cache(maxsize=1024)
def _checked(url: str) -> URL:
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
            "bad_url", f"{_place(url).rpartition('@')[2]} is not an http(s) URL that we ask"
        )
    return target


def _check_status(response: aiohttp.ClientResponse, place: str, *, bearer: bool) -> None:
    """What no caller can use is an error here; 2xx and 4xx are theirs to read."""
    if response.status == _TOO_MANY_REQUESTS or response.status >= _SERVER_ERROR:
        away = _Away(f"{place} answered {response.status}")
        away.retry_after = response.headers.get("Retry-After", "")
        # Whoever uses up the limit of their own token must not shut everybody else out.
        away.of_one = bearer and response.status == _TOO_MANY_REQUESTS
        raise away
    if 300 <= response.status < 400:  # noqa: PLR2004 - never followed: credentials stay at home
        raise UpstreamInvalid("redirect", f"{place} answered {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamInvalid("bad_encoding", f"{place} compressed its answer although we asked it not to")


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """By name; the first where one repeats."""
    told: dict[str, str] = {}
    for name, value in response.headers.items():
        told.setdefault(name.lower(), value)
    return told


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    if (response.content_length or 0) > most:
        raise UpstreamInvalid("too_large", f"more than {most} bytes were announced")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most:
            raise UpstreamInvalid("too_large", f"more than {most} bytes came")
    return bytes(content)


def _ours(error: aiohttp.ClientError | OSError, place: str) -> UpstreamError:
    """The library's error as ours. Theirs can hold request headers, so they are not passed on."""
    if isinstance(error, TimeoutError):
        return UpstreamUnavailable(f"{place} did not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        if NOT_ALLOWED in str(error.os_error):
            return UpstreamInvalid("address_not_allowed", f"{place}: {NOT_ALLOWED}")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "")
            return UpstreamUnavailable(f"{place} has a certificate that is not believed: {why}")
        return UpstreamUnavailable(f"{place} cannot be connected to: {type(error).__name__}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return UpstreamUnavailable(f"{place}: the proxy answered {error.status}")
    if isinstance(error, aiohttp.InvalidURL):  # neither a name nor an address in its usual spelling
        return UpstreamInvalid("bad_url", f"{place} is not a URL that we ask")
    if isinstance(error, aiohttp.ClientResponseError):
        return UpstreamInvalid("bad_http", f"{place} did not answer in HTTP: {type(error).__name__}")
    return UpstreamUnavailable(f"{place} broke off: {type(error).__name__}")
