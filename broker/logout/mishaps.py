"""What goes wrong in a task that must go on: told to the log when it begins, and not again each second.

A store that is away for an hour is one line. Nothing is lost by going on: who was to be told is still on the
list, or in the outbox.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.events import Events, traced
from broker.store import StoreError


class Mishaps:
    """Those of one task."""

    def __init__(self, events: Events, event: str) -> None:
        self._events, self._event, self._last = events, event, ""

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Nothing that is raised inside leaves; the log hears of it, once for each reason in a row."""
        try:
            yield
        except StoreError as error:
            self._tell(error.reason, error.detail)
        except Exception as error:  # noqa: BLE001  (the task goes on, whatever it was)
            self._tell(type(error).__name__, traced(error))
        else:
            self._last = ""

    def _tell(self, reason: str, detail: str) -> None:
        if reason != self._last:
            self._events.emit(self._event, "failed", reason=reason, detail=detail)
        self._last = reason
