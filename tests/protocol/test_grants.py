"""Redeeming: what must be proved before anything is spent."""

from itertools import combinations

import pytest

from broker.protocol import grants
from broker.protocol.errors import InvalidGrant, InvalidScope, UnauthorizedClient
from broker.protocol.params import Params
from tests.protocol.samples import NOW, REDIRECT_URI, SCOPES, VERIFIER, client, grant

RIGHT = {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}

# Each condition of RFC 6749 §4.1.3, and ways to miss it: (who redeems, what it sends, when).
WRONG = {
    "client": [{"client": client(client_id="other")}],
    "redirect_uri": [
        {"redirect_uri": None},
        {"redirect_uri": REDIRECT_URI + "/"},
        {"redirect_uri": "https://app.example/other"},
    ],
    "verifier": [{"code_verifier": None}, {"code_verifier": "x" * 43}, {"code_verifier": VERIFIER[:-1]}],
    "expiry": [{"now": NOW + 60}, {"now": NOW + 3600}],
}


def redeem(changes):
    form = RIGHT | {name: changes[name] for name in RIGHT if name in changes}
    params = Params.of((name, value) for name, value in form.items() if value is not None)
    grants.is_for(grant(), changes.get("client", client()))
    grants.prove_code(grant(), params, now=changes.get("now", NOW + 1))


def table():
    for size in (1, 2, 3, 4):
        for conditions in combinations(WRONG, size):
            for ways in range(max(len(WRONG[name]) for name in conditions)):
                changes = {}
                for name in conditions:
                    changes |= WRONG[name][ways % len(WRONG[name])]
                yield pytest.param(changes, id=f"{' and '.join(conditions)}, {ways}")


def test_when_all_is_right_the_code_is_proved():
    redeem({})
    redeem({"now": NOW})
    redeem({"now": NOW + 59.9})


@pytest.mark.row("TK-05")
@pytest.mark.row("TK-03")
@pytest.mark.parametrize("changes", list(table()))
def test_when_anything_is_wrong_it_is_not_and_only_who_holds_it_in_time_hears_what(changes):
    with pytest.raises(InvalidGrant) as caught:
        redeem(changes)
    assert (caught.value.body()["error"], caught.value.status) == ("invalid_grant", 400)
    says_no_more = caught.value.body() == InvalidGrant().body()
    assert says_no_more is bool({"client", "now"} & changes.keys())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client": client(client_id="other")}, "grant_of_other_client"),
        ({"now": NOW + 60}, "code_expired"),
        ({"redirect_uri": None}, "redirect_uri_differs"),
        ({"code_verifier": None}, "pkce_verifier_missing"),
    ],
)
def test_the_log_hears_which(changes, reason):
    with pytest.raises(InvalidGrant) as caught:
        redeem(changes)
    assert caught.value.reason == reason


@pytest.mark.row("TK-06")
@pytest.mark.parametrize(
    "uri",
    [
        None, "", REDIRECT_URI + "/", REDIRECT_URI + "?", REDIRECT_URI + "#", REDIRECT_URI.upper(),
        REDIRECT_URI[:-1], REDIRECT_URI + " ", REDIRECT_URI.replace("https", "http"),
        "https://app.example/other", "https://app.example:443/callback", "https://app.example/./callback",
        "https%3A%2F%2Fapp.example%2Fcallback",
    ],
)  # fmt: skip
def test_the_redirect_uri_must_be_the_one_the_code_was_sent_to(uri):
    with pytest.raises(InvalidGrant) as caught:
        redeem({"redirect_uri": uri})
    assert caught.value.reason == "redirect_uri_differs"


@pytest.mark.row("TK-06")
def test_another_port_of_the_loopback_is_another_uri_once_the_code_is_given():
    given = grant(redirect_uri="http://127.0.0.1:51004/callback")
    params = Params.of([("redirect_uri", "http://127.0.0.1:51005/callback"), ("code_verifier", VERIFIER)])
    with pytest.raises(InvalidGrant):
        grants.prove_code(given, params, now=NOW)


def test_a_verifier_for_a_code_without_a_challenge_is_refused():
    with pytest.raises(InvalidGrant) as caught:
        grants.prove_code(grant(code_challenge=None), Params.of(RIGHT.items()), now=NOW)
    assert caught.value.reason == "pkce_downgrade"
    grants.prove_code(grant(code_challenge=None), Params.of([("redirect_uri", REDIRECT_URI)]), now=NOW)


@pytest.mark.row("TK-10")
@pytest.mark.parametrize("grant_type", ["refresh_token", "AUTHORIZATION_CODE", "password", "implicit", ""])
def test_a_client_uses_only_the_grant_types_it_registered(grant_type):
    plain = client(grant_types=("authorization_code",))
    grants.may_use(plain, "authorization_code")
    with pytest.raises(UnauthorizedClient):
        grants.may_use(plain, grant_type)


GRANTED = ("openid", "profile", "email", "offline_access")


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, GRANTED),
        ("", GRANTED),
        ("openid", ("openid",)),
        ("email openid", ("email", "openid")),
        ("openid openid  email", ("openid", "email")),
        (" ".join(reversed(GRANTED)), tuple(reversed(GRANTED))),
    ],
)
def test_a_refreshed_token_may_have_fewer_scopes(asked, given):
    params = Params.of([] if asked is None else [("scope", asked)])
    assert grants.narrowed(grant(scopes=GRANTED), params) == given


@pytest.mark.row("RT-05")
@pytest.mark.row("TK-17")
@pytest.mark.parametrize(
    "asked", ["phone", "openid phone", "OpenID", "openid unheard.of", "account.7", "openid\temail"]
)
def test_a_refreshed_token_never_has_more(asked):
    with pytest.raises(InvalidScope):
        grants.narrowed(grant(scopes=GRANTED), Params.of([("scope", asked)]))


@pytest.mark.row("RT-05")
def test_to_narrow_and_then_widen_is_measured_against_the_grant_and_not_the_last_token():
    whole = grant(scopes=GRANTED)
    assert grants.narrowed(whole, Params.of([("scope", "openid")])) == ("openid",)
    assert grants.narrowed(whole, Params.of([])) == GRANTED


@pytest.mark.row("RT-10")
@pytest.mark.parametrize(
    ("scopes", "grant_types", "gives"),
    [
        (("openid", "offline_access"), ("authorization_code", "refresh_token"), True),
        (("openid",), ("authorization_code", "refresh_token"), False),
        (("openid", "offline_access"), ("authorization_code",), False),
    ],
)
def test_a_refresh_token_needs_both_its_scope_and_its_grant_type(scopes, grant_types, gives):
    assert grants.gives_refresh_token(grant(scopes=scopes), client(grant_types=grant_types)) is gives


@pytest.mark.row("RT-07")
def test_what_the_client_no_longer_has_is_left_out_whatever_was_granted():
    fewer = client(scopes=frozenset({"openid", "offline_access"}))
    kept = grants.as_assigned(grant(scopes=GRANTED, covered=("profile", "email")), fewer, SCOPES)
    assert (kept.scopes, kept.covered) == (("openid", "offline_access"), ())
