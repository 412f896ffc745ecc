"""The pages of what is proven name the tests that there are, and every mark is about something known."""

from __future__ import annotations

import re

import pytest

from tests import proven

STANDARD = re.compile(
    r"RFC \d{4}|OpenID (Core|Discovery|Registration|(RP-Initiated|Back-Channel|Front-Channel) Logout)"
    r"|JARM|FAPI 2\.0 (Security Profile|Message Signing)|CIMD|OAuth 2\.0 Form Post Response Mode"
)


@pytest.mark.parametrize("page", ["ATTACKS", "STANDARDS"])
def test_the_page_names_the_tests_that_there_are(page):
    path = getattr(proven, page)
    written = {"ATTACKS": proven.attacks, "STANDARDS": proven.standards}[page](proven.told(path))
    found = path.read_text(encoding="utf-8")
    assert proven.without_results(found) == proven.without_results(written), (
        "write it anew: .venv/bin/python -m tests.proven"
    )


def test_a_row_that_a_test_names_is_in_the_catalogue():
    known = {attack.id for attack in proven.catalogue()}
    assert {mark.said[0] for mark in proven.marks() if mark.kind == "row"} <= known


def test_a_mark_counts_by_whatever_name_its_file_calls_it():
    where = {mark.test.partition("::")[0] for mark in proven.marks() if mark.said[0] == "SM-01"}
    assert where == {"tests/connectors/test_saml_response.py"}  # which says `row` for short


def test_a_standard_that_a_test_names_is_written_as_the_others_write_it():
    named = {mark.said[0] for mark in proven.marks() if mark.kind == "standard"}
    assert [name for name in named if STANDARD.fullmatch(name) is None] == []


def test_results_are_told_at_their_worst_and_survive_a_page_without_a_run():
    run = proven.Run("Last run: now.", {"a": "passed", "b": "failed", "c": "passed"})
    assert run.of(["a", "c"]) == "passed"
    assert run.of(["a", "b"]) == "**failed**"
    assert run.of(["a", "x"]) == "passed, 1 not run"
    assert run.of(["x"]) == "not run"
