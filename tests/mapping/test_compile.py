"""What stops the start: every mistake in a map, all at once, each with the keys that lead to it."""

import pytest

from broker.mapping import PROTOCOL_CLAIMS, MapErrors, compile_map


def problems(source):
    with pytest.raises(MapErrors) as caught:
        compile_map(source)
    return dict(caught.value.problems)


@pytest.mark.row("JW-26")
@pytest.mark.parametrize(
    "claim",
    [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "azp",
        "client_id",
        "scope",
        "cnf",
        "act",
        "may_act",
        "nonce",
        "auth_time",
        "acr",
        "amr",
        "sid",
        "events",
        "typ",
        "token_use",
        "at_hash",
        "c_hash",
        "s_hash",
        "active",
        "Sub",
        "ISS",
    ],
)
def test_a_claim_that_a_token_stands_on_cannot_be_mapped(claim):
    assert "minted by the broker" in problems({"claims": {claim: {"value": "x"}}})["claims", claim]


@pytest.mark.row("JW-26")
def test_no_name_that_compiles_is_a_protocol_claim():
    names = {"name": {"from": "sub"}, "roles": {"from": "scope"}}
    assert PROTOCOL_CLAIMS.isdisjoint(compile_map(names).claims)


def test_every_mistake_is_told_at_once():
    found = problems(
        {
            "claims": {
                "sub": {"from": ["sub"]},
                "email": {"from": ["email"], "whem": "email_verified"},
                "groups": {"from": ["groups", "a..b"], "cast": "lists", "keep": "(a+)+"},
                "name": {"from": ["name"], "required": "yes"},
                "tenant": "acme",
            }
        }
    )
    assert set(found) == {
        ("claims", "sub"),
        ("claims", "email", "whem"),
        ("claims", "groups", "from", "1"),
        ("claims", "groups", "cast"),
        ("claims", "groups", "keep"),
        ("claims", "name", "required"),
        ("claims", "tenant"),
    }
    assert found["claims", "email", "whem"] == "unknown key; did you mean when?"


def test_a_map_may_stand_alone_or_under_its_key():
    rules = {"name": {"from": ["name"]}}
    assert compile_map(rules) == compile_map({"claims": rules})
    assert ("sub",) in problems({"sub": {"value": "x"}})


@pytest.mark.parametrize(
    "source", [{}, {"claims": {}}, {"claims": None}, {"claims": ["name"]}, {"claims": "x"}]
)
def test_an_empty_map_is_a_mistake(source):
    assert "at least one claim" in next(iter(problems(source).values()))


@pytest.mark.parametrize(
    ("claim", "rule", "where"),
    [
        ("x", {}, ()),
        ("x", None, ()),
        ("x", {"default": 1}, ()),
        ("x", {"from": "a", "value": "b"}, ()),
        ("x", {"from": []}, ("from",)),
        ("x", {"from": {}}, ("from",)),
        ("x", {"value": None}, ("value",)),
        ("x", {"value": ""}, ("value",)),
        ("x", {"value": "a\x00"}, ("value",)),
        ("x", {"value": "b" * 9000}, ("value",)),
        ("x", {"value": {1: 2}}, ("value",)),
        ("x", {"value": ["b"], "cast": "list"}, ("cast",)),
        ("x", {"value": "b", "prefix": "p"}, ("prefix",)),
        ("x", {"value": "b", "when": ["a"]}, ("when",)),
        ("x", {"from": "a", "default": "x", "required": True}, ("required",)),
        ("x", {"from": "a", "cast": "list", "default": "x"}, ("default",)),
        ("x", {"from": "a", "cast": ["list"]}, ("cast",)),
        ("x", {"from": "a", "cast": "integer", "keep": "a"}, ("cast",)),
        ("x", {"from": "a", "prefix": 7}, ("prefix",)),
        ("x", {"from": "a", "prefix": "x" * 65}, ("prefix",)),
        ("x", {"from": "a", "rename": ["a"]}, ("rename",)),
        ("x", {"from": "a", "rename": {}}, ("rename",)),
        ("x", {"from": "a", "rename": {"a": 7}}, ("rename", "a")),
        ("email", {"from": "a", "cast": "list"}, ("cast",)),
        ("email_verified", {"value": "true"}, ("value",)),
        ("email_verified", {"from": "a", "default": "true"}, ("default",)),
        ("updated_at", {"from": "a", "cast": "string"}, ("cast",)),
        ("picture", {"value": "javascript:alert(1)"}, ("value",)),
        ("a b", {"value": "x"}, ()),
        ("", {"value": "x"}, ()),
        (7, {"value": "x"}, ()),
        ('a"b', {"value": "x"}, ()),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_where_it_stands(claim, rule, where):
    assert list(problems({claim: rule})) == [(str(claim), *where)]


def test_the_message_of_the_error_names_the_keys():
    with pytest.raises(MapErrors, match=r"claims\.sub: is minted by the broker"):
        compile_map({"claims": {"sub": {"value": "x"}}})


@pytest.mark.parametrize(
    "name", ["groups", "https://acme.example/roles", "name#de", "urn:acme:level", "x-y_z.1"]
)
def test_names_of_our_own_may_be_urls(name):
    assert compile_map({name: {"value": "x"}}).claims == (name,)


def test_a_map_of_too_many_claims_is_refused():
    assert "at most" in problems({f"c{n}": {"value": 1} for n in range(201)})[()]
