"""The broker's own sub: injective, unfolded, and the same for ever."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.subject import for_client, mint
from tests.protocol.samples import client

KEY = bytes(range(32))
anything = st.text(alphabet=st.characters(), max_size=30)
parts = st.tuples(anything, anything, anything)


def minted(connector="staff", issuer="https://idp.example", subject="ada", key=KEY):
    return mint(connector=connector, issuer=issuer, subject=subject, key=key)


def test_the_sub_of_a_person_never_changes():
    # Every app knows its people by these. If this test fails, the code is wrong, not the value.
    assert minted() == "e34a59396717afbffb436bb6ff5067d8f06a5a336ccb255a02c824ee84b356d1"
    odd = minted(connector="größe", issuer="", subject="\0 é\u0301\U0001f600\ud800")
    assert odd == "316b2762fcc3bb17e90ac2098f29feb0a8f04128a6426d854d66b70e9c1e0319"


def test_the_sub_is_an_hmac_over_parts_each_behind_its_length():
    message = b"".join(
        len(part).to_bytes(8, "big") + part for part in (b"staff", b"https://idp.example", b"ada")
    )
    expected = hmac.new(KEY, message, hashlib.sha256).digest()
    assert minted() == "".join(f"{byte:02x}" for byte in expected)


@pytest.mark.row("UI-05")
@given(parts, parts)
def test_two_different_triples_never_have_one_sub(one, other):
    same = minted(*one) == minted(*other)
    assert same is (one == other)


@pytest.mark.row("UI-05")
@given(parts, st.integers(0, 90), st.integers(0, 90))
def test_moving_the_borders_between_the_parts_makes_somebody_else(triple, first, second):
    whole = "".join(triple)
    low, high = sorted((first % (len(whole) + 1), second % (len(whole) + 1)))
    moved = (whole[:low], whole[low:high], whole[high:])
    assert (minted(*moved) == minted(*triple)) is (moved == triple)


@pytest.mark.row("UI-05")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b|c", "d"), ("a|b", "c", "d")),
        (("a", "b", ""), ("a", "", "b")),
        (("", "", "ab"), ("", "a", "b")),
        (("a\0", "b", "c"), ("a", "\0b", "c")),
        (("a", "b", "c"), ("b", "a", "c")),
        (("a", "b", "x" * 10_240), ("a", "b", "x" * 10_241)),
        (("a", "b", "x" * 10_240 + "y"), ("a", "b", "x" * 10_240 + "z")),
    ],
    ids=lambda triple: ascii(triple)[:40],
)
def test_separators_lengths_and_order_are_no_collisions(one, other):
    assert minted(*one) != minted(*other)


@pytest.mark.row("UI-06")
@pytest.mark.parametrize(
    "twin",
    [
        "José", "jose\u0301", "josé ", " josé", "JOSÉ", "jose", "josé\0", "josé\u200b", "josé\n",
        "ｊosé", "jоsé", "josé.", "josé@", "0josé",
    ],
    ids=ascii,
)  # fmt: skip
def test_nothing_is_folded_trimmed_or_normalised(twin):
    assert minted(subject="josé") != minted(subject=twin)
    assert minted(issuer="josé") != minted(issuer=twin)
    assert minted(connector="josé") != minted(connector=twin)


@pytest.mark.row("UI-14")
def test_the_same_name_elsewhere_is_somebody_else():
    assert (
        len({minted(), minted(connector="partners"), minted(issuer="https://idp.example/"), minted(key=b"x")})
        == 4
    )


@given(parts)
def test_a_sub_is_64_characters_that_any_app_can_keep_and_says_nothing_of_the_person(triple):
    sub = minted(*triple)
    assert len(sub) == 64
    assert set(sub) <= set("0123456789abcdef")


@pytest.mark.row("UI-13")
@pytest.mark.standard("OpenID Core", "§8.1 the loopback address is nobody's sector")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_apps_on_peoples_own_machines_share_no_sector_by_that(host):
    """Every native app is answered there; what one is told must not be what any other is told."""
    here = {"subject_type": "pairwise", "redirect_uris": (f"http://{host}/callback",)}
    one, other = client(client_id="one", **here), client(client_id="other", **here)
    assert for_client(minted(), one, KEY) != for_client(minted(), other, KEY)
    listed = {"sector_identifier_uri": "https://sector.example/apps"}
    one, other = client(client_id="one", **here, **listed), client(client_id="other", **here, **listed)
    assert for_client(minted(), one, KEY) == for_client(minted(), other, KEY)
