"""PKCE: who redeems the code is who asked for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.errors import InvalidGrant
from broker.protocol.pkce import challenge_of, prove
from tests.protocol.samples import CHALLENGE, VERIFIER

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
verifiers = st.text(alphabet=UNRESERVED, min_size=43, max_size=128)


def refusal(verifier, challenge):
    with pytest.raises(InvalidGrant) as caught:
        prove(verifier, challenge)
    assert caught.value.body()["error"] == "invalid_grant"
    assert "code_verifier" in caught.value.description
    assert verifier is None or len(verifier) < len("verifier") or verifier not in caught.value.description
    return caught.value.reason


def test_the_example_of_the_standard_fits():
    assert challenge_of(VERIFIER) == CHALLENGE
    prove(VERIFIER, CHALLENGE)


@given(verifiers)
def test_a_verifier_proves_its_own_challenge(verifier):
    prove(verifier, challenge_of(verifier))


@pytest.mark.row("TK-07")
@given(verifiers, verifiers)
def test_no_other_verifier_does(one, other):
    if one != other:
        assert refusal(one, challenge_of(other)) == "pkce_verifier_wrong"


@pytest.mark.row("TK-07")
@pytest.mark.parametrize(
    ("verifier", "reason"),
    [
        (None, "pkce_verifier_missing"),
        ("", "pkce_verifier_malformed"),
        ("x" * 42, "pkce_verifier_malformed"),
        ("x" * 129, "pkce_verifier_malformed"),
        ("x" * 43, "pkce_verifier_wrong"),
        ("x" * 128, "pkce_verifier_wrong"),
        (VERIFIER[:-1], "pkce_verifier_malformed"),
        (VERIFIER + "\n", "pkce_verifier_malformed"),
        (" " + VERIFIER, "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "+", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "/", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "=", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "\0", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "é", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "٣", "pkce_verifier_malformed"),
        (VERIFIER[:-1] + "\ud800", "pkce_verifier_malformed"),
        (VERIFIER.swapcase(), "pkce_verifier_wrong"),
        (VERIFIER + VERIFIER, "pkce_verifier_wrong"),
        (f'["{VERIFIER}"]', "pkce_verifier_malformed"),
    ],
    ids=ascii,
)
def test_a_verifier_that_is_missing_malformed_or_wrong_is_refused(verifier, reason):
    assert refusal(verifier, CHALLENGE) == reason


@pytest.mark.row("TK-09")
def test_the_challenge_is_no_verifier_of_itself():
    assert refusal(CHALLENGE, CHALLENGE) == "pkce_verifier_wrong"


@pytest.mark.parametrize("verifier", [VERIFIER, "", "short"])
def test_a_verifier_for_a_code_without_a_challenge_is_a_downgrade(verifier):
    assert refusal(verifier, None) == "pkce_downgrade"


def test_where_none_was_asked_for_none_is_needed():
    prove(None, None)
