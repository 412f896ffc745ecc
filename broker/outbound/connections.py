"""Connections to others, where the library is more patient than we are.

Owns `Connector`. RFC 9112 §9.3.2: HTTP/1.1 tells answers apart by their order alone. RFC 9110 §15.2: an
answer may be announced, any number of times.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

MAX_ANNOUNCED = 16
"""Answers to one request that are read, all but one of which only announce it."""


class Connector(aiohttp.TCPConnector):
    """Drops an idle connection on which something came that nobody had asked for.

    Whoever used it next would take that for theirs, and everybody after them the answer to somebody else. The
    library looks for that when a connection is put back, not when it is taken again.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Answers, loop=self._loop))

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (found := await super()._get(key, traces)) is not None:
            if found.protocol is not None and not found.protocol.should_close:
                return found
            found.close()
        return None


class _Answers(ResponseHandler):
    """Ends a connection whose server announces its answer again and again and gives none.

    The library reads all of that as fast as it comes and keeps it until somebody looks, which is megabytes of
    memory for each that was sent, and all of a processor until the deadline.
    """

    _told = 0

    def set_response_params(self, **params: Any) -> None:
        """A request goes out."""
        self._told = 0
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The head of an answer has come."""
        self._told += 1
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        super().data_received(data)
        if self._told > MAX_ANNOUNCED and self.transport is not None:
            self._buffer.clear()
            self.set_exception(HttpProcessingError(message="an answer without end is announced"))
            self.transport.abort()
