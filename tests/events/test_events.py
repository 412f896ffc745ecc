"""The log: one line per event, and nothing in it that should not be."""

from __future__ import annotations

import json
import logging

import pytest

from broker import events as events_module
from broker.events import EVENTS, Events, LogHandler, scrubbed


@pytest.fixture
def lines() -> list[bytes]:
    return []


@pytest.fixture
def events(lines: list[bytes]) -> Events:
    return Events(now=lambda: 1_700_000_000.1234, write=lines.append)


def test_an_event_is_one_line_of_json_with_its_instant(events: Events, lines: list[bytes]) -> None:
    events.emit("login", "ok", correlation_id="c0ffee", connector="staff", subject="abc")
    (line,) = lines
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "time": 1_700_000_000.123,
        "event": "login",
        "outcome": "ok",
        "correlation_id": "c0ffee",
        "connector": "staff",
        "subject": "abc",
    }


def test_a_field_that_is_not_on_the_list_is_left_out(events: Events, lines: list[bytes]) -> None:
    events.emit("token", "ok", client_id="billing", access_token="secret", email="ada@people.example")
    assert json.loads(lines[0]).keys() == {"time", "event", "outcome", "client_id"}


@pytest.mark.row("LG-02")
@pytest.mark.parametrize(
    "text", ["a\nb", 'a","event":"forged', "\x1b[31mred", "\u202edlrow", "x" * 1_000_000, "\0", "\ud800"]
)
def test_no_value_makes_a_second_record_or_a_very_long_one(events: Events, lines: list[bytes], text) -> None:
    events.emit("refusal", "refused", reason=text, detail=text, client_id=text)
    (line,) = lines
    assert line.count(b"\n") == 1
    assert len(line) < 4000
    assert json.loads(line)["event"] == "refusal"
    assert all(character.isprintable() for character in json.loads(line)["reason"])


@pytest.mark.row("LG-01")
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "AADSTS50020: User account 'ada@people.example' does not exist",
            "AADSTS50020: User account '…@…' does not exist",
        ),
        ("code SplxlOBeZQQYbYS6WxSbIA0987 is not valid", "code … is not valid"),
        ("mail to <ada.l+x@sub.people.example>, please", "mail to <…@…>, please"),
        ("invalid_client: wrong secret", "invalid_client: wrong secret"),
        ("callback.py:36 > flow.py:101 > opened.py:128", "callback.py:36 > flow.py:101 > opened.py:128"),
        ("Internationalization-is-a-long-word", "Internationalization-is-a-long-word"),
    ],
)
def test_what_an_upstream_says_is_logged_without_addresses_and_long_secrets(said: str, kept: str) -> None:
    assert scrubbed(said) == kept


@pytest.mark.row("LG-03")
def test_what_a_library_logs_is_told_by_place_and_type_and_never_quoted(
    events: Events, lines: list[bytes]
) -> None:
    logger, handler = logging.getLogger("some.library"), LogHandler(events)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logger.info("a token: %s", "canary")
        try:
            raise ValueError("canary")
        except ValueError:
            logger.exception("it broke with canary")
        logger.warning("canary")
    finally:
        logger.removeHandler(handler)
    assert len(lines) == 2
    assert b"canary" not in b"".join(lines)
    told = json.loads(lines[0])
    assert (told["reason"], told["logger"]) == ("ValueError", "some.library")
    assert told["detail"].startswith("test_events.py:")


@pytest.mark.row("DS-17")
def test_the_numbers_do_not_grow_with_the_connectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_named", set())
    events = Events(now=lambda: 0.0, write=lambda _line: None)
    for n in range(10_000):
        events.emit("test_growth", "ok", connector=f"c{n}")
    of_this = [s for m in EVENTS.collect() for s in m.samples if s.labels.get("event") == "test_growth"]
    totals = {s.labels["connector"]: s.value for s in of_this if s.name.endswith("_total")}
    assert len(totals) == 501
    assert totals["(others)"] == 9_500
