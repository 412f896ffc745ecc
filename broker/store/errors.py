"""What goes wrong at the store.

    StoreError
    ├── StoreUnavailable      no whole answer in time: the caller says temporarily_unavailable
    │   └── StoreRefused      the server answered, and said no (OOM, READONLY, NOPERM, …)
    ├── StoreCorrupt          an answer that does not belong to what was asked: an alarm, never a value
    └── StoreMisconfigured    the store's settings cannot work; stops the start

``reason`` is a short stable word for the log, ``detail`` is for the log too. Neither holds a value,
a handle or a password.
"""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


class StoreError(Exception):
    """Something at the store went wrong; nothing may be concluded about what is stored."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class StoreUnavailable(StoreError):
    """No answer. The command may have run or not: whoever asked must not assume either."""


class StoreRefused(StoreUnavailable):
    """The server refused the command; ``reason`` is its error code in lower case."""


class StoreCorrupt(StoreError):
    """A stored value, or an answer, is not what was put there under this name."""


class StoreMisconfigured(StoreError):
    """The settings of the store cannot work; ``detail`` is for the operator."""

    def __str__(self) -> str:
        return self.detail


def alarm(reason: str, detail: str) -> StoreCorrupt:
    """The error for a value or an answer that is not what it should be, told to whoever watches the log.

    It is a fault of the machine or somebody at work in the store, so it must not drown in a retry.
    """
    _log.critical("store: %s: %s", reason, detail)
    return StoreCorrupt(reason, detail)
