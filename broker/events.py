"""What is seen from outside: one JSON line per event, and the numbers of /metrics.

Owns the log. An event has a name, an outcome, a stable reason and a correlation id; its other fields
are the ones named here and nothing else, so no token, code, secret or address can wander in.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Counter, Gauge, Histogram, multiprocess

_FIELDS: Final = frozenset(
    {
        "address",
        "client_id",
        "connector",
        "subject",
        "sid",
        "grant_id",
        "grant_type",
        "scope",
        "endpoint",
        "detail",
        "logger",
    }
)
_LONGEST = 400

EVENTS = Counter("broker_events", "Events by name, connector and outcome.", ["event", "connector", "outcome"])
LEFT_ALONE = Gauge(
    "broker_upstreams_left_alone",
    "Connectors that are not asked for a while because they do not answer; the log names them.",
    multiprocess_mode="livemax",
)
NOTICES = Gauge(
    "broker_outbox_notices",
    "What client apps are still to be told: waiting, to be tried again later, or dead; of which workspace.",
    ["state", "workspace"],
    multiprocess_mode="mostrecent",
)
SECONDS = Histogram(
    "broker_request_seconds",
    "Time to answer, by endpoint and outcome.",
    ["endpoint", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Labels are a few names of ours and of connectors that exist. To find their counter takes longer than to
# count.
_counted = cache(EVENTS.labels)
_MOST_NAMED: Final = 500
_OTHERS: Final = "(others)"
"""What the numbers call every connector after so many; no connector can have this id."""
_named: set[str] = set()
timed = cache(SECONDS.labels)

_encode = msgspec.json.Encoder().encode


# Upstreams write what they like into an error: an address, or something as long as a code or a token.
_ADDRESS = re.compile(r"[^\s'\"<>(,:;]+@[^\s'\">),:;]+")
_LONG_WORD = re.compile(r"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}")


def scrubbed(text: str) -> str:
    """``text`` without what could be somebody's address, or a secret."""
    short = text[:_LONGEST]  # before the patterns, whose work grows with the square of the length
    return _LONG_WORD.sub("…", _ADDRESS.sub("…@…", short))


def plain(text: str) -> str:
    """``text`` on one line, without control or direction characters, and not too long."""
    if text.isprintable() and len(text) <= _LONGEST:
        return text
    return "".join(c if c.isprintable() else "�" for c in text[:_LONGEST])


class Events:
    """Writes events; ``write`` gets one line at a time, ``now`` gives seconds since the epoch.

    Each line of a workspace's says ``workspace``; those of the host and the process have none.
    Every value that becomes a label of a metric is one of few: names of ours, and of connectors that exist.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        write: Callable[[bytes], object] | None = None,
        workspace: str = "",
    ) -> None:
        self._now, self._workspace = now, workspace
        self._write = write or _standard_error

    def emit(
        self, event: str, outcome: str, *, correlation_id: str = "", reason: str = "", **fields: str | int
    ) -> None:
        """Write one event.

        Args:
            event: what happened, such as ``login`` or ``token``.
            outcome: ``ok``, ``refused`` or ``failed``.
            correlation_id: the one the person's page shows.
            reason: a stable word that says why; empty when all is well.
            fields: of the names that may be logged; others are left out.
        """
        _counted(event, _label(str(fields.get("connector", ""))), outcome).inc()
        line: dict[str, str | int | float] = {
            "time": round(self._now(), 3),
            "event": event,
            "outcome": outcome,
        }
        if self._workspace:
            line["workspace"] = self._workspace
        if reason:
            line["reason"] = plain(reason)
        if correlation_id:
            line["correlation_id"] = correlation_id
        for name, value in fields.items():
            if name in _FIELDS and value != "":
                line[name] = _written(name, value) if isinstance(value, str) else value
        self._write(_encode(line) + b"\n")

    def upstream(self, connector: str, opened: bool, why: str) -> None:
        """A connector's upstream is left alone from now on because it does not answer, or asked again."""
        (LEFT_ALONE.inc if opened else LEFT_ALONE.dec)()
        outcome, reason = ("failed", "left_alone") if opened else ("ok", "asked_again")
        self.emit("upstream", outcome, reason=reason, connector=connector, detail=why)

    def noted(self, **counts: int) -> None:
        """How many notices to client apps there are, by what became of them so far."""
        for state, count in counts.items():
            NOTICES.labels(state, self._workspace).set(count)


def _label(connector: str) -> str:
    """A connector's name in the numbers, which must not grow with the configuration."""
    if connector in _named:
        return connector
    if len(_named) >= _MOST_NAMED:
        return _OTHERS
    _named.add(connector)
    return connector


def gone(pid: int) -> None:
    """A worker has ended: what it said of this moment is no longer so. What it counted stays."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _written(name: str, value: str) -> str:
    return plain(scrubbed(value) if name == "detail" else value)


def _standard_error(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()


class LogHandler(logging.Handler):
    """Brings what libraries log into the same stream, by name and place only.

    Their messages and tracebacks may quote what they were handling, so they stay out; the exception's
    type and the line that raised it are enough to find the fault.
    """

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event."""
        where, reason = f"{record.filename}:{record.lineno}", record.levelname.lower()
        if record.exc_info and record.exc_info[0] is not None:
            reason, where = record.exc_info[0].__name__, traced(record.exc_info[1]) or where
        # A request that is no HTTP is its sender's affair; anything else that a library reports is ours.
        theirs = bool(record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
        outcome = "refused" if theirs else "failed"
        self._events.emit("log", outcome, reason=reason, logger=record.name, detail=where)


def traced(error: BaseException | None) -> str:
    """The places an exception came through, innermost last, without any value."""
    places: list[str] = []
    step = error.__traceback__ if error is not None else None
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{step.tb_lineno}")
        step = step.tb_next
    return " > ".join(places[-8:])
