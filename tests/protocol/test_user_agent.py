"""A browser in words, as far as it says what it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.user_agent import Device, device_of
from tests.costs import least_cpu

KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("header", "browser", "system"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/139.0.0.0 Safari/537.36",
            "Chrome",
            "Windows",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {KHTML} Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
            "Edge",
            "Windows",
        ),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {KHTML} Chrome/139.0.0.0 Safari/537.36 OPR/121.0.0.0",
            "Opera",
            "Linux",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {KHTML} Chrome/139.0.0.0 Mobile Safari/537.36",
            "Chrome",
            "Android",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; X) {KHTML} SamsungBrowser/28.0 Chrome/130.0 Safari/537.36",
            "Samsung Internet",
            "Android",
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {KHTML} Chrome/139.0.0.0 Safari/537.36",
            "Chrome",
            "ChromeOS",
        ),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KHTML} Version/18.5 Safari/605.1.15",
            "Safari",
            "macOS",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5) {KHTML} Version/18.5 Mobile/15E Safari/604.1",
            "Safari",
            "iPhone",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) CriOS/139.0.0.0 Mobile/15E Safari/604.1",
            "Chrome",
            "iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) FxiOS/140.0 Mobile/15E148 Safari/605.1.15",
            "Firefox",
            "iPad",
        ),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox", "Android"),
        ("curl/8.14.1", "", ""),
        ("", "", ""),
        ("<script>alert(1)</script> Windows", "", "Windows"),
    ],
)
def test_what_a_browser_says_is_told_in_words(header, browser, system):
    assert device_of(header) == Device(browser=browser, system=system)


@given(st.text(max_size=2000))
def test_only_words_of_ours_are_ever_said(header):
    device = device_of(header)
    assert all(word.replace(" ", "").isalpha() for word in (device.browser, device.system) if word)


@pytest.mark.row("DS-11")
def test_a_hostile_header_costs_nothing():
    hostile = "Version/" + "1." * 100_000 + " Safar"
    assert least_cpu(lambda: device_of(hostile)) < 0.01
