"""One name among many is found by what a person types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.names import Names
from broker.protocol.searching import Directory, fold
from tests.costs import least_cpu

SOME = Directory(
    [
        ("a", "Acme Staff"),
        ("b", "Café  Nord"),
        ("c", "Northern Acme"),
        ("d", "ACME"),
        ("e", "Straße und Bahn"),
        ("f", "دانشگاه"),
    ]
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("acme", ("d", "a", "c")),  # called so, begins so, has it
        ("  ACME ", ("d", "a", "c")),
        ("nor", ("c", "b")),
        ("cafe n", ("b",)),
        ("cafe\u0301", ("b",)),
        ("north acme", ("c",)),
        ("staff acme", ("a",)),
        ("strasse", ("e",)),
        ("دانش", ("f",)),
        ("zebra", ()),
        ("acme zebra", ()),
        ("\n", ("a", "b", "c", "d", "e", "f")),
        ("", ("a", "b", "c", "d", "e", "f")),
    ],
)
def test_a_name_is_found_by_its_words_whatever_their_case_accents_and_order(typed, found):
    assert SOME.find(typed, most=10) == found


def test_no_more_are_found_than_are_wanted():
    many = Directory((f"c{n}", f"Company {n}") for n in range(100))
    assert many.find("company", most=11) == tuple(f"c{n}" for n in range(11))
    assert many.find("company 77", most=11) == ("c77",)
    assert Directory([]).find("x", most=3) == ()


@given(st.lists(st.text(max_size=12), max_size=12), st.text(max_size=8))
def test_what_is_found_holds_what_was_typed(names, typed):
    found = Directory((str(n), name) for n, name in enumerate(names)).find(typed, most=50)
    words = fold(typed).split()
    assert set(found) == {str(n) for n, name in enumerate(names) if all(w in fold(name) for w in words)}


@pytest.mark.row("DS-14")
@pytest.mark.parametrize("typed", ["c", "company 9999", "9 1 8 2", "a " * 50, "c" * 100, "zz"])
def test_a_search_among_ten_thousand_holds_nobody_up(typed):
    many = Directory((f"c{n}", f"Company number {n} of 10000") for n in range(10_000))
    assert least_cpu(lambda: many.find(typed, most=11)) < 0.05


def test_names_are_a_list_that_is_looked_up():
    names = Names(["b", "a", "b"])
    assert list(names) == ["b", "a"]
    assert (len(names), names[0], names[-1], "a" in names, "c" in names) == (2, "b", "a", True, False)
    assert names == ("b", "a")
    assert names == Names(("b", "a"))
    assert hash(names) == hash(Names(("b", "a")))
    assert names != ["b", "a"]
    assert not Names()


def test_what_has_a_name_in_each_language_is_found_by_any_and_once():
    many = Directory(
        (f"c{n}", name) for n in range(20) for name in (f"Company {n}", f"Firma {n}", f"Compañía {n}")
    )
    assert many.find("compan", most=11) == tuple(f"c{n}" for n in range(11))
    assert many.find("firma 7", most=11)[:1] == ("c7",)
    assert len(many.find("", most=11)) == 11
    assert len(many.find("7", most=11)) == 2
