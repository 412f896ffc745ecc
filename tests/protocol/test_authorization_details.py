"""Rich authorization requests: what is taken, narrowed, and said to a person."""

from __future__ import annotations

import json

import pytest

from broker.protocol import authorization_details
from broker.protocol.authorization_details import DetailField, DetailType
from broker.protocol.errors import InvalidAuthorizationDetails
from tests.protocol.samples import client

pytestmark = pytest.mark.standard("RFC 9396", "§5 authorization details are what their type says, or refused")

PAYMENT = DetailType(
    name="payment",
    description="Make a payment",
    display="Pay {amount.value} {amount.currency} to {creditor}",
    fields={
        "creditor": DetailField(kind="string", required=True),
        "amount": DetailField(
            kind="object",
            required=True,
            fields={
                "value": DetailField(kind="string", required=True),
                "currency": DetailField(kind="string", required=True, values=("EUR", "USD")),
            },
        ),
        "actions": DetailField(kind="list", values=("initiate", "status", "cancel")),
        "times": DetailField(kind="integer"),
        "rate": DetailField(kind="number"),
        "urgent": DetailField(kind="boolean"),
        "parts": DetailField(kind="list", fields={"name": DetailField(kind="string", required=True)}),
        "anything": DetailField(kind="object"),
    },
)
TYPES = {"payment": PAYMENT, "other": DetailType(name="other", description="Something else")}
APP = client(authorization_details_types=("payment",))
GOOD = {
    "type": "payment",
    "creditor": "Merchant A",
    "amount": {"value": "123.50", "currency": "EUR"},
    "actions": ["initiate", "status"],
}


def read(*entries: object) -> tuple:
    return authorization_details.read(json.dumps(list(entries)), APP, TYPES)


def test_what_its_type_says_is_taken_as_it_was_sent():
    assert read(GOOD) == (GOOD,)
    assert (
        read(GOOD, GOOD | {"times": 3, "rate": 0.5, "urgent": True, "parts": [{"name": "x"}]})[1]["times"]
        == 3
    )


def test_a_request_without_details_asks_for_none():
    assert authorization_details.read(None, APP, TYPES) == ()


@pytest.mark.row("AZ-30")
@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "{}", "[]", '"payment"', "[null]", "[[]]", '["payment"]', "[{}]", '[{"type": 1}]',
        '[{"type": "payment", "type": "payment"}]', '[{"type": "nobody-knows"}]', '[{"type": "other"}]',
        '[{"type": "Payment"}]', "[" * 80 + "]" * 80, '[{"type": "payment", "creditor": NaN}]',
        json.dumps([GOOD] * 21), json.dumps([GOOD | {"creditor": "x" * 20_000}]), "[{\"type\": \"\ud800\"}]",
    ],
)  # fmt: skip
def test_what_is_no_list_of_known_types_is_refused(text):
    with pytest.raises(InvalidAuthorizationDetails):
        authorization_details.read(text, APP, TYPES)


@pytest.mark.row("AZ-30")
@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1}, {"creditor": None}, {"creditor": 5}, {"creditor": ["x"]}, {"amount": "5 EUR"},
        {"amount": {"value": "5"}}, {"amount": {"value": "5", "currency": "GBP"}},
        {"amount": {"value": "5", "currency": "EUR", "more": 1}}, {"actions": "initiate"},
        {"actions": ["destroy"]}, {"actions": [1]}, {"times": 1.5}, {"times": True}, {"times": "1"},
        {"rate": True}, {"rate": "1"}, {"urgent": 1}, {"urgent": "true"}, {"parts": [{}]}, {"parts": ["x"]},
        {"parts": [{"name": "x", "y": 1}]}, {"creditor": "Merchant\nA"}, {"creditor": "A\u202eB"},
        {"creditor": "A\u200bB"}, {"creditor": "x" * 501}, {"anything": {"a\nb": 1}},
        {"anything": json.loads("[" * 20 + "]" * 20)}, {"anything": {"a": json.loads("[" * 20 + "]" * 20)}},
    ],
)  # fmt: skip
def test_a_field_that_its_type_does_not_know_or_of_another_kind_is_refused(change):
    with pytest.raises(InvalidAuthorizationDetails):
        read(GOOD | change)


@pytest.mark.parametrize("missing", ["creditor", "amount"])
def test_a_required_field_that_is_missing_is_refused(missing):
    with pytest.raises(InvalidAuthorizationDetails):
        read({name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.standard("RFC 9396", "§6 a token is asked for less, never for more")
def test_a_token_may_be_asked_for_less():
    other = GOOD | {"creditor": "Merchant B"}
    assert authorization_details.narrowed((GOOD, other), ()) == (GOOD, other)
    assert authorization_details.narrowed((GOOD, other), (other,)) == (other,)
    fewer = GOOD | {"actions": ["status"]}
    assert authorization_details.narrowed((GOOD, other), (fewer,)) == (fewer,)


@pytest.mark.row("RT-05")
@pytest.mark.parametrize(
    "asked",
    [
        GOOD | {"creditor": "Merchant C"},
        GOOD | {"actions": ["initiate", "cancel"]},
        GOOD | {"actions": []},
        GOOD | {"amount": {"value": "999", "currency": "EUR"}},
        {name: value for name, value in GOOD.items() if name != "actions"},
        GOOD | {"times": 2},
    ],
)
def test_a_token_is_never_asked_for_more(asked):
    with pytest.raises(InvalidAuthorizationDetails):
        authorization_details.narrowed((GOOD,), (asked,))


def test_a_type_that_was_taken_away_is_no_longer_granted():
    assert authorization_details.still_allowed((GOOD,), APP, TYPES) == (GOOD,)
    assert authorization_details.still_allowed((GOOD,), APP, {}) == ()
    assert authorization_details.still_allowed((GOOD,), client(), TYPES) == ()


def test_a_person_reads_a_sentence_and_whatever_it_does_not_say():
    said = authorization_details.in_words(GOOD | {"urgent": True}, TYPES)
    assert said.title == "Make a payment"
    assert said.sentence == "Pay 123.50 EUR to Merchant A"
    assert said.facts == (("actions", "initiate, status"), ("urgent", "yes"))


def test_a_sentence_with_a_hole_is_not_said_and_every_field_speaks_for_itself():
    kind = DetailType(name="payment", description="Pay", display="Pay {times} times to {creditor}")
    said = authorization_details.in_words(GOOD | {"parts": [{"name": "a"}, {"name": "b"}]}, {"payment": kind})
    assert said.sentence == ""
    assert ("creditor", "Merchant A") in said.facts
    assert ("amount.value", "123.50") in said.facts
    assert ("parts.2.name", "b") in said.facts


def test_a_value_is_never_read_as_a_place_in_the_sentence():
    said = authorization_details.in_words(GOOD | {"creditor": "{amount.value}"}, TYPES)
    assert said.sentence == "Pay 123.50 EUR to {amount.value}"


@pytest.mark.row("CS-14")
@pytest.mark.parametrize(
    ("anything", "shown"),
    [
        ({"x.y": "one", "x": {"y": "other"}}, ("one", "other")),
        ({"x": {"y": "other"}, "x.y": "one"}, ("one", "other")),
        ({"list": [{"a": "one"}], "list.1.a": "other"}, ("one", "other")),
        ({"": {"b": "one"}, "b": "other"}, ("one", "other")),
        ({"unlimited": {}}, ("unlimited",)),
        ({"unlimited": []}, ("unlimited",)),
        ({"steps": ["one", [], [{}]]}, ("steps.1", "steps.2", "steps.3")),
    ],
)
def test_nothing_that_is_granted_is_hidden_by_a_name_like_anothers_or_by_being_empty(anything, shown):
    said = "\n".join(authorization_details.in_words(GOOD | {"anything": anything}, TYPES).lines)
    assert all(one in said for one in shown)


def test_a_sentence_does_not_choose_between_two_values_of_one_name():
    free = DetailType(
        name="payment",
        description="Pay",
        display="Pay {anything.to}",
        fields={"anything": PAYMENT.fields["anything"]},
    )
    detail = {"type": "payment", "anything": {"to": "one"}, "anything.to": "other"}
    said = authorization_details.in_words(detail, {"payment": free})
    assert said.sentence == ""
    assert {value for _, value in said.facts} == {"one", "other"}


@pytest.mark.row("CS-14")
@pytest.mark.parametrize(
    "character", ["\u061c", "\u115f", "\u3164", "\u034f", "\u00ad", "\U000e0041", "\ufff9"]
)
def test_a_character_that_cannot_be_seen_is_refused_in_values_and_in_names(character):
    for change in ({"creditor": f"a{character}b"}, {"anything": {f"a{character}": 1}}):
        with pytest.raises(InvalidAuthorizationDetails):
            read(GOOD | change)


@pytest.mark.row("RT-05")
def test_one_detail_that_was_granted_is_not_handed_out_as_several():
    for asked in ((GOOD, GOOD), (GOOD, GOOD | {"actions": ["status"]})):
        with pytest.raises(InvalidAuthorizationDetails):
            authorization_details.narrowed((GOOD,), asked)
    fewer = GOOD | {"actions": ["status"]}
    assert authorization_details.narrowed((GOOD, GOOD), (fewer, GOOD)) == (fewer, GOOD)
    # whichever of them is less, each has one of its own
    assert authorization_details.narrowed((GOOD, fewer), (fewer, fewer)) == (fewer, fewer)
