"""The measured table of the docs is what the tests say, and every mark is about a connector that there is."""

from __future__ import annotations

from tests.measured import PAGE, installed, page, proofs


def test_the_page_of_the_connectors_is_what_the_tests_say():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: .venv/bin/python -m tests.measured"


def test_what_is_proven_is_proven_of_a_connector_that_there_is():
    assert {proof.connector for proof in proofs()} == set(installed())
