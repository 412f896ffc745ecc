"""Commands to Redis: those of all tasks share a few connections, and go out together.

Owns the sending of commands and scripts. Commands are queued, written in one piece per turn of the
event loop, and answered in order by one reader per connection (`broker.store.link`). The promises:

- a waiter that is cancelled leaves its place in the row; its answer is read and thrown away;
- a command is never sent twice: a lost answer is `StoreUnavailable`, and never looks like "nothing there";
- a link that breaks fails everyone who waits on it, at once, and is never used again; the next
  command opens a new one. So recovery needs no timer and no state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Self

from hiredis import pack_command

from broker.store.address import dialler
from broker.store.errors import StoreRefused, StoreUnavailable
from broker.store.link import Link

Argument = str | bytes | int

DEADLINE = 1.5
"""Seconds for a command, opening the connection included."""
BUSY = 256
"""So many commands on one link before the next link is used: few links make large batches."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script: what it does happens whole, or not at all."""

    body: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        # EVALSHA names a script by its SHA-1; nothing secret hangs on it.
        object.__setattr__(self, "sha", sha1(self.body.encode(), usedforsecurity=False).hexdigest())


Run = tuple[Script, Sequence[str], Sequence[Argument]]
"""A script, its keys and its arguments."""


class Wire:
    """A few shared connections to one server. ``at_close`` is called when they are closed."""

    def __init__(
        self,
        url: str,
        *,
        links: int = 2,
        deadline: float = DEADLINE,
        at_close: Callable[[], None] | None = None,
    ) -> None:
        self._dial = dialler(url)
        self._deadline = deadline
        self._links: list[Link | None] = [None] * links
        self._at_close = at_close
        self._users = 1
        self._closed = False

    def shared(self) -> Self:
        """The same, for one user more: each closes it, and the last one's closing counts."""
        self._users += 1
        return self

    def call(self, *command: Argument) -> asyncio.Future[Any]:
        """Send one command, once. Await the answer at once.

        The answer is bytes, an int, a list of these, or None. It fails with `StoreUnavailable` when no
        answer came, and with `StoreRefused` when the server refused.
        """
        return self._link().submit(pack_command(command))  # type: ignore[arg-type]

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()) -> Any:
        """Run a script. Its first use on a server sends its text."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except StoreRefused as error:
            if error.reason != "noscript":
                raise
        # NOSCRIPT says that nothing was run, so this is no second time.
        return await self.call("EVAL", script.body, len(keys), *keys, *arguments)

    async def run_together(self, runs: Sequence[Run]) -> list[Any]:
        """Run scripts that leave together: no task is made for any of them.

        Raises what the first that failed raised, once all have been answered.
        """
        answers: list[Any] = []
        failed: StoreUnavailable | None = None
        under_way = [(run, self.call("EVALSHA", run[0].sha, len(run[1]), *run[1], *run[2])) for run in runs]
        for (script, keys, arguments), asked in under_way:
            try:
                answers.append(await asked)
            except StoreUnavailable as error:
                if error.reason != "noscript" or failed is not None:
                    failed = failed or error
                    continue
                answers.append(await self.call("EVAL", script.body, len(keys), *keys, *arguments))
        if failed is not None:
            raise failed
        return answers

    async def close(self) -> None:
        """Close all connections, unless others use them; whoever still waits hears `StoreUnavailable`."""
        self._users -= 1
        if self._users > 0:
            return
        self._closed = True
        await asyncio.gather(*(link.close() for link in self._links if link is not None))
        if self._at_close is not None:
            await asyncio.to_thread(self._at_close)

    def _link(self) -> Link:
        if self._closed:
            raise StoreUnavailable("closed", "the store was closed")
        for place, link in enumerate(self._links):
            if link is None or link.broken:
                link = self._links[place] = Link(self._dial(), self._deadline)  # noqa: PLW2901
            if link.load < BUSY:
                return link
        return min((link for link in self._links if link is not None), key=lambda link: link.load)
