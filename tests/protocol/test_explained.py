"""What an explanation says: where a claim is released, and why a login went as it did."""

from __future__ import annotations

from typing import Any

import pytest

from broker.protocol import consent, routing, sessions
from broker.protocol.explained import Explained, released
from tests.protocol.samples import SCOPES, asked, claims, client, session


def explained(**changes: Any) -> Explained:
    return Explained(correlation_id="0" * 16, at=0.0, client_id="app", **changes)


ALL = ("openid", "profile", "email")


@pytest.mark.row("UI-17")
@pytest.mark.parametrize(
    ("claim", "who", "login", "where"),
    [
        ("email", {}, explained(scopes=ALL), "userinfo, by email"),
        ("email", {"id_token_claims": True}, explained(scopes=ALL), "ID Token and userinfo, by email"),
        ("email", {}, explained(scopes=("openid",)), "not released: email was not asked for"),
        ("phone_number", {}, explained(scopes=ALL), "not released: phone is no scope of the app"),
        ("shoe_size", {}, explained(scopes=ALL), "not released: no scope has it"),
        ("email", {}, explained(scopes=("openid",), by_name=claims({"email": None})), "ID Token, by name"),
        (
            "phone_number",
            {},
            explained(scopes=("openid",), by_name=claims(userinfo={"phone_number": None})),
            "not released: no scope of the app covers it",
        ),
        ("email", {}, None, "userinfo, by email"),
        ("phone_number", {}, None, "not released: phone is no scope of the app"),
    ],
)
def test_where_a_claim_is_released_is_told_with_its_scope(
    claim: str, who: dict[str, Any], login: Explained | None, where: str
) -> None:
    assert released(claim, client(**who), SCOPES, login) == where


@pytest.mark.parametrize(
    ("request_", "known", "went"),
    [
        ({"connector": "staff"}, {}, ("staff", "the app hinted at it")),
        ({}, {"domain": ("partners",)}, ("partners", "the domain of login_hint is its own")),
        ({}, {"session": session()}, ("staff", "the session came by it")),
        ({}, {"remembered": "partners"}, ("partners", "this browser used it last")),
        ({}, {}, (None, "")),
        ({"prompt": frozenset({"select_account"})}, {"remembered": "staff"}, (None, "prompt=select_account")),
    ],
)
def test_why_a_login_went_to_a_connector_is_told(
    request_: dict[str, Any], known: dict[str, Any], went: tuple[str | None, str]
) -> None:
    assert routing.routed(asked(**request_), ("staff", "partners"), routing.Known(**known)) == went


def test_the_only_connector_of_an_app_needs_no_other_reason() -> None:
    assert routing.routed(asked(), ("staff",), routing.Known()) == ("staff", "the app allows no other")


@pytest.mark.parametrize(
    ("request_", "allowed", "why"),
    [
        ({}, ("staff",), None),
        ({}, ("partners",), "it came by staff"),
        ({"connector": "partners"}, ("staff", "partners"), "it came by staff"),
        ({"prompt": frozenset({"login"})}, ("staff",), "prompt=login"),
        ({"max_age": 0}, ("staff",), "it is not known to be younger than max_age"),
        ({"subject": "somebody"}, ("staff",), "subject_differs_from_hint"),
        ({"session_may_answer": False}, ("staff",), "the id_token_hint is not a good one of ours"),
    ],
)
def test_why_a_session_was_not_used_is_told(
    request_: dict[str, Any], allowed: tuple[str, ...], why: str | None
) -> None:
    assert sessions.objection(asked(**request_), session(), allowed, now=0.0) == why


def test_what_was_decided_about_consent_is_told() -> None:
    trusted = client(trusted=True)
    for who, decided in (
        (trusted, ("not asked", "the app is trusted")),
        (client(), ("asked", "about profile")),
    ):
        question = consent.question(asked("openid", "profile"), who, None, SCOPES, {})
        assert consent.in_words(question, who, None) == decided
    nothing = consent.question(asked("openid"), client(), None, SCOPES, {})
    assert consent.in_words(nothing, client(), None) == ("not asked", "there is nothing to grant")
