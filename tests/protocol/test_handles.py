"""Handles: what we made for this purpose is recognised, and nothing else."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.handles import GRANT_BYTES, SECRET_BYTES, Handle, digest, grant_id, mint, parse

KEY, OLD, OTHER = b"k" * 32, b"o" * 32, b"x" * 32
PURPOSES = ("code", "refresh", "access")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

grants = st.binary(min_size=GRANT_BYTES, max_size=GRANT_BYTES).map(grant_id)
chances = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
purposes = st.sampled_from(PURPOSES)
minted = st.builds(
    lambda purpose, grant, chance: (purpose, mint(purpose, grant, chance, KEY)), purposes, grants, chances
)


def one(purpose="code"):
    return mint(purpose, grant_id(b"g" * GRANT_BYTES), b"s" * SECRET_BYTES, KEY)


@given(purposes, grants, chances)
def test_a_handle_is_recognised_and_names_its_grant(purpose, grant, chance):
    handle = mint(purpose, grant, chance, KEY)
    assert parse(purpose, handle.text, [KEY]) == handle
    assert parse(purpose, handle.text, [OTHER, KEY]) == handle
    assert handle.grant_id == grant
    assert set(handle.text) <= set(ALPHABET)


@pytest.mark.row("RT-09")
@given(minted)
def test_a_handle_is_good_for_one_purpose_only(made):
    purpose, handle = made
    for other in PURPOSES:
        assert (parse(other, handle.text, [KEY]) is not None) is (other == purpose)


@pytest.mark.row("RT-17")
@given(minted)
def test_a_handle_of_another_key_is_a_strangers(made):
    purpose, handle = made
    assert parse(purpose, handle.text, [OTHER]) is None
    assert parse(purpose, handle.text, []) is None


def test_a_handle_of_an_older_key_is_good_while_that_key_is_kept():
    handle = mint("refresh", grant_id(b"g" * 15), b"s" * 24, OLD)
    assert parse("refresh", handle.text, [KEY, OLD]) == handle


@pytest.mark.row("TK-23")
@given(minted, st.data())
def test_one_character_changed_makes_it_nobodys(made, data):
    purpose, handle = made
    at = data.draw(st.integers(0, len(handle.text) - 1))
    put = data.draw(st.sampled_from(ALPHABET) | st.characters())
    forged = handle.text[:at] + put + handle.text[at + 1 :]
    if forged != handle.text:
        assert parse(purpose, forged, [KEY]) is None


@pytest.mark.row("TK-23")
def test_every_single_bit_counts():
    text = one().text
    for at, character in enumerate(text):
        value = ALPHABET.index(character)
        for bit in range(6):
            forged = text[:at] + ALPHABET[value ^ (1 << bit)] + text[at + 1 :]
            assert parse("code", forged, [KEY]) is None


@pytest.mark.row("TK-23")
@given(minted, st.integers(0, 67), st.text(min_size=1, max_size=4))
def test_truncated_or_extended_it_is_nobodys(made, length, more):
    purpose, handle = made
    for forged in (
        handle.text[:length],
        handle.text[-length:] if length else "",
        handle.text + more,
        more + handle.text,
    ):
        assert parse(purpose, forged, [KEY]) is None


@pytest.mark.row("TK-23")
@pytest.mark.parametrize(
    "spoil",
    [
        str.upper,
        str.lower,
        str.swapcase,
        lambda text: text[::-1],
        lambda text: text + "=",
        lambda text: text[:-1] + "=",
        lambda text: text[:-4] + "====",
        lambda text: " " + text[1:],
        lambda text: text[:-1] + "\n",
        lambda text: text[:30] + "\n\n\n\n" + text[34:],
        lambda text: text[:-1] + "ａ",
        lambda text: text.replace("-", "+").replace("_", "/") if "-" in text or "_" in text else "",
        lambda text: text * 2,
        lambda text: "",
        lambda text: "A" * 68,
        lambda text: "\ud800" * 68,
        lambda text: "é" * 68,
        lambda text: "." * 68,
    ],
)
def test_no_other_spelling_of_it_is_it(spoil):
    # One whose text has letters of both cases, a minus and an underscore.
    handle = mint("code", grant_id(bytes([0xFB, 0xEF, 0xBE] * 5)), bytes([0xFF, 0xFB, 0xEF] * 8), KEY)
    assert {"-", "_"} <= set(handle.text)
    assert parse("code", spoil(handle.text), [KEY]) is None


@given(st.text(max_size=80) | st.text(alphabet=ALPHABET, min_size=68, max_size=68))
def test_rubbish_is_known_for_rubbish_without_asking_the_store(text):
    assert all(parse(purpose, text, [KEY]) is None for purpose in PURPOSES)


def test_what_the_store_may_know_is_a_digest_that_names_neither_text_nor_grant():
    handle = one()
    assert handle.digest == digest(handle.text)
    assert len(handle.digest) == 64
    assert handle.grant_id not in handle.digest
    assert handle.digest != one("refresh").digest


def test_a_handle_does_not_print_its_secret():
    assert one().text not in repr(one())


@pytest.mark.row("AZ-39")
def test_fresh_handles_of_one_grant_share_nothing_but_its_name():
    grant = grant_id(secrets.token_bytes(GRANT_BYTES))
    texts = {mint("code", grant, secrets.token_bytes(SECRET_BYTES), KEY).text for _ in range(2000)}
    assert len(texts) == 2000
    assert len({text[20:36] for text in texts}) == 2000
    assert SECRET_BYTES * 8 >= 128
    assert all(text.startswith(grant) for text in texts)


def test_handles_are_values():
    assert one() == Handle(one().grant_id, one().text)
    assert len(grant_id(b"\0" * GRANT_BYTES)) == 20
