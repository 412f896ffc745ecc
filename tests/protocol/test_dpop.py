"""A proof of possession is for one request, made just now, and its nonce is ours."""

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.dpop import LIVES, ath, check, nonce, normalized, standing
from broker.protocol.errors import InvalidDpopProof
from broker.protocol.instants import LEEWAY

NOW = 1_800_000_000
URL = "https://login.example/token"
GOOD = {"jti": "once", "htm": "POST", "htu": URL, "iat": NOW}


def judged(*without, urls=(URL,), access_token=None, **changes):
    claims = {name: value for name, value in (GOOD | changes).items() if name not in without}
    return check(claims, method="POST", urls=urls, now=NOW, access_token=access_token)


def refusal(*without, **changes):
    with pytest.raises(InvalidDpopProof) as caught:
        judged(*without, **changes)
    assert caught.value.body()["error"] == "invalid_dpop_proof"
    return caught.value.reason


@pytest.mark.standard("RFC 9449", "§4.3 a proof that is good")
def test_a_good_one_names_what_must_not_come_again():
    used = judged(nonce="n")
    assert (used.jti, used.until, used.nonce) == ("once", NOW + LIVES, "n")
    assert judged().nonce is None


@pytest.mark.row("DP-02")
@pytest.mark.standard("RFC 9449", "§4.3 jti, htm, htu and iat are required")
@pytest.mark.parametrize("member", ["jti", "htm", "htu", "iat"])
def test_nothing_of_it_may_be_missing_or_of_another_kind(member):
    assert refusal(member) == f"proof_{member}"
    for value in (None, "", True, [], {}, [GOOD[member]]):
        assert refusal(**{member: value}) == f"proof_{member}"
    assert refusal(jti="x" * 513) == "proof_jti"


@pytest.mark.row("DP-02")
@pytest.mark.standard("RFC 9449", "§4.3 htm is the method")
@pytest.mark.parametrize("method", ["GET", "post", "POST ", "PUT"])
def test_the_method_is_that_of_the_request(method):
    assert refusal(htm=method) == "proof_htm"


SAME = [
    URL,
    URL + "?a=b",
    URL + "#x",
    "HTTPS://LOGIN.example/token",
    "https://login.example:443/token",
    "https://login.example/%74oken",
    "https://login.example/a/../token",
    "https://login.example/./token",
]
OTHER = [
    "http://login.example/token",
    "https://login.example:8443/token",
    "https://login.example/token/",
    "https://login.example/Token",
    "https://login.example/userinfo",
    "https://login.example//token",
    "https://login.example/token%2F",
    "https://evil.example/token",
    "https://login.example.evil.example/token",
    "https://evil@login.example/token",
    "https://login.example@evil.example/token",
    "https://login.example\\@evil.example/token",
    "https://login.example/token\n",
    "https://login.example/token x",
    "https://l\u00f6gin.example/token",
    "/token",
    "login.example/token",
    "//login.example/token",
    "https:login.example/token",
    "https:///token",
    "https://login.example:99999/token",
    "https://[::1/token",
    "",
    "x" * 3000,
]


@pytest.mark.row("DP-02")
@pytest.mark.standard("RFC 9449", "§4.3 the proof's htu, normalised, without query and fragment")
def test_the_address_is_compared_in_one_spelling():
    for htu in SAME:
        assert judged(htu=htu), htu
    for htu in OTHER:
        assert refusal(htu=htu) == "proof_htu", htu


def test_an_endpoint_may_have_two_addresses():
    both = (URL, "https://mtls.login.example/token")
    assert judged(urls=both, htu=both[1])
    assert refusal(urls=both, htu="https://mtls.login.example/par") == "proof_htu"


@given(st.text(max_size=60))
def test_whatever_an_address_is_it_is_one_or_none(text):
    found = normalized("https://login.example/" + text)
    assert found is None or normalized(found) == found


@pytest.mark.row("DP-05")
@pytest.mark.standard("RFC 9449", "§4.3 iat within an acceptable window")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 a proof 10 s ahead is accepted, 60 s refused")
def test_it_was_made_just_now_by_a_clock_that_may_be_a_little_before_ours():
    for iat in (NOW, NOW - 30, NOW - LIVES + 1, NOW + 8, NOW + LEEWAY, NOW + 0.5):
        assert judged(iat=iat).until == iat + LIVES
    for iat in (NOW - LIVES, NOW - 3600, NOW + LEEWAY + 1, NOW + 60, NOW + 3600, -1, 1 << 60):
        assert refusal(iat=iat) == "proof_iat"
    for iat in (str(NOW), float("nan"), float("inf"), True, [NOW]):
        assert refusal(iat=iat) == "proof_iat"


@pytest.mark.row("DP-02")
@pytest.mark.standard("RFC 9449", "§4.3 ath at a protected resource")
def test_with_an_access_token_it_names_that_token():
    said = urlsafe_b64encode(sha256(b"the token").digest()).rstrip(b"=").decode()
    assert ath("the token") == said
    assert judged(access_token="the token", ath=said)
    for wrong in (None, "", ath("another"), said + "=", [said], 1):
        assert refusal(access_token="the token", ath=wrong) == "proof_ath"
    assert refusal(access_token="the token") == "proof_ath"


def test_a_nonce_is_text():
    for wrong in (1, True, ["n"], {}):
        assert refusal(nonce=wrong) == "proof_nonce"


KEY, OLD = b"k" * 32, b"o" * 32


@pytest.mark.row("DP-07")
@pytest.mark.standard("RFC 9449", "§8 nonces of the authorization server")
def test_a_nonce_is_good_for_some_minutes_for_whom_it_was_made_and_there():
    fresh = nonce(KEY, "token app", NOW)
    assert standing((KEY,), "token app", fresh, NOW) == "current"
    assert standing((KEY,), "token app", fresh, NOW + 61) == "old"
    assert standing((KEY,), "token app", fresh, NOW + 240) == "old"
    assert standing((KEY,), "token app", fresh, NOW + 301) == "none"
    assert standing((KEY,), "token app", fresh, NOW - 59) == "current"  # a host whose clock is behind
    assert standing((KEY,), "token app", fresh, NOW - 130) == "none"
    assert standing((KEY,), "token other", fresh, NOW) == "none"
    assert standing((KEY,), "userinfo app", fresh, NOW) == "none"
    assert standing((OLD,), "token app", fresh, NOW) == "none"
    assert standing((OLD, KEY), "token app", fresh, NOW) == "current"


@pytest.mark.row("DP-07")
@pytest.mark.parametrize("change", [str.lower, lambda n: n[:-1], lambda n: n + "A", lambda n: "B" + n[1:]])
def test_a_nonce_that_is_not_exactly_ours_is_none(change):
    fresh = nonce(KEY, "token app", NOW)
    assert change(fresh) != fresh
    assert standing((KEY,), "token app", change(fresh), NOW) == "none"


@given(st.text(max_size=60))
def test_no_text_is_a_nonce_by_chance(text):
    assert standing((KEY,), "token app", text, NOW) == "none"
