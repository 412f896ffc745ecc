"""A browser in words: what its User-Agent header says of itself (RFC 9110 §10.1.5).

A person recognises a device by it, and it proves nothing: anybody may send anything. Browsers say less and
less there, so they are told apart coarsely, by the names that matter to who looks for a stranger's device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Device:
    """A browser and the system it runs on; each empty where it is not known."""

    browser: str = ""
    system: str = ""


# The first that is found: each browser also names those that it wants to pass for.
_BROWSERS: Final = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/"),
    ("Opera", r"\bOPR/|\bOPT/|\bOPiOS/|\bOpera\b"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Vivaldi", r"\bVivaldi/"),
    ("Yandex Browser", r"\bYaBrowser/"),
    ("DuckDuckGo", r"\bDuckDuckGo/|\bDdg/"),
    ("Firefox", r"\bFirefox/|\bFxiOS/"),
    ("Chrome", r"\bChrome/|\bCriOS/|\bChromium/|\bHeadlessChrome/"),
    ("Safari", r"\bVersion/[0-9.]+ (?:Mobile/\w+ )?Safari/"),
)
_SYSTEMS: Final = (
    ("iPhone", r"\biPhone\b|\biPod\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"\bMacintosh\b|\bMac OS X\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)
_BY_BROWSER: Final = tuple((name, re.compile(pattern)) for name, pattern in _BROWSERS)
_BY_SYSTEM: Final = tuple((name, re.compile(pattern)) for name, pattern in _SYSTEMS)


def device_of(user_agent: str) -> Device:
    """The device in words, as far as the header names one that is known."""
    text = user_agent[:_LONGEST]
    browser = next((name for name, pattern in _BY_BROWSER if pattern.search(text)), "")
    system = next((name for name, pattern in _BY_SYSTEM if pattern.search(text)), "")
    return Device(browser=browser, system=system)
