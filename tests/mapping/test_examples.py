"""Examples in a map are tests of it: what they catch, and how they say so."""

from pathlib import Path

import pytest
import yaml

from broker.mapping import MapErrors, compile_map

ROOT = Path(__file__).parents[2]
DEFAULTS = sorted(ROOT.glob("connectors/claims/*.yaml"))

CLAIMS = {
    "email": {"from": "email", "when": "email_verified"},
    "strong": {"expression": '"otp" in upstream.amr'},
    "name": {"from": "name", "required": True},
    "app": {"expression": "client.client_id", "default": "none"},
}


def problems(*examples, claims=CLAIMS):
    with pytest.raises(MapErrors) as caught:
        compile_map({"claims": claims, "examples": list(examples)})
    return {".".join(path): message for path, message in caught.value.problems}


def good(**changes):
    return {
        "name": "a good one",
        "id_token": {"name": "Jane", "email": "j@a.example", "email_verified": True},
        "upstream": {"amr": ["otp"]},
        "client": {"client_id": "billing"},
        "expect": {"name": "Jane", "email": "j@a.example", "strong": True, "app": "billing"},
        **changes,
    }


def test_examples_that_hold_leave_the_map_as_it_is():
    refused = {"name": "nobody", "userinfo": {"name": ""}, "refused": "name"}
    assert compile_map({"claims": CLAIMS, "examples": [good(), refused]}).claims == tuple(CLAIMS)


def test_a_claim_that_differs_is_named_with_what_came_of_it():
    found = problems(good(expect={"name": "Jan", "email": "j@a.example", "strong": True, "app": "billing"}))
    assert found == {"examples.0.expect.name": 'example "a good one": name is "Jane"'}


def test_a_claim_that_is_missing_is_named_with_the_reason():
    found = problems(good(id_token={"name": "Jane", "email": "j@a.example"}))
    assert found == {
        "examples.0.expect.email": 'example "a good one": email is left out (its condition does not hold)'
    }


def test_a_claim_that_nobody_expected_is_a_failure_too():
    found = problems(good(expect={"name": "Jane", "email": "j@a.example", "app": "billing"}))
    assert found == {"examples.0.expect.strong": 'example "a good one": strong is true, and not expected'}


def test_true_is_not_one():
    (message,) = problems(good(expect={**good()["expect"], "strong": 1})).values()
    assert message.endswith("strong is true")


def test_an_example_may_expect_that_there_is_no_login():
    example = good(refused="name")
    del example["expect"]
    assert problems(example) == {
        "examples.0.refused": 'example "a good one": a login, though name should be missing'
    }


def test_a_login_that_is_refused_unexpectedly_is_told():
    assert "no login for want of name" in str(problems(good(id_token={})))


@pytest.mark.parametrize(
    ("example", "where"),
    [
        ("text", "examples.0"),
        ({"name": "x"}, "examples.0"),
        ({"name": "", "expect": {}}, "examples.0.name"),
        ({"name": "x", "expect": []}, "examples.0.expect"),
        ({"name": "x", "expect": {}, "idtoken": {}}, "examples.0.idtoken"),
        ({"name": "x", "expect": {}, "upstream": {"isuer": "x"}}, "examples.0.upstream.isuer"),
        ({"name": "x", "expect": {}, "refused": "name"}, "examples.0"),
    ],
)
def test_an_example_that_is_written_wrongly_stops_the_start(example, where):
    assert where in problems(example)


def test_who_vouches_for_the_address_follows_from_the_documents_of_an_example():
    claims = {"vouched": {"from": "upstream.email_vouched_by"}}
    issuer = {"issuer": "https://idp.example"}
    said = {"email": "j@a.example", "email_verified": True}
    compile_map(
        {
            "claims": claims,
            "examples": [
                {"name": "it", "id_token": said, "upstream": issuer, "expect": {"vouched": issuer["issuer"]}},
                {
                    "name": "another address counts",
                    "id_token": said,
                    "userinfo": {"email": "other@a.example"},
                    "upstream": issuer,
                    "expect": {},
                },
                {
                    "name": "not proved",
                    "id_token": said | {"email_verified": "true"},
                    "upstream": issuer,
                    "expect": {},
                },
            ],
        }
    )


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.stem)
def test_each_default_map_brings_an_example(path):
    assert yaml.safe_load(path.read_text()).get("examples"), "what an upstream says, and what comes of it"
