"""Grants that no person stands behind, and the sub of those that one does, sector by sector."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import machine, scopes, subject
from broker.protocol.errors import InvalidScope
from broker.protocol.params import Params
from tests.protocol.samples import SCOPES, client

KEY = b"a key of thirty-two random bytes"


def own(scope: str = "", **changes):
    return machine.own_scopes(Params.of([("scope", scope)]), client(**changes), SCOPES)


def brought(scope: str = "", **changes):
    return machine.brought_scopes(Params.of([("scope", scope)]), client(**changes), SCOPES)


def test_a_client_is_the_subject_of_its_own_tokens():
    who = machine.of_client(client())
    assert (who.subject, who.connector, who.auth_time) == ("app", "", None)


@pytest.mark.standard("RFC 6749", "§4.4.2 the scope of client_credentials")
def test_an_empty_scope_is_everything_but_people_dynamic_scopes_and_offline_access():
    assert scopes.by_default(client(), SCOPES) == ("openid", "profile", "email", "terms", "claim_sources")
    assert own() == ("terms", "claim_sources")
    assert brought() == ("openid", "profile", "email", "terms", "claim_sources")


def test_what_is_asked_for_is_given_where_it_is_the_clients():
    assert own("account.7 terms") == ("account.7", "terms")
    assert brought("account.7 email") == ("account.7", "email")
    assert own("terms unheard.of") == ("terms",)


@pytest.mark.parametrize("scope", ["openid", "profile", "email", "phone", "offline_access", "terms openid"])
def test_a_client_never_gets_a_scope_that_is_about_a_person(scope):
    with pytest.raises(InvalidScope):
        own(scope)


@pytest.mark.parametrize("scope", ["phone", "offline_access", "account.*", "unheard.of"])
def test_an_assertion_gives_nothing_that_the_client_does_not_have_and_nothing_that_lasts(scope):
    with pytest.raises(InvalidScope):
        brought(scope)


def test_where_nothing_is_left_nothing_is_given():
    with pytest.raises(InvalidScope):
        own(scopes=frozenset({"openid", "offline_access", "account.*"}))


# ── Pairwise subjects ─────────────────────────────────────────────────────────────────────────


def said(who: str, *uris: str, sector: str | None = None, client_id: str = "app") -> str:
    one = client(
        client_id=client_id, redirect_uris=uris, sector_identifier_uri=sector, subject_type="pairwise"
    )
    return subject.for_client(who, one, KEY)


@pytest.mark.row("UI-13")
@pytest.mark.standard("OpenID Core", "§8.1 pairwise identifiers")
def test_a_sector_is_the_one_host_or_the_one_that_is_named():
    assert subject.for_client("ada", client(), KEY) == "ada"
    one = said("ada", "https://one.example/cb")
    assert one == said("ada", "https://one.example/other", "https://one.example/cb", client_id="other")
    assert one == said("ada", "https://ONE.example:8443/cb")
    assert one == said("ada", "https://two.example/cb", sector="https://one.example/sector.json")
    assert one != said("ada", "https://two.example/cb")
    assert one != said("grace", "https://one.example/cb")
    assert "ada" not in one
    assert len(one) == 64


def test_without_a_host_an_app_is_a_sector_of_its_own():
    assert said("ada", "com.example:/cb") != said("ada", "com.example:/cb", client_id="other")
    both = ("https://one.example/cb", "https://two.example/cb")
    assert said("ada", *both) != said("ada", *both, client_id="other")


@pytest.mark.row("KY-09")
def test_another_key_is_another_sub_and_what_mints_public_ones_makes_no_pairwise_one():
    one = client(redirect_uris=("https://one.example/cb",), subject_type="pairwise")
    assert subject.for_client("ada", one, KEY) != subject.for_client("ada", one, KEY[::-1])
    public = subject.mint(connector="one.example", issuer="ada", subject="", key=KEY)
    assert subject.for_client("ada", one, KEY) != public


@pytest.mark.row("UI-05")
@given(st.text(max_size=20), st.text(max_size=20))
def test_no_two_people_share_a_pairwise_sub(one, other):
    assert (said(one, "https://a.example/") == said(other, "https://a.example/")) == (one == other)


@pytest.mark.parametrize(
    ("document", "listed"),
    [
        (["https://app.example/callback", "https://app.example/other"], True),
        (["https://app.example/callback", "https://app.example/other", "more"], True),
        (["https://app.example/callback"], False),
        ([], False),
        ("https://app.example/callback https://app.example/other", False),
        ({"https://app.example/callback": 1, "https://app.example/other": 1}, False),
        (None, False),
        ([["https://app.example/callback", "https://app.example/other"]], False),
    ],
)
def test_a_sectors_document_lists_every_redirect_uri(document, listed):
    assert subject.sector_lists(document, client().redirect_uris) is listed
