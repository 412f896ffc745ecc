"""Scopes: which may be asked, what they release, what they are in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import scopes
from broker.protocol.client import ScopeRule
from broker.protocol.errors import InvalidScope
from tests.protocol.samples import SCOPES, client

TOKEN = st.text(
    alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1
)


@pytest.mark.parametrize(
    "name", ["account.7", "account.acme-eu", "account.%2F", "account.a:b/c", "account.x*"]
)
def test_a_dynamic_scope_stands_for_one_further_segment(name):
    assert scopes.rule_for(name, SCOPES) is SCOPES["account.*"]


@pytest.mark.row("AZ-19")
@pytest.mark.parametrize(
    "name",
    [
        "account", "account.", "account.7.8", "account..7", "account.7.", ".7", ".", "", "*", ".*",
        "account.*", "account.7.*", "Account.7", "xaccount.7", "accountX7", "open.id", "openid.x",
        "profile.*", "unheard.of",
    ],
)  # fmt: skip
def test_nothing_else_is_declared_and_a_pattern_is_no_scope_itself(name):
    assert scopes.rule_for(name, SCOPES) is None


def test_a_name_that_is_declared_whole_is_not_read_as_a_dynamic_one():
    rules = dict(SCOPES) | {"account.list": ScopeRule(name="account.list", description="List accounts")}
    assert scopes.rule_for("account.list", rules).name == "account.list"
    assert scopes.rule_for("account.other", rules).name == "account.*"


@given(TOKEN)
def test_a_dynamic_scope_takes_any_segment_that_has_no_dot_and_is_no_star(tail):
    found = scopes.rule_for(f"account.{tail}", SCOPES)
    assert (found is not None) is ("." not in tail and tail != "*")


@given(st.text(max_size=60))
def test_splitting_gives_each_token_once_in_order_or_refuses(text):
    try:
        names = scopes.split(text)
    except InvalidScope:
        parts = [part for part in text.split(" ") if part]
        assert any(scopes.SCOPE_TOKEN.fullmatch(part) is None for part in parts)
        return
    assert names == tuple(dict.fromkeys(part for part in text.split(" ") if part))


@pytest.mark.parametrize(
    "text", ['a"', "a\\", "a\tb", "a\nb", "a b\0", "é", "a\u00a0b", "\x7f", "a \ud800"], ids=ascii
)
def test_a_character_that_no_scope_may_have_is_refused(text):
    with pytest.raises(InvalidScope) as caught:
        scopes.split(text)
    assert caught.value.reason == "scope_malformed"


def test_a_request_names_at_most_so_many_scopes_and_so_many_characters():
    assert len(scopes.split(" ".join(f"s{n}" for n in range(100)))) == 100
    with pytest.raises(InvalidScope):
        scopes.split(" ".join(f"s{n}" for n in range(101)))
    assert scopes.split("x" * 4096)
    with pytest.raises(InvalidScope):
        scopes.split("x" * 4097)


def test_undeclared_scopes_are_left_out_and_told():
    assert scopes.allowed(("openid", "huh", "email"), client(), SCOPES) == ("openid", "email")
    assert scopes.allowed(("openid", "email"), client(), SCOPES) == ("openid", "email")


@pytest.mark.parametrize("names", [("openid", "phone"), ("phone", "huh")])
def test_a_declared_scope_that_the_client_does_not_have_is_refused_by_name(names):
    with pytest.raises(InvalidScope) as caught:
        scopes.allowed(names, client(), SCOPES)
    assert (caught.value.reason, caught.value.detail) == ("scope_not_assigned", "phone")
    assert caught.value.description == "The scope phone is not assigned to this client."


def test_of_a_scope_that_is_refused_no_more_is_said_than_can_be_read():
    with pytest.raises(InvalidScope) as caught:
        scopes.allowed(("account." + "x" * 999,), client(scopes=frozenset({"openid"})), SCOPES)
    assert len(caught.value.description) < 150


def test_a_dynamic_scope_is_the_clients_when_its_pattern_is():
    assert scopes.allowed(("account.7",), client(), SCOPES) == ("account.7",)
    with pytest.raises(InvalidScope):
        scopes.allowed(("account.7",), client(scopes=frozenset({"openid"})), SCOPES)


@pytest.mark.parametrize("names", [(), ("huh",)])
def test_nothing_left_is_refused(names):
    with pytest.raises(InvalidScope) as caught:
        scopes.allowed(names, client(), SCOPES)
    assert caught.value.reason == "scope_empty"


@pytest.mark.parametrize(
    ("names", "claims"),
    [
        ((), set()),
        (("openid",), set()),
        (("email",), {"email", "email_verified"}),
        (("email", "profile"), {"email", "email_verified", "name", "picture"}),
        (("account.7",), {"account_holder"}),
        (("account.*", "huh"), set()),
    ],
)
def test_a_scope_releases_its_claims_and_no_others(names, claims):
    assert scopes.claims_of(names, SCOPES) == claims


@pytest.mark.parametrize(
    ("claim", "scope"),
    [
        ("email", "email"),
        ("name", "profile"),
        ("phone_number", None),
        ("sub", None),
        ("account_holder", None),
    ],
)
def test_a_claim_asked_for_by_name_stands_behind_a_scope_of_this_client_or_none(claim, scope):
    assert scopes.covering(claim, client(), SCOPES) == scope


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("email", "See your email address"),
        ("account.acme", "Use account acme"),
        ("account.{value}", "Use account {value}"),
        ("account.<b>", "Use account <b>"),
        ("gone", "gone"),
    ],
)
def test_a_scope_in_words_says_its_value(name, words):
    assert scopes.in_words(name, SCOPES) == words
