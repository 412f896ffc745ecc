"""The parent of the workers: starts them, replaces those that leave or die, and ends with all of them.

Owns the worker processes. A worker tells over a pipe when it is ready and when it is leaving; the pipe's
end tells that it is gone. A leaving worker is replaced at once, so that nobody waits while it says its
farewells. What else the parent looks after (the embedded store) is asked for each second.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Final

from broker.cli.operator import OperatorError
from broker.cli.worker import LEAVING, READY
from broker.events import Events, gone

_LIMIT: Final = 10.0
"""Seconds from SIGTERM to the end of the last worker."""
_TICK: Final = 1.0
_IMPATIENCE: Final = 1.0
_YOUNG: Final = 5.0
"""Who dies sooner than this will likely do so again."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(slots=True)
class _Worker:
    """One child, by the pipe it speaks through."""

    pid: int
    pipe: int
    since: float
    ready: bool = False
    leaving: bool = False


class Supervisor:
    """``work(pipe)`` is what a worker does; ``watch()`` is called each second, in the parent."""

    def __init__(
        self, count: int, work: Callable[[int], None], events: Events, watch: Callable[[], None] | None = None
    ) -> None:
        self._count, self._work, self._events, self._watch = count, work, events, watch
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._failures = 0
        self._not_before = 0.0
        self._was_ready = False
        self._stop_by: float | None = None

    def run(self, when_ready: Callable[[], None]) -> int:
        """Serve until SIGTERM; the answer is the exit code."""
        before = {number: signal.signal(number, self._hear) for number in _SIGNALS}
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        self._selector.register(wake, selectors.EVENT_READ)
        try:
            while self._workers or self._stop_by is None:
                self._fill()
                self._turn(wake, when_ready)
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wake)
            os.close(woken)
        return 0 if self._was_ready else 1

    def _turn(self, wake: int, when_ready: Callable[[], None]) -> None:
        patience = _TICK if self._stop_by is None else min(_TICK, max(self._stop_by - time.monotonic(), 0.01))
        for key, _ in self._selector.select(patience):
            if key.fd == wake:
                os.read(wake, 4096)
            else:
                self._listen(self._workers[key.fd])
        if not self._was_ready and self._count == sum(worker.ready for worker in self._workers.values()):
            self._was_ready = True
            when_ready()
        if self._watch is not None and self._stop_by is None:
            self._watch()
        if self._stop_by is not None and time.monotonic() > self._stop_by:
            self._signal(signal.SIGKILL)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM lets everybody finish; one more, a second later or more, does not."""
        now = time.monotonic()
        if self._stop_by is None:
            self._stop_by = now + _LIMIT
        elif (
            now > self._stop_by - _LIMIT + _IMPATIENCE
        ):  # sooner it is the same wish, by way of somebody else
            self._stop_by = now
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        for worker in list(self._workers.values()):
            os.kill(worker.pid, number)

    # ── Workers ───────────────────────────────────────────────────────────────────────────────

    def _fill(self) -> None:
        """As many workers as there should be, not counting those that are leaving."""
        if self._stop_by is not None or time.monotonic() < self._not_before:
            return
        staying = sum(not worker.leaving for worker in self._workers.values())
        for _ in range(self._count - staying):
            # Nobody is born whom a signal misses: before the fork it is heard here, after it by both.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                if self._stop_by is None:
                    self._start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _start(self) -> None:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            self._be_a_worker(theirs)
        os.close(theirs)
        self._workers[ours] = _Worker(pid, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ)

    def _be_a_worker(self, pipe: int) -> None:
        """Never returns: what the parent would do next is not the child's to do."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._selector.close()
            self._work(pipe)
            code = 0
        except OperatorError as error:
            print(*(f"broker: {line}" for line in error.lines), sep="\n", file=sys.stderr)
        except BaseException:  # noqa: BLE001  (nobody above would print it)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _listen(self, worker: _Worker) -> None:
        said = os.read(worker.pipe, 16)
        if not said:
            self._bury(worker)
            return
        if READY in said:
            worker.ready = True
        if LEAVING in said:
            worker.leaving = True

    def _bury(self, worker: _Worker) -> None:
        self._selector.unregister(worker.pipe)
        os.close(worker.pipe)
        del self._workers[worker.pipe]
        _, status = os.waitpid(worker.pid, 0)
        gone(worker.pid)
        if worker.leaving or self._stop_by is not None:
            return
        code = os.waitstatus_to_exitcode(status)
        self._events.emit("worker", "failed", reason="died", detail=f"process {worker.pid}: {code}")
        if not self._was_ready:  # it cannot even begin: that is for the operator, not for another try
            self._stop_by = time.monotonic() + _LIMIT
            self._signal(signal.SIGTERM)
        self._failures = self._failures + 1 if time.monotonic() < worker.since + _YOUNG else 0
        if self._failures:
            self._not_before = time.monotonic() + min(
                _FIRST_PAUSE * 2 ** (self._failures - 1), _LONGEST_PAUSE
            )
