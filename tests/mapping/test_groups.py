"""Groups as upstreams send them, and what an operator can make of them."""

import pytest

from broker.mapping import Documents, apply, compile_map

LIST = {"from": "groups", "cast": "list"}


def given(rule, **documents):
    return apply(compile_map({"groups": rule}), Documents(**documents)).claims.get("groups")


@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    ("sent", "rule", "given_as"),
    [
        pytest.param(["a", "b"], LIST, ["a", "b"], id="a list"),
        pytest.param("a", LIST, ["a"], id="one text"),
        pytest.param("admins,users", LIST, ["admins,users"], id="a comma is part of a name"),
        pytest.param("admins users", LIST, ["admins users"], id="a space too"),
        pytest.param(["a", "a"], LIST, ["a"], id="repeats"),
        pytest.param([{"name": "a", "id": 1}, {"id": 2}], LIST, ["a"], id="objects with a name"),
        pytest.param([["a"], ["b", ["c"]]], LIST, ["a", "b", "c"], id="lists in lists"),
        pytest.param([7, 8], LIST, ["7", "8"], id="numbers"),
        pytest.param([True, None, 1.5, "a"], LIST, ["a"], id="what is no name is left out"),
        pytest.param({"name": "a"}, LIST, ["a"], id="one object"),
        pytest.param({"admins": True}, LIST, None, id="an object that is no group"),
        pytest.param([], LIST, None, id="none"),
        pytest.param(None, LIST, None, id="null"),
        pytest.param("", LIST, None, id="empty"),
        pytest.param(["a" * 9000], LIST, None, id="too large"),
        pytest.param([str(n) for n in range(1001)], LIST, None, id="too many are none, not some"),
        pytest.param(["acme-a", "x"], {**LIST, "keep": "acme-.+"}, ["acme-a"], id="filtered"),
        pytest.param(["xacme-a"], {**LIST, "keep": "acme-.+"}, None, id="filtered whole"),
        pytest.param(["a", "b"], {**LIST, "rename": {"a": "x"}}, ["x", "b"], id="renamed"),
        pytest.param(["a", "b"], {**LIST, "rename": {"a": "b"}}, ["b"], id="two of one name are one"),
        pytest.param(["a"], {**LIST, "prefix": "p:"}, ["p:a"], id="prefixed"),
        pytest.param(
            ["acme-a", "b"],
            {**LIST, "keep": "acme-.+", "rename": {"acme-a": "eng"}, "prefix": "p:"},
            ["p:eng"],
            id="all of it",
        ),
        pytest.param(
            "a,b", {"expression": 'upstream.id_token.groups.split(",")'}, ["a", "b"], id="split on purpose"
        ),
        pytest.param(
            [{"displayName": "A"}, {}],
            {"expression": "upstream.id_token.groups.filter(g, has(g.displayName)).map(g, g.displayName)"},
            ["A"],
            id="another key",
        ),
    ],
)
def test_groups_are_what_was_sent_as_names_and_nothing_else(sent, rule, given_as):
    assert given(rule, id_token={"groups": sent}) == given_as


@pytest.mark.row("UI-09")
def test_groups_that_the_upstream_only_points_at_are_none():
    overage = {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://x.example"}},
    }
    assert given(LIST, id_token=overage) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}),
        ('resource_access."acme.app".roles', {"resource_access": {"acme.app": {"roles": ["a"]}}}),
        ("https://acme.example/groups", {"https://acme.example/groups": ["a"]}),
        ("cognito:groups", {"cognito:groups": ["a"]}),
        ("teams.0.members", {"teams": [{"members": ["a"]}]}),
    ],
)
def test_groups_are_found_where_the_upstream_puts_them(path, said):
    assert given({"from": path, "cast": "list"}, id_token=said) == ["a"]


@pytest.mark.row("UI-15")
def test_of_groups_in_several_places_the_first_place_decides_and_nothing_is_mixed():
    several = {"userinfo": {"groups": ["u"]}, "id_token": {"groups": ["t"]}, "api": {"groups": ["a"]}}
    assert given(LIST, **several) == ["u"]
    assert given({"from": "id_token.groups", "cast": "list"}, **several) == ["t"]
    assert given(LIST, id_token={"groups": ["t"]}, userinfo={"groups": 1.5}) is None


@pytest.mark.row("UI-22")
def test_what_the_operator_gives_everybody_wins_over_what_the_upstream_sends():
    assert given({"value": ["staff"]}, id_token={"groups": ["admins"]}) == ["staff"]


def test_pages_that_a_connector_has_followed_are_one_list():
    assert given(LIST, api={"groups": [f"g{n}" for n in range(900)]}) == [f"g{n}" for n in range(900)]
