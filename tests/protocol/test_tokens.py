"""What our tokens say, and what they never say."""

from base64 import urlsafe_b64encode
from hashlib import sha256, sha512

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.mapping import PROTOCOL_CLAIMS
from broker.protocol import tokens
from broker.protocol.client import ScopeRule
from broker.protocol.tokens import AccessToken, at_hash
from broker.record import replace
from tests.protocol.samples import ISSUER, NOW, SCOPES, claims, client, context, grant

ALL = ("openid", "profile", "email", "account.7", "claim_sources", "offline_access")
ACCESS = AccessToken(
    grant_id="grant-1",
    jti="grant-1.a",
    scopes=("openid", "profile"),
    audience="https://api.example",
    issued_at=int(NOW),
    expires_at=int(NOW) + 300,
)


def id_token(of=None, to=None, rules=SCOPES, nonce="n-0S6_WzA2Mj", access_token="the-access-token"):
    return tokens.id_token(
        of or grant(),
        to or client(),
        rules,
        issuer=ISSUER,
        lives=(int(NOW), int(NOW) + 300),
        access_token=access_token,
        nonce=nonce,
    )


def userinfo(of=None, granted=("openid", "profile"), rules=SCOPES):
    return tokens.userinfo(replace(ACCESS, scopes=granted), of or grant(), rules)


def test_an_id_token_says_what_it_stands_on_and_no_more():
    assert id_token() == {
        "iss": ISSUER,
        "sub": "ada",
        "aud": "app",
        "exp": int(NOW) + 300,
        "iat": int(NOW),
        "auth_time": int(NOW) - 60,
        "nonce": "n-0S6_WzA2Mj",
        "acr": "silver",
        "amr": ["pwd", "otp"],
        "sid": "sid",
        "jti": f"{grant().id}.{at_hash('the-access-token', 'RS256')}",
        "at_hash": at_hash("the-access-token", "RS256"),
    }


def test_what_is_not_known_is_absent_and_never_null():
    said = id_token(grant(context=context(auth_time=None, acr=None, amr=())), nonce=None)
    assert set(said) == {"iss", "sub", "aud", "exp", "iat", "sid", "jti", "at_hash"}


@pytest.mark.parametrize(
    ("alg", "hashed"),
    [("RS256", sha256), ("PS256", sha256), ("ES256", sha256), ("EdDSA", sha512), ("Ed25519", sha512)],
)
def test_at_hash_is_the_left_half_by_the_id_tokens_own_algorithm(alg, hashed):
    digest = hashed(b"the-access-token").digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert at_hash("the-access-token", alg) == half
    assert id_token(to=client(id_token_signed_response_alg=alg))["at_hash"] == half
    assert id_token(access_token="another")["at_hash"] != half


def test_at_hash_is_that_of_the_standards_example():
    # OpenID Connect Core Appendix A.4
    assert at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


def test_scope_claims_are_in_the_id_token_only_where_the_clients_entry_wants_them():
    of = grant(scopes=ALL[:3])
    assert not {"name", "email", "email_verified"} & set(id_token(of))
    said = id_token(of, client(id_token_claims=True))
    assert (said["name"], said["email"], said["email_verified"]) == ("Ada", "ada@people.example", True)
    assert "phone_number" not in said


@pytest.mark.row("UI-17")
@pytest.mark.parametrize(
    ("granted", "told"),
    [
        (("openid",), {"sub"}),
        (("openid", "profile"), {"sub", "name"}),
        (("openid", "email"), {"sub", "email", "email_verified"}),
        (("openid", "account.7"), {"sub", "account_holder"}),
        (("openid", "offline_access", "gone"), {"sub"}),
        (("openid", "profile", "email"), {"sub", "name", "email", "email_verified"}),
    ],
)
def test_userinfo_tells_what_the_scopes_of_the_access_token_release(granted, told):
    assert set(userinfo(grant(scopes=ALL), granted)) == told


@pytest.mark.row("UI-17")
def test_nothing_else_of_a_person_is_in_any_token_of_ours():
    person = set(context().claims)
    everything = {**id_token(), **tokens.access_token(ACCESS, grant(), SCOPES, issuer=ISSUER)}
    everything |= tokens.introspection(ACCESS, grant(), SCOPES, issuer=ISSUER)
    assert not person & set(everything)
    assert not set(context().claims.values()) - {True} & {
        v for v in everything.values() if isinstance(v, str)
    }
    assert everything["username"] == everything["sub"]


def test_userinfo_says_whose_it_is():
    assert userinfo()["sub"] == "ada"
    assert userinfo(granted=())["sub"] == "ada"


BY_NAME = {"email": (), "name": (), "phone_number": (), "unheard_of": ()}


@pytest.mark.row("UI-17")
@pytest.mark.parametrize(
    ("covered", "told"),
    [
        ((), set()),
        (("email",), {"email"}),
        (("profile",), {"name"}),
        (("email", "profile"), {"email", "name"}),
        (("openid", "offline_access", "account.7"), set()),
    ],
)
def test_a_claim_asked_for_by_name_is_told_only_where_a_granted_scope_covers_it(covered, told):
    of = grant(scopes=("openid",), covered=covered, claims=claims(BY_NAME, BY_NAME))
    assert set(id_token(of)) & set(BY_NAME) == told
    assert set(userinfo(of, ("openid",))) & set(BY_NAME) == told


def test_a_claim_is_told_in_the_place_it_was_asked_for():
    of = grant(scopes=("openid",), covered=("email", "profile"), claims=claims({"email": ()}, {"name": ()}))
    assert ("email" in id_token(of), "name" in id_token(of)) == (True, False)
    assert set(userinfo(of, ("openid",))) == {"sub", "name"}


@pytest.mark.row("JW-26")
@pytest.mark.parametrize("name", sorted(PROTOCOL_CLAIMS))
def test_an_upstreams_word_never_takes_the_place_of_a_minted_claim(name):
    forged = context(claims={name: "forged"}, acr=None, auth_time=None, amr=())
    rules = dict(SCOPES) | {"evil": ScopeRule(name="evil", description="", claims=(name,))}
    of = grant(
        scopes=("openid", "evil"), covered=("evil",), claims=claims({name: ()}, {name: ()}), context=forged
    )
    for said in (
        id_token(of, client(id_token_claims=True), rules, nonce=None),
        userinfo(of, ("openid", "evil"), rules),
        tokens.access_token(ACCESS, of, SCOPES, issuer=ISSUER),
        tokens.introspection(ACCESS, of, SCOPES, issuer=ISSUER),
    ):
        assert "forged" not in said.values()


@pytest.mark.row("JW-26")
@given(
    st.dictionaries(
        st.sampled_from([*sorted(PROTOCOL_CLAIMS), "name", "email", "claim_sources"]), st.just("forged")
    )
)
def test_whatever_the_context_says_what_is_minted_stays_as_it_is(said_upstream):
    names = tuple(said_upstream)
    rules = dict(SCOPES) | {"all": ScopeRule(name="all", description="", claims=(*names, "claim_sources"))}
    of = grant(scopes=("openid", "all"), context=context(claims=said_upstream))
    said = id_token(of, client(id_token_claims=True), rules)
    minted = id_token()
    assert {name: said[name] for name in minted} == minted
    assert said["claim_sources"].keys() <= said_upstream.keys()
    assert userinfo(of, ("openid", "all"), rules)["sub"] == "ada"


def test_where_claims_came_from_is_told_of_those_that_are_told_and_of_no_others():
    assert "claim_sources" not in userinfo()
    of = grant(scopes=ALL)
    assert userinfo(of, ("openid", "claim_sources"))["claim_sources"] == {}
    assert userinfo(of, ("openid", "profile", "claim_sources"))["claim_sources"] == {"name": "userinfo: name"}
    said = id_token(of, client(id_token_claims=True))
    assert said["claim_sources"] == {"name": "userinfo: name", "email": "id_token: mail"}


def test_a_refreshed_id_token_is_about_the_same_person_and_the_same_login():
    first, later = id_token(), id_token(nonce=None)
    same = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    assert [first[name] for name in same] == [later[name] for name in same]
    assert "nonce" not in later


def test_an_access_token_says_what_rfc_9068_asks_for():
    assert tokens.access_token(ACCESS, grant(), SCOPES, issuer=ISSUER) == {
        "iss": ISSUER,
        "sub": "ada",
        "aud": "https://api.example",
        "exp": int(NOW) + 300,
        "iat": int(NOW),
        "jti": "grant-1.a",
        "client_id": "app",
        "scope": "openid profile",
        "auth_time": int(NOW) - 60,
        "acr": "silver",
    }


def test_introspection_says_the_same_and_that_it_is_active():
    assert tokens.introspection(ACCESS, grant(), SCOPES, issuer=ISSUER) == {
        **tokens.access_token(ACCESS, grant(), SCOPES, issuer=ISSUER),
        "active": True,
        "token_type": "Bearer",
        "username": "ada",  # the sub: the scopes release no name of the person's own
    }


def test_introspection_tells_the_persons_own_name_only_where_the_scopes_release_it():
    of = grant(context=context(claims={"preferred_username": "ada.l"}))
    rules = dict(SCOPES) | {
        "profile": ScopeRule(name="profile", description="", claims=("preferred_username",))
    }
    assert tokens.introspection(ACCESS, of, rules, issuer=ISSUER)["username"] == "ada.l"
    assert tokens.introspection(ACCESS, of, SCOPES, issuer=ISSUER)["username"] == "ada"


def test_an_access_token_is_for_the_api_its_client_names_or_for_us():
    assert tokens.audience(client(audience="https://api.example"), ISSUER) == "https://api.example"
    assert tokens.audience(client(), ISSUER) == ISSUER


@pytest.mark.standard("RFC 9068", "§2.2.3.1 roles, groups and entitlements")
def test_an_access_token_tells_an_api_what_it_decides_by_only_where_a_scope_of_it_releases_that():
    rules = dict(SCOPES) | {"groups": ScopeRule(name="groups", description="", claims=("groups", "name"))}
    of = grant(scopes=("openid", "groups"), context=context(claims={"groups": ["staff"], "name": "Ada"}))
    told = replace(ACCESS, scopes=("openid", "groups"))
    assert tokens.access_token(told, of, rules, issuer=ISSUER)["groups"] == ["staff"]
    assert "name" not in tokens.access_token(told, of, rules, issuer=ISSUER)
    assert "groups" not in tokens.access_token(ACCESS, of, rules, issuer=ISSUER)


@pytest.mark.standard("RFC 8693", "§4.1 the act claim")
def test_a_token_that_was_exchanged_says_who_holds_it_who_it_is_about_and_who_acts():
    held = replace(ACCESS, client_id="gateway", subject="pairwise", actor={"sub": "gateway"})
    of = grant(authorization_details=({"type": "payment"},), claims=claims({}, {"email": ()}))
    for said in (
        tokens.access_token(held, of, SCOPES, issuer=ISSUER),
        tokens.introspection(held, of, SCOPES, issuer=ISSUER),
    ):
        assert (said["client_id"], said["sub"], said["act"]) == ("gateway", "pairwise", {"sub": "gateway"})
        assert "authorization_details" not in said
    whole = replace(ACCESS, authorization_details=of.authorization_details)
    assert tokens.access_token(whole, of, SCOPES, issuer=ISSUER)["authorization_details"]
    assert tokens.userinfo(held, of, SCOPES)["sub"] == "pairwise"


def test_what_one_app_asked_for_by_name_is_not_told_to_another_that_exchanged_its_token():
    of = grant(covered=("email",), claims=claims({}, {"email": ()}))
    assert "email" in tokens.userinfo(ACCESS, of, SCOPES)
    assert "email" not in tokens.userinfo(replace(ACCESS, client_id="gateway"), of, SCOPES)
