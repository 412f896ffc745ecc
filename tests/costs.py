"""What a call costs, told on a machine that has other things to do."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_cpu(call: Callable[[], object], *, tries: int = 5) -> float:
    """The least CPU seconds of this thread that the call took.

    A wall clock tells how busy the machine is, and even one measure of the CPU counts what falls due just
    then: a collection of the garbage of all tests before.
    """
    return min(_cpu(call) for _ in range(tries))


def _cpu(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began
