"""What each word of a map does."""

import pytest

from broker.mapping import Documents, MappingRefused, apply, compile_map


def mapped(rule, said, claim="found"):
    return apply(compile_map({claim: rule}), Documents(id_token=said))


def given(rule, said, claim="found"):
    return mapped(rule, said, claim).claims.get(claim)


def test_the_first_path_that_is_present_wins():
    rule = {"from": ["a", "b", "c"]}
    assert mapped(rule, {"b": "second", "c": "third"}).sources == {"found": "id_token: b"}
    assert given(rule, {"a": None, "b": "", "c": "third"}) == "third"


def test_a_first_value_that_does_not_fit_is_not_replaced_by_a_later_one():
    rule = {"from": ["a", "b"], "cast": "integer"}
    answer = mapped(rule, {"a": "spoilt", "b": 7})
    assert answer.claims == {}
    assert answer.dropped == {"found": "id_token: a: not a whole number"}


def test_a_single_path_needs_no_list():
    assert given({"from": "a"}, {"a": "x"}) == "x"


def test_a_static_value_is_the_same_for_everybody_and_its_source_says_so():
    answer = mapped({"value": "acme"}, {})
    assert (answer.claims, answer.sources) == ({"found": "acme"}, {"found": "map: value"})


def test_a_default_holds_when_nothing_else_gives_the_claim():
    answer = mapped({"from": "a", "default": "none"}, {})
    assert (answer.claims, answer.sources) == ({"found": "none"}, {"found": "map: default"})


@pytest.mark.row("UI-10")
@pytest.mark.parametrize(
    "condition", ["true", "True", 1, 1.0, [True], {"true": True}, False, None, 0, "", "yes", []]
)
def test_a_condition_holds_only_for_json_true(condition):
    said = {"ok": condition, "a": "x"}
    assert given({"from": "a", "when": "ok"}, said) is None
    assert given({"value": "x", "when": "ok"}, said) is None
    assert given({"value": "x", "when": "ok", "default": "y"}, said) == "y"


def test_a_condition_that_holds_lets_the_claim_through():
    assert given({"from": "a", "when": "ok"}, {"ok": True, "a": "x"}) == "x"
    assert given({"value": "x", "when": "id_token.ok"}, {"ok": True}) == "x"


def test_a_required_claim_that_is_missing_refuses_the_login():
    with pytest.raises(MappingRefused) as caught:
        mapped({"from": "a", "required": True}, {"a": ""})
    assert caught.value.claim == "found"


def test_a_required_list_of_which_nothing_is_kept_refuses_the_login():
    rule = {"from": "groups", "cast": "list", "keep": "acme-.+", "required": True}
    with pytest.raises(MappingRefused):
        mapped(rule, {"groups": ["guests"]})
    assert given(rule, {"groups": ["guests", "acme-x"]}) == ["acme-x"]


# ── casts ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("cast", "said", "value"),
    [
        ("string", "x", "x"),
        ("string", 123, "123"),
        ("string", True, "true"),
        ("string", 1.5, "1.5"),
        ("string", ["x"], None),
        ("integer", 7, 7),
        ("integer", "-7", -7),
        ("integer", "00123", 123),
        ("integer", 7.0, 7),
        ("integer", 7.5, None),
        ("integer", "7.0", None),
        ("integer", "٣", None),
        ("integer", True, None),
        ("integer", 2**53, None),
        ("integer", "9" * 5000, None),
        ("number", "1.5", 1.5),
        ("number", 2, 2),
        ("number", "nan", None),
        ("number", float("inf"), None),
        ("number", True, None),
        ("boolean", True, True),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("boolean", "True", None),
        ("boolean", "yes", None),
        ("boolean", 1, None),
        ("boolean", 0, None),
        ("epoch", "2021-03-23T11:34:14.566Z", 1616499254),
        ("epoch", "2021-03-23T11:34:14.566z", 1616499254),
        ("epoch", "2021-03-23T12:34:14+01:00", 1616499254),
        ("epoch", "2021-03-23T11:34:14", 1616499254),
        ("epoch", 1616499254, 1616499254),
        ("epoch", 1616499254.9, 1616499254),
        ("epoch", -1, None),
        ("epoch", "yesterday", None),
        ("epoch", "9999-12-31T23:59:59-23:59", None),
        ("epoch", "0001-01-01T00:00:00+23:59", None),
        ("epoch", True, None),
        ("epoch", 10**18, None),
    ],
)
def test_a_cast_makes_the_type_or_leaves_the_claim_out(cast, said, value):
    result = given({"from": "a", "cast": cast}, {"a": said})
    assert result == value
    assert type(result) is type(value)


@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    ("said", "groups"),
    [
        ("staff", ["staff"]),
        ("staff,admins", ["staff,admins"]),
        ("staff admins", ["staff admins"]),
        (["a", "b", "a"], ["a", "b"]),
        ([{"name": "a", "id": 1}, {"id": 2}, "b"], ["a", "b"]),
        ({"name": "a"}, ["a"]),
        ([["a", ["b"]], "c"], ["a", "b", "c"]),
        ([7, 8], ["7", "8"]),
        ([True, None, 1.5, "", "a"], ["a"]),
        ([{"name": {"name": "a"}}], None),
        ([], None),
        ({}, None),
        (True, None),
        ([f"g{n}" for n in range(10_000)], None),
    ],
)
def test_groups_become_a_list_of_texts_and_a_comma_is_part_of_a_name(said, groups):
    assert given({"from": "groups", "cast": "list"}, {"groups": said}, "groups") == groups


@pytest.mark.row("UI-09")
def test_an_overage_is_no_groups_at_all():
    said = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x.example"}}}
    assert mapped({"from": "groups", "cast": "list"}, said, "groups").claims == {}


# ── keep, rename, prefix ──────────────────────────────────────────────────────────────────────


def test_keep_matches_whole_entries():
    rule = {"from": "groups", "cast": "list", "keep": "acme-.+"}
    assert given(rule, {"groups": ["acme-x", "acme-", "not-acme-x", "acme-x\n", "ACME-x"]}) == ["acme-x"]


def test_an_entry_that_is_very_long_is_not_kept():
    rule = {"from": "groups", "cast": "list", "keep": ".+"}
    assert given(rule, {"groups": ["x" * 257, "x" * 256]}) == ["x" * 256]


def test_keep_then_rename_then_prefix():
    rule = {"from": "groups", "keep": "a-.+", "rename": {"a-1": "one", "b-1": "never"}, "prefix": "p:"}
    assert given(rule, {"groups": ["a-1", "a-2", "b-1"]}) == ["p:one", "p:a-2"]


def test_two_groups_renamed_to_one_are_one():
    rule = {"from": "groups", "rename": {"a": "x", "b": "x"}}
    assert given(rule, {"groups": ["a", "b"]}) == ["x"]


def test_a_single_text_is_kept_renamed_and_prefixed_too():
    rule = {"from": "role", "keep": "a|b", "rename": {"a": "x"}, "prefix": "p:"}
    assert [given(rule, {"role": role}) for role in ("a", "b", "c")] == ["p:x", "p:b", None]


def test_what_is_no_text_is_not_filtered_but_left_out():
    assert given({"from": "a", "prefix": "p:"}, {"a": {"x": "y"}}) is None
    assert given({"from": "a", "prefix": "p:"}, {"a": [1, "x"]}) is None


# ── the standard claims ───────────────────────────────────────────────────────────────────────


@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        (True, True),
        (False, False),
        ("false", False),
        ("true", None),
        ("True", None),
        (1, None),
        (0, None),
        (None, None),
        ([], None),
        ([True], None),
        ({}, None),
        ("yes", None),
        (1.0, None),
    ],
)
@pytest.mark.parametrize("claim", ["email_verified", "phone_number_verified"])
def test_only_json_true_is_verified(said, told, claim):
    value = given({"from": claim}, {claim: said}, claim)
    assert value is told
    assert given({"from": claim, "default": False}, {claim: said}, claim) is (told or False)


@pytest.mark.row("UI-02")
def test_a_map_may_say_that_this_upstream_writes_its_booleans_as_texts():
    rule = {"from": "email_verified", "cast": "boolean"}
    assert given(rule, {"email_verified": "true"}, "email_verified") is True
    assert given(rule, {"email_verified": "false"}, "email_verified") is False
    assert given(rule, {"email_verified": 1}, "email_verified") is None


@pytest.mark.row("UI-21")
@pytest.mark.parametrize("claim", ["picture", "profile", "website"])
@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//x.example", "file:///etc", " https://x"]
)
def test_a_link_is_http_or_it_is_left_out(claim, url):
    assert given({"from": claim}, {claim: url}, claim) is None
    assert given({"from": claim}, {claim: "https://x.example/a.png"}, claim) == "https://x.example/a.png"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("name", {"x": 1}),
        ("name", ["Jane"]),
        ("name#de", 7),
        ("email", ["a@b.example"]),
        ("updated_at", "2021-03-23T11:34:14Z"),
        ("updated_at", True),
        ("address", "Main Street 1"),
        ("address", {"locality": {"deep": 1}}),
    ],
)
def test_a_standard_claim_of_another_type_is_left_out(claim, said):
    assert given({"from": "a"}, {"a": said}, claim) is None


def test_an_address_may_have_lines():
    said = {"formatted": "Main Street 1\n12345 Town", "country": "DE"}
    assert given({"from": "address"}, {"address": said}, "address") == said


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def deep(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.row("UI-11")
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("x" * 8193, "larger than"),
        ("ü" * 5000, "larger than"),
        (["x" * 1000] * 9, "larger than"),
        ({"k" * 9000: 1}, "larger than"),
        (["x"] * 1001, "more than 1000"),
        ({str(n): 1 for n in range(1001)}, "more than 1000"),
        (deep(9), "too deep"),
        (deep(1000), "too deep"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("a\u202eb", "control"),
        ("a\u2066b", "control"),
        ("a\u2028b", "control"),
        ("a\ud800b", "control"),
        ({"a\x00": 1}, "control"),
        ([["a\x1b[31m"]], "control"),
        (10**400, "too large"),
        (float("nan"), "not a number"),
    ],
)
def test_a_value_over_the_limits_is_left_out_and_the_reason_told(said, why):
    answer = mapped({"from": "a"}, {"a": said})
    assert answer.claims == {}
    assert why in answer.dropped["found"]


@pytest.mark.parametrize(
    "said", ["Zoë Ångström", "نور", "山田太郎", "👩‍👩‍👧", "O'Neil & Söhne <x>", deep(8), [1, 2.5, None, True]]
)
def test_a_value_within_the_limits_is_passed_on_as_it_is(said):
    assert given({"from": "a"}, {"a": said}) == said


@pytest.mark.row("UI-10")
@pytest.mark.parametrize(
    "said", ["{0.__class__}", "{{7*7}}", "${HOME}", "$.store..book", "%(x)s", "__import__('os')"]
)
def test_values_are_data_and_are_never_evaluated(said):
    assert given({"from": "a"}, {"a": said}) == said
    assert given({"from": "a", "prefix": "p:"}, {"a": said}) == f"p:{said}"


def test_what_was_dropped_is_told_without_its_value():
    secret = "a\x00very private"
    assert "private" not in str(mapped({"from": "a"}, {"a": secret}).dropped)
