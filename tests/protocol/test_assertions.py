"""What a client's assertion must say: whose it is, for whom, and that it is of now."""

import pytest

from broker.protocol.assertions import LONGEST, check
from broker.protocol.errors import InvalidClient
from broker.protocol.instants import LEEWAY

NOW = 1_800_000_000
ISSUER = "https://login.example/t/acme"
TOKEN = ISSUER + "/token"
GOOD = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "once"}


def judged(*without, also=(), now=NOW, **changes):
    claims = {name: value for name, value in (GOOD | changes).items() if name not in without}
    return check(claims, client_id="app", issuer=ISSUER, also=also, now=now)


def refusal(*without, also=(), **changes):
    with pytest.raises(InvalidClient) as caught:
        judged(*without, also=also, **changes)
    return caught.value.reason


@pytest.mark.standard("RFC 7523", "§3 an assertion that is good")
def test_a_good_one_names_what_must_not_come_again():
    used = judged()
    assert (used.jti, used.until, used.made_at) == ("once", NOW + 60, NOW)
    assert judged("iat", nbf=NOW).made_at is None


@pytest.mark.standard("RFC 7523", "§3 iss and sub are the client_id")
@pytest.mark.row("CA-02")
@pytest.mark.parametrize("member", ["iss", "sub"])
@pytest.mark.parametrize("value", ["other", "App", "", None, ["app"], {"app": 1}, 0, True])
def test_it_is_by_and_about_the_client_itself(member, value):
    assert refusal(**{member: value}) == "assertion_of_other"
    assert refusal(member) == "assertion_of_other"


NEAR = [
    [ISSUER],
    [ISSUER, "https://other.example"],
    ["https://other.example", ISSUER],
    [],
    ISSUER + "/",
    ISSUER[:-1],
    ISSUER.upper(),
    "https://login.example",
    "https://evil.example",
    TOKEN,
    ISSUER + "/par",
    ISSUER + " ",
    "",
    None,
    0,
    {"aud": ISSUER},
]


@pytest.mark.row("CA-09")
@pytest.mark.row("CA-17")
@pytest.mark.standard("RFC 7523", "§3 aud is the issuer, as one string (7523bis)")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 the issuer as a string in aud, and nothing else")
@pytest.mark.parametrize("audience", NEAR, ids=str)
def test_it_is_for_our_issuer_as_one_string(audience):
    assert refusal(aud=audience) == "assertion_audience"
    assert refusal("aud") == "assertion_audience"


@pytest.mark.row("CA-09")
@pytest.mark.parametrize("audience", [a for a in NEAR if a != TOKEN], ids=str)
def test_only_the_endpoint_that_the_entry_allows_is_taken_beside_it_and_never_a_list(audience):
    assert judged(aud=TOKEN, also=(TOKEN,)).jti == "once"
    assert refusal(aud=audience, also=(TOKEN,)) == "assertion_audience"
    assert refusal(aud=[TOKEN], also=(TOKEN,)) == "assertion_audience"


@pytest.mark.row("CA-11")
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 iat and nbf: 10 s ahead accepted, 60 s refused")
@pytest.mark.parametrize("member", ["iat", "nbf"])
def test_a_clock_a_little_before_ours_is_forgiven_and_a_minute_is_not(member):
    assert judged(**{member: NOW + 8})
    assert judged(**{member: NOW + LEEWAY})
    assert refusal(**{member: NOW + LEEWAY + 1}) == "assertion_from_the_future"
    assert refusal(**{member: NOW + 61}) == "assertion_from_the_future"


@pytest.mark.row("CA-11")
@pytest.mark.standard("RFC 7523", "§3 exp")
def test_it_ends_and_does_not_live_for_too_long():
    assert refusal("exp") == "assertion_expired"
    assert refusal(exp=NOW) == "assertion_expired"
    assert refusal(exp=NOW - 3600) == "assertion_expired"
    assert judged(exp=NOW + LONGEST)
    assert refusal(exp=NOW + LONGEST + LEEWAY + 1) == "assertion_lives_too_long"
    assert refusal(exp=NOW + 10 * 365 * 86400) == "assertion_lives_too_long"
    assert refusal(iat=NOW - LONGEST) == "assertion_lives_too_long"
    assert judged(iat=NOW - LONGEST + 1)


@pytest.mark.row("CA-11")
@pytest.mark.parametrize("member", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    [str(NOW + 5), True, None, [NOW + 5], {}, 1 << 53, 1000 * NOW, 1e400, float("nan")],
    ids=str,
)
def test_an_instant_is_a_number_of_seconds(member, value):
    assert refusal(**{member: value}) == "assertion_time"


@pytest.mark.standard("RFC 7519", "§2 a NumericDate may have a fraction")
def test_a_fraction_of_a_second_is_as_good_as_a_whole_one():
    used = judged(exp=NOW + 60.5, iat=NOW - 0.25, nbf=NOW - 0.25)
    assert (used.until, used.made_at) == (NOW + 60.5, NOW - 0.25)
    assert refusal(exp=NOW - 0.25) == "assertion_expired"
    assert refusal(iat=NOW + LEEWAY + 0.25) == "assertion_from_the_future"


@pytest.mark.row("CA-10")
@pytest.mark.standard("OpenID Core", "§9 jti is required")
@pytest.mark.parametrize("jti", ["", None, 1, True, ["x"], "x" * 513])
def test_it_has_a_name_of_its_own(jti):
    assert refusal(jti=jti) == "assertion_jti"
    assert refusal("jti") == "assertion_jti"


def test_every_refusal_says_the_same():
    said = set()
    for changes in ({"aud": "x"}, {"iss": "x"}, {"exp": 0}, {"jti": 1}, {"iat": NOW + 99}):
        with pytest.raises(InvalidClient) as caught:
            judged(**changes)
        said.add((caught.value.status, *caught.value.body().items()))
    assert len(said) == 1
