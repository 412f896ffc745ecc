"""A test that takes too long ends, also where a task of its event loop caught the first alarm.

pytest-timeout sets one alarm and raises an exception in whatever runs then. Where that is a task, asyncio
keeps it for whoever awaits the task, and a test that waits for what the task would have done, and with it the
whole run, would wait forever.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any

import pytest

AGAIN = 5.0
"""Seconds between two alarms; the first that ends the test is the last."""


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(settings: Any) -> Generator[None, object, object]:
    """After pytest-timeout has set its alarm."""
    done = yield
    if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN)
    return done
