"""User codes: one form however they are written, every letter as likely as any other."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from broker.protocol import device

pytestmark = pytest.mark.standard("RFC 8628", "§6.1 the user code")


@pytest.mark.row("DV-03")
@pytest.mark.parametrize(
    "typed",
    [
        "BCDF-GHJK",
        "bcdfghjk",
        " bcdf ghjk\n",
        "B.C.D.F-G/H_J,K",
        "ＢＣＤＦ－ｇｈｊｋ",
        "BCDF\u2010GHJK",
        "\u200bBCDFGHJK\ufeff",
    ],
)
def test_a_code_has_one_form(typed: str) -> None:
    assert device.canonical(typed) == "BCDFGHJK"


@pytest.mark.row("DV-03")
@pytest.mark.parametrize(
    "typed",
    [
        "",
        "BCDFGHJ",
        "BCDFGHJKL",
        "ACDFGHJK",  # no vowel is in the alphabet
        "8CDFGHJK",
        "BCDFGHJ\u039a",  # a Greek kappa
        "BCDFGHJ\u041a",  # a Cyrillic one
        "BCDFGHJ\u0669",  # an Arabic digit
        "BCDFGHJ\u212a\u0301",  # a Kelvin sign with an accent
        "B" * 1000,
        "-" * 100,
    ],
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert device.canonical(typed) is None


def test_the_kelvin_sign_is_the_letter_that_it_is() -> None:
    assert device.canonical("BCDFGHJ\u212a") == "BCDFGHJK"


def test_a_code_is_shown_in_two_halves_and_read_again() -> None:
    assert device.shown("BCDFGHJK") == "BCDF-GHJK"
    assert device.canonical(device.shown("BCDFGHJK")) == "BCDFGHJK"


@pytest.mark.row("DV-09")
def test_every_letter_is_as_likely_as_any_other() -> None:
    dice = random.Random(8628)
    counted = Counter("".join(device.fresh_user_code(dice.randbytes) for _ in range(5000)))
    assert set(counted) == set(device.ALPHABET)
    mean = 5000 * device.LENGTH / len(device.ALPHABET)
    assert all(abs(count - mean) < 0.15 * mean for count in counted.values())


def test_bytes_that_would_make_some_letters_likelier_are_left_out() -> None:
    said = iter([bytes([255] * 16), bytes(range(16))])
    assert device.fresh_user_code(lambda _: next(said)) == device.ALPHABET[:8]
