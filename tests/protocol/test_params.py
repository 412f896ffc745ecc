"""Parameters: read once, repeats told, blanks left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.errors import InvalidRequest
from broker.protocol.params import Params

names = st.sampled_from(["state", "scope", "resource", "x", ""])
some_pairs = st.lists(st.tuples(names, st.sampled_from(["", "a", "b"])), max_size=8)


@pytest.mark.row("AZ-11")
def test_a_blank_parameter_is_as_if_it_were_not_there():
    params = Params.of([("state", ""), ("scope", "openid")])
    assert params.get("state") is None
    assert dict(params.values) == {"scope": "openid"}


@pytest.mark.row("AZ-09")
@pytest.mark.parametrize("values", [("a", "a"), ("a", "b"), ("", "a"), ("a", ""), ("", ""), ("a", "b", "c")])
def test_a_repeated_parameter_has_no_value_at_all_not_the_first_and_not_the_last(values):
    params = Params.of(("state", value) for value in values)
    assert params.get("state") is None
    with pytest.raises(InvalidRequest) as caught:
        params.without_repeats()
    assert (caught.value.reason, caught.value.detail) == ("parameter_repeated", "state")


def test_resource_may_repeat():
    params = Params.of([("resource", "https://a.example"), ("resource", "https://b.example")])
    assert params.without_repeats() is params


def test_a_parameter_that_is_required_and_absent_is_named():
    with pytest.raises(InvalidRequest) as caught:
        Params.of([("grant_type", "")]).require("grant_type")
    assert caught.value.body() == {
        "error": "invalid_request",
        "error_description": "grant_type is missing.",
    }
    assert caught.value.reason == "grant_type_missing"


def test_a_parameter_that_is_required_and_there_is_given():
    assert Params.of([("code", "abc")]).require("code") == "abc"


@pytest.mark.parametrize("name", ["scope[]", "scope[0]", "client_id.x", "Scope", "scope "])
@pytest.mark.row("AZ-10")
def test_another_name_is_another_parameter(name):
    assert Params.of([(name, "openid")]).get("scope") is None


def test_values_do_not_print_themselves():
    assert "s3cret" not in repr(Params.of([("client_secret", "s3cret")]))


@given(some_pairs)
def test_whatever_is_sent_each_value_read_was_sent_once_and_not_blank(sent):
    params = Params.of(sent)
    for name in {name for name, _ in sent}:
        values = [value for one, value in sent if one == name]
        if name == "resource":
            assert params.get(name) == next((value for value in values if value), None)
        else:
            assert params.get(name) == (values[0] or None if len(values) == 1 else None)
