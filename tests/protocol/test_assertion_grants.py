"""What an assertion must say to be a grant: to the second, and byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from broker.protocol.assertion_grants import AssertionIssuer, addressed, check
from broker.protocol.errors import InvalidGrant
from tests.protocol.samples import ISSUER, NOW

THEIRS = "https://workloads.example"
ENTRY = AssertionIssuer(name="workloads", issuer=THEIRS, clients=("runner",))
TOKEN = "head.body.signature"


def said(**changes: Any) -> dict[str, Any]:
    members = {"iss": THEIRS, "sub": "pod-7", "aud": ISSUER, "exp": NOW + 60, "jti": "one"} | changes
    return {name: value for name, value in members.items() if value is not None}


def checked(entry: AssertionIssuer = ENTRY, token: str = TOKEN, **changes: Any):
    names = addressed(ISSUER, ISSUER + "/token", entry)
    return check(token, said(**changes), entry, names, now=NOW)


def refused(entry: AssertionIssuer = ENTRY, **changes: Any) -> str:
    with pytest.raises(InvalidGrant) as caught:
        checked(entry, **changes)
    return caught.value.reason


@pytest.mark.standard("RFC 7523", "§3 the clock")
def test_clocks_may_differ_by_ten_seconds_and_no_more():
    assert checked(exp=NOW - 9).expires_at == NOW - 9
    assert refused(exp=NOW - 10) == "assertion_expired"
    assert checked(exp=NOW + 310).expires_at == NOW + 310
    assert refused(exp=NOW + 311) == "assertion_lives_too_long"
    for name in ("iat", "nbf"):
        checked(**{name: NOW + 10})
        assert refused(**{name: NOW + 11}) == f"assertion_{name}_future"
        checked(**{name: NOW - 10_000})


@pytest.mark.row("TX-01")
@pytest.mark.parametrize("value", [None, "soon", True, float("nan"), 1e400, NOW * 1000, [], {}])
def test_an_end_is_a_number_of_seconds(value):
    assert refused(exp=value) in {"assertion_exp_malformed", "assertion_lives_too_long", "assertion_expired"}


@pytest.mark.standard("RFC 7523", "§3 the audience is us, and nobody beside us")
@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        ISSUER + "/",
        ISSUER.upper(),
        ISSUER + "/token",
        [],
        [ISSUER, ISSUER],
        [ISSUER, THEIRS],
        [[ISSUER]],
        {"aud": ISSUER},
        7,
    ],
    ids=str,
)
def test_another_audience_is_not_us(aud):
    assert refused(aud=aud) == "assertion_aud_mismatch"


def test_we_have_the_names_that_the_entry_says():
    assert checked(aud=[ISSUER]).subject == "pod-7"
    own = AssertionIssuer(name="w", issuer=THEIRS, audience="broker", allow_token_endpoint_audience=True)
    for name in (ISSUER, "broker", ISSUER + "/token"):
        assert checked(own, aud=name).subject == "pod-7"


def test_whom_it_is_about_is_the_claim_that_the_entry_names():
    own = AssertionIssuer(name="w", issuer=THEIRS, subject="workload")
    assert checked(own, workload="w-1").subject == "w-1"
    assert refused(own) == "assertion_sub_malformed"
    for value in ("", 7, None, ["pod-7"], "x" * 256):
        assert refused(sub=value) == "assertion_sub_malformed"


def test_what_is_used_once_is_its_name_or_else_what_was_signed():
    assert checked().once == "jti one"
    first, same, other = (checked(token=token, jti=None).once for token in ("h.b.s", "h.b.t", "h.c.s"))
    assert first == same != other  # one signature can be written in two ways
    assert first.startswith("self ")
    for jti in ("", 7, [], "x" * 256):
        assert refused(jti=jti) == "assertion_jti_malformed"


@pytest.mark.parametrize(
    "issuer", [None, THEIRS + "/", THEIRS.upper(), "https://elsewhere.example", [THEIRS]]
)
def test_another_issuer_is_somebody_else(issuer):
    assert refused(iss=issuer) == "assertion_iss_mismatch"


def test_its_people_have_a_connector_that_no_upstream_can_be():
    assert ENTRY.connector == "assertion:workloads"
