"""Request objects: what they must say, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.protocol import request_object
from broker.protocol.errors import InvalidRequestObject
from tests.protocol.samples import ISSUER, NOW, VALID, client

pytestmark = pytest.mark.standard("RFC 9101", "§6.3 what a request object must say")

APP = client()
STRICT = client(profile="fapi2_message_signing")
GOOD: dict[str, Any] = VALID | {"iss": "app", "aud": ISSUER, "exp": NOW + 300, "nbf": NOW - 1, "jti": "1"}


def params(claims: dict[str, Any], app=APP):
    return request_object.parameters(claims, app, issuer=ISSUER, now=NOW)


def test_its_members_become_parameters_and_those_of_the_token_do_not():
    found = params(
        GOOD | {"max_age": 60, "claims": {"userinfo": {"name": None}}, "resource": ["https://a", "https://b"]}
    )
    assert found.get("redirect_uri") == VALID["redirect_uri"]
    assert found.get("max_age") == "60"
    assert json.loads(found.get("claims") or "") == {"userinfo": {"name": None}}
    assert found.all("resource") == ("https://a", "https://b")
    assert not {"iss", "aud", "exp", "nbf", "jti"} & set(found.values)


@pytest.mark.standard("RFC 6749", "§3.1 what is not known is ignored, also where it is signed")
@pytest.mark.parametrize("value", [{"a": [1]}, [1.5], 1.5, True, None, "text"], ids=repr)
def test_a_member_that_nobody_knows_is_ignored_whatever_it_is(value):
    found = params(GOOD | {"vendor_extension": value})
    assert found.get("redirect_uri") == VALID["redirect_uri"]


@pytest.mark.row("PR-13")
@pytest.mark.parametrize("name", ["request", "request_uri"])
def test_nothing_is_nested(name):
    with pytest.raises(InvalidRequestObject):
        params(GOOD | {name: "x"})


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "other"}, {"client_id": None}, {"iss": "other"}, {"aud": "https://other.example"},
        {"aud": None}, {"aud": []}, {"aud": [ISSUER + "/"]}, {"sub": "app"}, {"exp": NOW - 10},
        {"exp": "soon"}, {"exp": True}, {"exp": NOW * 1000}, {"nbf": NOW + 11}, {"iat": NOW + 60},
        {"scope": ["openid"]}, {"state": {"a": 1}}, {"max_age": 1.5}, {"redirect_uri": ["https://x"]},
        {"resource": [["https://a"]]},
    ],
)  # fmt: skip
def test_what_is_for_or_from_somebody_else_late_early_or_malformed_is_refused(change):
    claims = {name: value for name, value in (GOOD | change).items() if value is not None}
    with pytest.raises(InvalidRequestObject):
        params(claims)


@pytest.mark.standard(
    "FAPI 2.0 Security Profile", "§5.3.2.1 ten seconds into the future are accepted, sixty are not"
)
def test_a_clock_that_is_ten_seconds_ahead_is_believed_and_one_of_sixty_is_not():
    assert params(GOOD | {"nbf": NOW + 10, "iat": NOW + 10}, STRICT)
    with pytest.raises(InvalidRequestObject):
        params(GOOD | {"nbf": NOW + 60}, STRICT)


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3.1 nbf and exp are there, and at most an hour apart")
@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"nbf": None},
        {"nbf": NOW - 3601},
        {"exp": NOW + 3600},
        {"nbf": NOW - 3500, "exp": NOW + 200},
    ],
)
def test_under_the_profile_it_is_short_lived(change):
    claims = {name: value for name, value in (GOOD | change).items() if value is not None}
    assert params(claims)
    with pytest.raises(InvalidRequestObject):
        params(claims, STRICT)


def test_an_audience_of_several_may_have_us_among_them():
    assert params(GOOD | {"aud": ["https://other.example", ISSUER]})


@pytest.mark.row("PR-11")
def test_none_and_shared_secrets_are_no_way_to_sign():
    assert not {"none", "HS256"} & set(request_object.algorithms(APP))
    assert request_object.algorithms(client(request_object_signing_alg="PS256")) == ("PS256",)
    assert request_object.algorithms(client(request_object_signing_alg="none")) == ()
    assert "RS256" not in request_object.algorithms(STRICT)
    assert request_object.types(STRICT) == {"oauth-authz-req+jwt", ""}
