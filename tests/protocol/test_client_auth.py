"""Client authentication: one method, the registered one, and one answer whatever was wrong."""

import hmac
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.assertions import JWT_BEARER
from broker.protocol.client import secret_digest
from broker.protocol.client_auth import Credentials, has_secret, objection, present
from broker.protocol.errors import InvalidClient, InvalidRequest
from broker.protocol.params import Params
from tests.protocol.samples import PUBLIC, SECRET, client

POST = {"token_endpoint_auth_method": "client_secret_post"}


def raw_basic(text):
    data = text if isinstance(text, bytes) else text.encode()
    return f"Basic {b64encode(data).decode()}"


def basic(client_id, secret):
    return raw_basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")


def call(authorization=None, *, known=None, **form):
    """As the endpoints go about it, for all that needs neither keys nor certificates."""
    one = known or client()
    presented = present(authorization, Params.of(form.items()))
    found = one if presented.client_id == one.client_id else None
    right = has_secret(presented, found)
    refused = objection(presented, found)
    if refused or (presented.secret and not right) or (not presented.secret and "secret" in presented.method):
        raise InvalidClient(reason=refused or "client_secret_wrong")
    return one


def refusal(authorization=None, *, known=None, **form):
    """The reason in the log; what the client hears is the same for all."""
    with pytest.raises(InvalidClient) as caught:
        call(authorization, known=known, **form)
    assert caught.value.body() == {
        "error": "invalid_client",
        "error_description": "Client authentication failed.",
    }
    assert caught.value.status == 401
    return caught.value.reason


def test_each_method_lets_its_client_in():
    assert call(basic("app", SECRET)) == client()
    assert call(known=client(**POST), client_id="app", client_secret=SECRET) == client(**POST)
    assert call(known=client(**PUBLIC), client_id="app") == client(**PUBLIC)


@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post"])
def test_during_a_rotation_either_secret_is_good(kind):
    old, new = "the old one", "the new one"
    both = client(token_endpoint_auth_method=kind, secret_digests=(secret_digest(new), secret_digest(old)))
    for secret in (old, new):
        if kind == "client_secret_basic":
            assert call(basic("app", secret), known=both)
        else:
            assert call(known=both, client_id="app", client_secret=secret)
    assert refusal(basic("app", "neither"), known=both)


@pytest.mark.row("CA-01")
@pytest.mark.parametrize(
    "form",
    [
        {"client_secret": SECRET},
        {"client_id": "app", "client_secret": SECRET},
        {"client_id": "app", "client_secret": "wrong"},
        {"client_id": "other", "client_secret": SECRET},
    ],
    ids=str,
)
def test_a_secret_in_the_header_and_another_in_the_form_is_two_methods(form):
    with pytest.raises(InvalidRequest) as caught:
        call(basic("app", SECRET), **form)
    assert caught.value.reason == "two_auth_methods"


ASSERTION = {"client_assertion": "e30.e30.e30", "client_assertion_type": JWT_BEARER}


@pytest.mark.row("CA-01")
@pytest.mark.standard("RFC 6749", "§2.3 one method of client authentication per request")
@pytest.mark.parametrize(
    ("header", "form"),
    [
        (basic("app", SECRET), ASSERTION),
        (basic("app", SECRET), ASSERTION | {"client_id": "app"}),
        (None, ASSERTION | {"client_id": "app", "client_secret": SECRET}),
        (basic("app", SECRET), {"client_assertion": "x"}),
        (basic("app", SECRET), {"client_assertion_type": JWT_BEARER}),
        (None, {"client_assertion": "x", "client_secret": SECRET, "client_id": "app"}),
        (basic("app", SECRET), ASSERTION | {"client_secret": SECRET}),
    ],
    ids=str,
)
def test_an_assertion_beside_a_secret_is_two_methods(header, form):
    with pytest.raises(InvalidRequest) as caught:
        call(header, **form)
    assert caught.value.reason == "two_auth_methods"


@pytest.mark.row("CA-13")
@pytest.mark.standard("RFC 7521", "§4.2 client_assertion and client_assertion_type")
@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"client_assertion": "e30.e30.e30"}, "assertion_incomplete"),
        ({"client_assertion_type": JWT_BEARER}, "assertion_incomplete"),
        (ASSERTION | {"client_assertion": ""}, "assertion_incomplete"),
        (ASSERTION | {"client_assertion_type": ""}, "assertion_incomplete"),
        (ASSERTION | {"client_assertion_type": "jwt-bearer"}, "assertion_type_unknown"),
        (ASSERTION | {"client_assertion_type": JWT_BEARER.upper()}, "assertion_type_unknown"),
        (
            ASSERTION | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
            "assertion_type_unknown",
        ),
    ],
    ids=str,
)
def test_an_assertion_comes_whole_and_is_of_the_one_type(form, reason):
    assert refusal(**form) == reason
    assert refusal(client_id="app", **form) == reason


@pytest.mark.row("CA-03")
@pytest.mark.parametrize(
    "method",
    ["client_secret_basic", "client_secret_post", "tls_client_auth", "self_signed_tls_client_auth", "none"],
)
def test_an_assertion_is_no_way_in_for_who_is_registered_otherwise(method):
    one = client(token_endpoint_auth_method=method)
    presented = present(None, Params.of((ASSERTION | {"client_id": "app"}).items()))
    assert objection(presented, one) == "auth_method_not_registered"


@pytest.mark.row("CA-03")
@pytest.mark.parametrize(
    "method", ["private_key_jwt", "client_secret_jwt", "tls_client_auth", "self_signed_tls_client_auth"]
)
def test_a_secret_is_no_way_in_for_who_signs_or_shows_a_certificate(method):
    one = client(token_endpoint_auth_method=method)
    assert refusal(basic("app", SECRET), known=one) == "auth_method_not_registered"
    assert refusal(known=one, client_id="app", client_secret=SECRET) == "auth_method_not_registered"


@pytest.mark.row("CA-02")
def test_the_id_may_come_again_in_the_form_if_it_is_the_same():
    assert call(basic("app", SECRET), client_id="app") == client()
    assert call(basic("app", SECRET), client_id="") == client()


@pytest.mark.row("CA-02")
@pytest.mark.parametrize("other", ["other", "App", "app ", "ap", "app\0", "%61pp"])
def test_another_id_in_the_form_is_refused(other):
    assert refusal(basic("app", SECRET), client_id=other) == "client_ids_differ"


ATTEMPTS = {
    "basic": lambda secret: ((basic("app", secret),), {}),
    "post": lambda secret: ((), {"client_id": "app", "client_secret": secret}),
    "none": lambda _: ((), {"client_id": "app"}),
}
REGISTERED = {
    "basic": client(),
    "post": client(**POST),
    "none": client(**PUBLIC),
}


@pytest.mark.row("CA-03")
@pytest.mark.row("CA-05")
@pytest.mark.parametrize("registered", REGISTERED)
@pytest.mark.parametrize("used", ATTEMPTS)
def test_only_the_registered_method_is_good_even_with_the_right_secret(used, registered):
    header, form = ATTEMPTS[used](SECRET)
    if used == registered:
        assert call(*header, known=REGISTERED[registered], **form)
    else:
        assert refusal(*header, known=REGISTERED[registered], **form) == "auth_method_not_registered"


@pytest.mark.row("CA-05")
@pytest.mark.parametrize("secret", ["x", SECRET, "nobody has this secret"])
def test_a_public_client_that_sends_a_secret_is_refused(secret):
    public = client(**PUBLIC)
    assert refusal(known=public, client_id="app", client_secret=secret) == "auth_method_not_registered"
    assert refusal(basic("app", secret), known=public) == "auth_method_not_registered"
    assert refusal(basic("app", ""), known=public) == "auth_method_not_registered"


@pytest.mark.row("CA-03")
def test_a_confidential_client_is_not_let_in_without_its_secret():
    assert refusal(client_id="app") == "auth_method_not_registered"
    assert refusal(known=client(**POST), client_id="app") == "auth_method_not_registered"
    assert refusal(known=client(**POST), client_id="app", client_secret="") == "auth_method_not_registered"
    assert refusal(basic("app", "")) == "client_secret_wrong"
    assert refusal(basic("app", ""), known=client(secret_digests=())) == "client_secret_wrong"


@pytest.mark.row("CA-19")
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (basic("app", "wrong"), "client_secret_wrong"),
        (basic("app", SECRET + " "), "client_secret_wrong"),
        (basic("app", SECRET.upper()), "client_secret_wrong"),
        (basic("nobody", SECRET), "client_unknown"),
        (basic("nobody", "nobody has this secret"), "client_unknown"),
        (basic("", SECRET), "client_unknown"),
        (basic("APP", SECRET), "client_unknown"),
        (None, "client_credentials_missing"),
    ],
)
def test_an_unknown_client_hears_what_a_wrong_secret_hears(sent, reason):
    assert refusal(sent) == reason


def test_a_disabled_client_is_as_good_as_unknown():
    assert refusal(basic("app", SECRET), known=client(enabled=False)) == "client_unknown"
    assert refusal(known=client(enabled=False, **PUBLIC), client_id="app") == "client_unknown"


def test_the_secret_that_stands_in_for_a_missing_one_opens_nothing():
    for one in (client(secret_digests=()), client(**PUBLIC), client(**POST)):
        assert refusal(basic("app", "nobody has this secret"), known=one)


SPELLINGS = [
    ("app", "plain"),
    ("app", "with space"),
    ("app", "a+b"),
    ("app", "a:b:c"),
    ("app", "100%"),
    ("app", "%3A"),
    ("app", "a&b=c"),
    ("app", "pässwörd-漢字-😀"),
    ("app:with:colons", "s"),
    ("ä", "s"),
    ("https://app.example/", "s"),
    ("app", " leading and trailing "),
    ("app", "tab\tand\nnewline"),
]


@pytest.mark.row("CA-06")
@pytest.mark.parametrize(("client_id", "secret"), SPELLINGS)
def test_basic_carries_form_encoded_id_and_secret(client_id, secret):
    one = client(client_id=client_id, secret_digests=(secret_digest(secret),))
    assert call(basic(client_id, secret), known=one) == one
    percent_only = raw_basic(f"{quote(client_id, safe='')}:{quote(secret, safe='')}")
    assert call(percent_only, known=one) == one


@pytest.mark.row("CA-06")
@pytest.mark.parametrize(
    ("sent", "secret"),
    [
        ("app:a+b", "a b"),
        ("app:a%20b", "a b"),
        ("app:a%2Bb", "a+b"),
        ("app:a%2bb", "a+b"),
        ("app:a:b", "a:b"),
        ("app:a%3Ab", "a:b"),
        ("app::", ":"),
        ("%61pp:s", "s"),
        ("app:%E6%BC%A2", "漢"),
        ("app:漢", "漢"),
        ("app:100%", "100%"),
        ("app:%zz", "%zz"),
        ("app:%253A", "%3A"),
    ],
)
def test_each_spelling_has_one_meaning(sent, secret):
    one = client(secret_digests=(secret_digest(secret),))
    assert call(raw_basic(sent), known=one) == one
    assert refusal(raw_basic(sent), known=client(secret_digests=(secret_digest(secret + "x"),)))


@pytest.mark.row("CA-06")
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_is_read_in_any_case(scheme):
    assert call(f"{scheme} {raw_basic(f'app:{quote_plus(SECRET)}')[6:]}") == client()


GOOD = raw_basic(f"app:{quote_plus(SECRET)}")


@pytest.mark.row("CA-06")
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic a",
        "Basic !!!!",
        "Bearer " + GOOD[6:],
        "Basic\t" + GOOD[6:],
        "Basi\u017f " + GOOD[6:],
        "Ba\u017fic " + GOOD[6:],
        " " + GOOD,
        GOOD + " ",
        GOOD + "\n",
        GOOD + ", " + GOOD,
        GOOD + "\0",
        "Basic " + GOOD,
        GOOD[:-1] + "\u212a",
        "Basic " + urlsafe_b64encode(b"app:\xfb\xff\xfe").decode(),
        raw_basic("no colon"),
        raw_basic(""),
        raw_basic(b"app:\xff\xfe"),
        raw_basic("app:%ff%fe"),
        raw_basic("app:%c3"),
        raw_basic("app:%ed%a0%80"),
        raw_basic("app:%00"),
        raw_basic("app:a\0b"),
        raw_basic("app%00:s"),
        raw_basic("app:" + "x" * 10_240),
    ],
    ids=lambda header: ascii(header)[:50],
)
def test_what_is_not_basic_to_the_letter_is_refused(header):
    assert refusal(header) == "basic_malformed"


@pytest.mark.row("CA-06")
@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: f"Basic {b64encode(data).decode()}"))
def test_no_header_at_all_does_more_than_refuse(header):
    refusal(header)


@given(st.text(max_size=20), st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_no_guess_in_a_form_does_more_than_refuse(client_id, secret):
    if secret != SECRET:
        refusal(known=client(**POST), client_id=client_id, client_secret=secret)


def test_a_secret_is_kept_and_shown_as_little_as_can_be():
    assert SECRET not in repr(client())
    assert secret_digest(SECRET).hex() not in repr(client())
    assert SECRET not in repr(Credentials(method="client_secret_post", client_id="app", secret=SECRET))
    assert len({secret_digest("a"), secret_digest("b"), secret_digest("")}) == 3


@pytest.mark.row("JW-29")
@pytest.mark.row("CA-19")
def test_every_secret_is_compared_whole_and_as_often_whoever_is_named(monkeypatch):
    compared = []
    real = hmac.compare_digest

    def counting(one, other):
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr("broker.protocol.client_auth.hmac.compare_digest", counting)
    two = client(secret_digests=(secret_digest(SECRET), secret_digest("the other one")))
    for known, secret, times in (
        (None, SECRET, 1),
        (client(), SECRET, 1),
        (client(), "x", 1),
        (client(), SECRET[:-1], 1),
        (client(secret_digests=()), SECRET, 1),
        (client(**PUBLIC), SECRET, 1),
        (two, SECRET, 2),
        (two, "the other one", 2),
        (two, "neither", 2),
    ):
        compared.clear()
        has_secret(Credentials(method="client_secret_post", client_id="app", secret=secret), known)
        assert compared == [(32, 32)] * times  # digests: neither length nor first difference shows
