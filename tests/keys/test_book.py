"""The life of a signing key is arithmetic on instants."""

from __future__ import annotations

import msgspec
import pytest

from broker.keys import Book, Entry

KEEP = 1000.0


def entry(kid: str, signs_from: float, alg: str = "ES256") -> Entry:
    return Entry(kid=kid, alg=alg, made_at=signs_from, signs_from=signs_from, jwk="{}")


def kids(book: Book, now: float) -> list[str]:
    return [found.kid for found in book.published(now, KEEP)]


def signer(book: Book, now: float, alg: str = "ES256") -> str | None:
    current = book.current(alg, now)
    return current.kid if current else None


ROTATED = Book().adding(entry("a", 0)).adding(entry("b", 100))


def test_the_next_key_is_published_before_it_signs() -> None:
    assert kids(ROTATED, 50) == ["a", "b"]
    assert [signer(ROTATED, now) for now in (0, 99.9, 100, 5000)] == ["a", "a", "b", "b"]
    assert [found.state(50) for found in ROTATED.entries] == ["current", "next"]
    assert [found.state(100) for found in ROTATED.entries] == ["old", "current"]


def test_the_old_key_stays_as_long_as_what_it_signed_is_good() -> None:
    assert kids(ROTATED, 1099.9) == ["a", "b"]
    assert kids(ROTATED, 1100) == ["b"]
    assert [found.kid for found in ROTATED.pruned(1100, KEEP).entries] == ["b"]


def test_it_is_known_until_when_nothing_changes() -> None:
    assert ROTATED.next_change(0, KEEP) == 100
    assert ROTATED.next_change(100, KEEP) == 1100
    assert ROTATED.next_change(1100, KEEP) == float("inf")


def test_algorithms_do_not_touch_each_other() -> None:
    book = ROTATED.adding(entry("r", 0, "RS256"))
    assert (signer(book, 500), signer(book, 500, "RS256"), signer(book, 500, "PS256")) == ("b", "r", None)


@pytest.mark.row("KY-03")
def test_when_the_current_key_is_taken_out_its_successor_signs_at_once() -> None:
    book = ROTATED.without("a", 50)
    assert (kids(book, 50), signer(book, 50)) == (["b"], "b")


def test_when_the_next_key_is_taken_out_the_current_one_goes_on() -> None:
    book = ROTATED.without("b", 50)
    assert (kids(book, 50), signer(book, 5000)) == (["a"], "a")


def test_when_an_old_key_is_taken_out_the_others_stay() -> None:
    assert kids(ROTATED.without("a", 200), 200) == ["b"]
    assert ROTATED.without("nobody", 200) == ROTATED


def test_a_book_is_read_as_it_was_written() -> None:
    assert Book.parse(ROTATED.dump()) == ROTATED
    assert Book.parse(b"") == Book()


@pytest.mark.parametrize(
    "document",
    [b"nonsense", b"[]", b'{"version":1}', b'{"version":2,"keys":[]}', b'{"version":1,"keys":[],"more":1}'],
)
def test_what_is_not_a_book_of_ours_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="signing keys"):
        Book.parse(document)


def test_a_private_key_is_not_in_the_words_of_an_entry() -> None:
    assert "private" not in repr(Entry(kid="a", alg="ES256", made_at=0, signs_from=0, jwk="private"))
    assert msgspec.json.decode(ROTATED.dump())["keys"][0]["jwk"] == "{}"
