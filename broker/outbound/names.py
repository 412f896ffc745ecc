"""Which addresses a host name has, asked on threads that nobody else needs.

Owns `Names`. The system's resolver can only be waited for, by a thread, for as long as the slowest server of
a name takes. Whoever may name hosts could hold all of the threads that a process has for such things with a
few names that nobody answers for; so strangers have some of their own (`broker.outbound.http`), and hold
nobody else up.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

AT_ONCE = 16
"""Names that are looked up at one time."""


class Names(AbstractResolver):
    """The lookups of some, in their turn; no threads until there is one."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``, as the system has them.

        Raises:
            OSError: it has none, or none in time. Who waits in the row then is taken out of it.
        """
        look = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        async with asyncio.timeout(self._deadline):
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look)
        return [_result(host, family, protocol, address) for family, _, protocol, _, address in found]

    async def close(self) -> None:
        """Let the threads go; what one still waits for is nobody's any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(
    host: str,
    family: int,
    protocol: int,
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
) -> ResolveResult:
    scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""  # noqa: PLR2004  (IPv6, on one link)
    return ResolveResult(
        hostname=host,
        host=f"{address[0]!s}{scope}",
        port=int(address[1]),
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
