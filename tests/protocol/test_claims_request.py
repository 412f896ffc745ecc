"""The claims parameter: the JSON object of Core §5.5, or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.claims_request import essential_acr, names_somebody_else, read
from broker.protocol.errors import InvalidRequest
from broker.protocol.flow import ClaimAsk, ClaimsRequest
from tests.protocol.samples import refused


def test_without_it_nothing_is_asked_for_by_name():
    assert read(None) == ClaimsRequest()


@pytest.mark.parametrize(
    ("entry", "ask"),
    [
        (None, ClaimAsk()),
        ({}, ClaimAsk()),
        ({"essential": True}, ClaimAsk(essential=True)),
        ({"essential": False}, ClaimAsk()),
        ({"value": "a"}, ClaimAsk(values=("a",))),
        ({"value": None}, ClaimAsk(values=(None,))),
        ({"value": 7, "essential": True}, ClaimAsk(essential=True, values=(7,))),
        ({"values": ["a", "b"]}, ClaimAsk(values=("a", "b"))),
        ({"values": []}, ClaimAsk()),
        ({"value": "a", "values": ["b"]}, ClaimAsk(values=("a", "b"))),
        ({"unheard_of": 1}, ClaimAsk()),
    ],
    ids=str,
)
def test_a_claim_is_asked_for_with_null_or_an_object(entry, ask):
    assert read(json.dumps({"id_token": {"x": entry}})) == ClaimsRequest(id_token={"x": ask})
    assert read(json.dumps({"userinfo": {"x": entry}})) == ClaimsRequest(userinfo={"x": ask})


@pytest.mark.parametrize(
    "text", ["{}", '{"id_token": null}', '{"userinfo": {}}', '{"elsewhere": {"x": {}}}', " {} "]
)
def test_an_object_that_asks_for_nothing_is_good(text):
    assert read(text) == ClaimsRequest()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "null",
        "[]",
        '"x"',
        "1",
        "true",
        "{} {}",
        "{'id_token': {}}",
        '{"id_token": []}',
        '{"id_token": "email"}',
        '{"id_token": true}',
        '{"id_token": {"email": true}}',
        '{"id_token": {"email": "x"}}',
        '{"id_token": {"email": []}}',
        '{"id_token": {"email": {"essential": "true"}}}',
        '{"id_token": {"email": {"essential": 1}}}',
        '{"id_token": {"email": {"essential": null}}}',
        '{"id_token": {"email": {"values": "x"}}}',
        '{"id_token": {"email": {"values": {"x": 1}}}}',
        '{"id_token": {"email": {"values": null}}}',
        '{"id_token": {}, "id_token": {}}',
        '{"id_token": {"email": null, "email": null}}',
        '{"id_token": {"n": {"value": NaN}}}',
        '{"id_token": {"n": {"value": 1e999}}}',
        '{"id_token": {"n": {"value": "\\ud800"}}}',
        '{"id_token": {"a": ' + '{"b": ' * 80 + "1" + "}" * 82,
        '{"id_token": {"acr": {"essential": true, "values": [1, 2]}}}',
        '{"id_token": {"acr": {"value": null}}}',
        '{"id_token": {"sub": {"value": 7}}}',
        '{"userinfo": {"sub": {"values": ["ada", 7]}}}',
        '{"userinfo": {"sub": {"value": {"x": "ada"}}}}',
        '{"userinfo": {"x": {"value": "' + "x" * 8200 + '"}}}',
        "\ufeff{}",
    ],
    ids=lambda text: ascii(text)[:70],
)
def test_anything_else_is_told_to_the_client_app_as_malformed(text):
    told = refused(claims=text)
    assert (told.error.error, told.error.reason) == ("invalid_request", "claims_malformed")
    assert told.error.description == "The claims parameter is malformed."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
places = st.dictionaries(st.sampled_from(["acr", "sub", "email"]), json_values, max_size=3)


@given(
    st.fixed_dictionaries({}, optional={"id_token": places | json_values, "userinfo": places | json_values})
)
def test_whatever_is_asked_it_is_read_or_refused_and_what_is_held_to_is_text(document):
    try:
        found = read(json.dumps(document))
    except InvalidRequest:
        return
    assert all(isinstance(value, str) for value in essential_acr(found))
    for place in (found.id_token, found.userinfo):
        assert all(isinstance(value, str) for value in place.get("sub", ClaimAsk()).values)


@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda data: data.decode("latin-1")))
def test_no_text_at_all_raises_anything_but_its_own_refusal(text):
    try:
        read(text)
    except InvalidRequest as error:
        found = error.reason
    else:
        found = "claims_malformed"
    assert found == "claims_malformed"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("{}", ()),
        ('{"id_token": {"acr": null}}', ()),
        ('{"id_token": {"acr": {"values": ["gold"]}}}', ()),
        ('{"id_token": {"acr": {"essential": true, "values": ["gold", "silver"]}}}', ("gold", "silver")),
        ('{"id_token": {"acr": {"essential": true, "value": "gold"}}}', ("gold",)),
    ],
)
def test_an_acr_must_be_reached_only_where_it_is_essential_and_named(text, values):
    assert essential_acr(read(text)) == values


def test_somebody_else_is_whoever_is_not_among_those_named_in_each_place():
    wanted = read(
        '{"id_token": {"sub": {"values": ["ada", "grace"]}}, "userinfo": {"sub": {"value": "ada"}}}'
    )
    assert not names_somebody_else(wanted, "ada")
    assert names_somebody_else(wanted, "grace")
    assert names_somebody_else(wanted, "alan")
    assert not names_somebody_else(read('{"id_token": {"sub": null}}'), "alan")
    assert not names_somebody_else(read(None), "alan")
