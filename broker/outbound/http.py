"""HTTP to upstreams: one deadline, one size limit, no redirects, no cookies, guarded addresses.

Owns `Outbound`, the client of one process, and `UpstreamClient`, the part of it that one upstream may use.
Each upstream has its own share of connections, so that a dead one costs the others nothing. RFC 9110 §9.2.2:
a POST is sent once; when its connection breaks, that is an error and never a second try, since a code is
single use.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

import aiohttp
import msgspec
from yarl import URL

from broker.config import OutboundConfig
from broker.connector import Answer, Json, Secret, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from broker.outbound import messages
from broker.outbound.circuit import Circuit, NeverOpen
from broker.outbound.documents import AFTER_FAILURE, STRANGERS_AFTER_FAILURE, Documents
from broker.outbound.names import Names
from broker.outbound.sessions import Sessions, Way

MAX_STRANGERS = 512
"""Those of whom connections and documents are kept."""
MAX_STRANGERS_DOCUMENT = 128 * 1024
"""Bytes of a document of theirs, such as 64 keys with certificates. JSON of a MiB takes up to a tenth of a
second to read, in which nobody else is answered."""
MAX_WAITING = 1024
"""Calls to one upstream under way or waiting for a connection."""

_USUAL = Way()
_NOT_ASKED = frozenset({"address_not_allowed", "bad_url"})
"""Refused by us, so it says nothing of the upstream."""
_USER_AGENT = "federation-broker"


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
        self._known: dict[str, UpstreamClient] = {}
        self._strangers: OrderedDict[str, UpstreamClient] = OrderedDict()
        self._names, self._strangers_names = Names(config.timeout), Names(config.timeout)
        self._closing: set[asyncio.Task[None]] = set()

    def client(self, name: str, way: Way = _USUAL) -> UpstreamClient:
        """The share of the upstream called ``name``: connections, limits and documents of its own."""
        if name not in self._clients:
            circuit = Circuit(self._clock, self._now, partial(self._told, name))
            self._clients[name] = UpstreamClient(self._config, self._clock, circuit, self._names, way)
        return self._clients[name]

    def called(self, name: str, way: Way = _USUAL, *, stranger: bool) -> UpstreamClient:
        """The share of somebody who is called on the word of a client app, or of whoever signs for one.

        Those whom the operator's configuration names stay. Of strangers, such as an app that registered
        itself, only so many do, and the one that was asked for longest ago goes: who comes in numbers takes
        the place of others like them, and of nobody else.
        """
        if stranger:
            return self._stranger(name, way)
        if name not in self._known:
            self._known[name] = self._never_open(self._names, way)
        return self._known[name]

    def _stranger(self, name: str, way: Way) -> UpstreamClient:
        known = self._strangers.pop(name, None)
        share = known or self._never_open(self._strangers_names, way, stranger=True)
        self._strangers[name] = share
        over = len(self._strangers) - MAX_STRANGERS
        # Whoever is being waited for stays: it would be somebody else's request that ends with it.
        idle = (one for one, its in self._strangers.items() if one != name and not its.is_busy)
        for one in list(islice(idle, max(0, over))):
            closing = asyncio.get_running_loop().create_task(self._strangers.pop(one).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return share

    def _never_open(self, names: Names, way: Way, *, stranger: bool = False) -> UpstreamClient:
        circuit = NeverOpen(self._clock, self._now)
        return UpstreamClient(self._config, self._clock, circuit, names, way, stranger=stranger)

    async def close(self) -> None:
        """Close every connection."""
        shares = [self._clients, self._known, self._strangers]
        everybody = [client for share in shares for client in share.values()]
        await asyncio.gather(*(client.close() for client in everybody), *self._closing)
        for share in shares:
            share.clear()
        await self._names.close()
        await self._strangers_names.close()


class UpstreamClient:
    """HTTP to one upstream; see `broker.connector.UpstreamHTTP`, which this is."""

    def __init__(
        self,
        config: OutboundConfig,
        clock: Callable[[], float],
        circuit: Circuit,
        names: Names,
        way: Way = _USUAL,
        *,
        stranger: bool = False,
    ) -> None:
        """A ``stranger`` has less read of a document, and is asked less often for one that cannot be had."""
        self.circuit = circuit
        self._most = MAX_STRANGERS_DOCUMENT if stranger else messages.MAX_BODY
        self._sessions = Sessions(way, config.timeout, config.allow_networks, names, stranger=stranger)
        self._under_way = 0
        pause = STRANGERS_AFTER_FAILURE if stranger else AFTER_FAILURE
        self._documents = Documents(self._fetch_document, clock, self._missed, pause=pause)
        self._files = Documents(self._fetch_file, clock, self._missed, pause=pause)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._under_way) or self._documents.is_fetching or self._files.is_fetching

    async def get(
        self,
        url: str,
        *,
        bearer: str | None = None,
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
        most: int = messages.MAX_BODY,
    ) -> Answer:
        """GET, with the bearer token in its header (RFC 6750 §2.1); ``most`` bytes are read of the answer."""
        said = {**(headers or {}), "Accept": accept, **messages.bearer_of(bearer)}
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
            **messages.basic_of(basic),
            **messages.bearer_of(bearer),
        }
        return await self._send("POST", url, headers, messages.form(form))

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
            **messages.basic_of(basic),
            **messages.bearer_of(bearer),
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

    async def present_file(self, url: str) -> bytes:
        """The same as it is at this moment, for what is decided once and for good."""
        return await self._files.ask(url)

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
            raise UpstreamInvalid("not_json", f"{messages.place_of(url)} answered no JSON object")
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
        answer = await self._send("GET", url, {"Accept": accept}, spare=spare, most=self._most)
        if answer.status != 200:  # noqa: PLR2004
            raise UpstreamInvalid("bad_status", f"{messages.place_of(url)} answered {answer.status}")
        return answer

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        spare: bool = False,
        most: int = messages.MAX_BODY,
    ) -> Answer:
        """One request, answered whole or not at all. That a ``spare`` one is not counts against nobody."""
        target = messages.checked(url)
        self.circuit.check()
        if self._under_way >= MAX_WAITING:  # at once: more wait for this upstream than it will ever answer
            raise UpstreamUnavailable("too many calls are under way")
        try:
            answer = await self._exchange(method, target, messages.place_of(url), headers, body, most)
        except messages.Away as error:
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
                messages.check_status(
                    response, place, bearer=headers.get("Authorization", "").startswith("Bearer ")
                )
                body, told = await messages.read(response, most), messages.headers_of(response)
                return Answer(response.status, response.content_type, body, told)
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            raise messages.ours(error, place) from None
        finally:
            self._under_way -= 1
