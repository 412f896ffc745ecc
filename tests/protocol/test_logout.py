"""Signing out, apart from any request: what a hint proves, where one may go, what logout tokens say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from broker.protocol.client import Client
from broker.protocol.id_token import IdTokenRefused, IssuerRule
from broker.protocol.logout import (
    EVENT,
    LONGEST_STATE,
    ExpectedLogout,
    Hint,
    check_logout_token,
    frame,
    logout_token,
    read_hint,
    read_request,
    way_back,
)
from broker.protocol.params import Params

ISSUER = "https://login.example"
CLAIMS = {"iss": ISSUER, "aud": "billing", "sub": "ada", "sid": "our-sid"}
BYE = "https://billing.example/bye"
CLIENT = Client(
    client_id="billing",
    client_name="Billing",
    redirect_uris=("https://billing.example/cb",),
    post_logout_redirect_uris=(BYE, f"{BYE}?a=b", "com.example.app:/bye"),
)
NOW = 1_800_000_000.0


def asked(**params: str) -> Params:
    return Params.of(params.items())


@pytest.mark.row("LO-03")
@pytest.mark.parametrize(
    ("claims", "client_id", "good"),
    [
        (CLAIMS, None, True),
        (CLAIMS, "billing", True),
        (CLAIMS, "wiki", False),
        (None, None, False),
        (CLAIMS | {"iss": "https://evil.example"}, None, False),
        (CLAIMS | {"aud": ["billing", "wiki"]}, None, False),
        ({k: v for k, v in CLAIMS.items() if k != "sid"}, None, False),
        (CLAIMS | {"sub": 7}, None, False),
        (CLAIMS | {"sid": ""}, None, False),
    ],
)
def test_a_hint_is_good_for_whom_it_was_given_to(claims: Any, client_id: str | None, good: bool) -> None:
    expected = Hint(client_id="billing", subject="ada", sid="our-sid") if good else None
    assert read_hint(claims, issuer=ISSUER, client_id=client_id) == expected


@pytest.mark.row("LO-03")
def test_a_bad_hint_takes_the_client_id_along_and_its_absence_does_not() -> None:
    sent = asked(id_token_hint="x", client_id="billing", post_logout_redirect_uri=BYE)
    assert read_request(sent, None, issuer=ISSUER).client_id is None
    assert read_request(sent, CLAIMS, issuer=ISSUER).client_id == "billing"
    without = asked(client_id="billing")
    assert read_request(without, None, issuer=ISSUER).client_id == "billing"
    assert read_request(asked(id_token_hint="x"), CLAIMS, issuer=ISSUER).client_id == "billing"


@pytest.mark.row("LO-05")
def test_a_state_of_some_measure_is_kept_whole() -> None:
    long = "x" * LONGEST_STATE
    assert read_request(asked(state=long), None, issuer=ISSUER).state == long
    assert read_request(asked(state=long + "x"), None, issuer=ISSUER).state is None


@pytest.mark.row("LO-01")
@pytest.mark.parametrize(
    ("client", "uri", "state", "url"),
    [
        (CLIENT, BYE, None, BYE),
        (CLIENT, BYE, "s &", f"{BYE}?state=s+%26"),
        (CLIENT, f"{BYE}?a=b", "s", f"{BYE}?a=b&state=s"),
        (CLIENT, "com.example.app:/bye", "s", "com.example.app:/bye?state=s"),
        (CLIENT, f"{BYE}/", None, None),
        (CLIENT, "https://billing.example/cb", None, None),
        (CLIENT, None, "s", None),
        (None, BYE, None, None),
        (replace(CLIENT, enabled=False), BYE, None, None),
    ],
)
def test_the_way_back_is_a_registered_one_or_none(
    client: Client | None, uri: str | None, state: str | None, url: str | None
) -> None:
    assert way_back(client, uri, state) == url


@pytest.mark.row("LO-09")
@pytest.mark.parametrize(("subject", "sid"), [("ada", "s"), ("ada", None), (None, "s")])
def test_a_logout_token_of_ours_is_one_by_our_own_rules(subject: str | None, sid: str | None) -> None:
    token = logout_token(issuer=ISSUER, client_id="billing", subject=subject, sid=sid, jti="j", now=int(NOW))
    expected = ExpectedLogout(issuer=ISSUER, client_id="billing", algorithms=("RS256",))
    check_logout_token(token, expected, now=NOW)
    assert (token.get("sub"), token.get("sid")) == (subject, sid)
    assert token["exp"] - token["iat"] <= 120
    assert "nonce" not in token
    with pytest.raises(IdTokenRefused):  # not for ever
        check_logout_token(token, expected, now=NOW + 600)
    with pytest.raises(IdTokenRefused):  # not for another
        check_logout_token(token, replace(expected, client_id="wiki"), now=NOW)


def test_an_upstream_with_an_issuer_for_each_tenant_is_held_to_its_rule() -> None:
    rule = IssuerRule(template="https://idp.example/{tid}/v2", claim="tid")
    expected = ExpectedLogout(issuer=rule, client_id="broker", algorithms=("RS256",))
    said = {"aud": "broker", "iat": NOW, "jti": "j", "sid": "s", "events": {EVENT: {}}, "tid": "acme"}
    check_logout_token(said | {"iss": "https://idp.example/acme/v2"}, expected, now=NOW)
    with pytest.raises(IdTokenRefused, match="iss"):
        check_logout_token(said | {"iss": "https://idp.example/evil/v2"}, expected, now=NOW)


def test_a_frame_says_issuer_and_session_behind_what_is_registered() -> None:
    assert frame("https://a.example/f", issuer=ISSUER, sid="s") == (
        "https://a.example/f?iss=https%3A%2F%2Flogin.example&sid=s"
    )
    assert frame("https://a.example/f?x=y", issuer=ISSUER, sid="s&t").endswith(
        "?x=y&iss=https%3A%2F%2Flogin.example&sid=s%26t"
    )
