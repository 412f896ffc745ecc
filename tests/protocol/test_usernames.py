"""Usernames that are the same are one, and passwords that are the same on two keyboards are too."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.usernames import as_typed, canonical, counted, prepared_password


@pytest.mark.parametrize(
    "same",
    [
        ("ada", "ADA", " Ada ", "\uff21da", "a\uff24a"),
        ("straße", "STRASSE", "Straße"),
        ("jürgen", "ju\u0308rgen", "JÜRGEN"),
        ("\u2460", "1"),
        ("ada@acme.example", "Ada@ACME.example", "ada\uff20acme.example"),
    ],
)
def test_one_name_however_it_is_written(same):
    assert len({canonical(name) for name in same}) == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a\u00a0b",
        "a\tb",
        "a\0",
        "a\u200bb",
        "\u202eada",
        "a\ud800",
        "x" * 256,
        "\ufdfa" * 20,
        "\ue000",
    ],
)
def test_what_is_not_seen_or_too_long_is_no_name(name):
    assert canonical(name) is None


@pytest.mark.row("WB-19")
@given(st.text(max_size=40))
def test_the_canonical_form_is_its_own_and_that_of_every_spelling(name):
    found = canonical(name)
    if found is not None:
        assert canonical(found) == found
        assert canonical(unicodedata.normalize("NFD", found)) == found
        assert canonical(as_typed(name)) == found


@pytest.mark.row("DS-15")
@given(
    st.text(max_size=40),
    st.text(alphabet=" \t\u00a0\u00ad\u200b\u200d\u202e\u2028\u3000\ufe0f\ufeff\u0301\0", max_size=6),
    st.integers(0, 40),
)
def test_what_is_one_name_is_counted_as_one_and_so_is_all_that_a_directory_takes_for_it(name, put_in, at):
    alike = counted(name)
    assert counted(name[:at] + put_in + name[at:]) == alike
    assert counted(alike) == alike
    assert all(
        counted(other) == alike
        for other in (
            unicodedata.normalize("NFD", name),
            unicodedata.normalize("NFKC", name),
            canonical(name) or name,
        )
    )


def test_a_password_is_the_same_from_every_keyboard_and_keeps_its_case_and_spaces():
    assert prepared_password("Caf\u00e9\u00a0 x") == prepared_password("Cafe\u0301  x") == "Café  x"
    assert prepared_password("A") != prepared_password("a")
    assert prepared_password(" a") != prepared_password("a")


@pytest.mark.parametrize("password", ["", "a\0", "a\nb", "\ud800", "x" * 1025])
def test_what_cannot_be_a_password_is_none(password):
    assert prepared_password(password) is None
