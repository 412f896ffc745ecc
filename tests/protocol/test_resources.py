"""Resource indicators: whom a token may be for."""

from __future__ import annotations

import pytest

from broker.protocol import resources
from broker.protocol.errors import InvalidScope, InvalidTarget
from broker.protocol.resources import Resource
from tests.protocol.samples import SCOPES, client

pytestmark = pytest.mark.standard("RFC 8707", "§2 the APIs that a token is asked for")

INVOICES, ACCOUNTS = "https://api.example/invoices", "https://api.example/accounts"
ALL = {
    INVOICES: Resource(uri=INVOICES, name="Invoices", scopes=frozenset({"terms"})),
    ACCOUNTS: Resource(
        uri=ACCOUNTS,
        name="Accounts",
        scopes=frozenset({"account.*"}),
        access_token_format="opaque",
        access_token_signing_alg="ES256",
    ),
    "urn:example:anything": Resource(uri="urn:example:anything", name="Anything"),
}


def test_a_client_may_name_every_resource_or_those_of_its_list():
    assert resources.asked([INVOICES, ACCOUNTS, INVOICES], client(), ALL) == (INVOICES, ACCOUNTS)
    listed = client(resources=(INVOICES,))
    assert resources.asked([INVOICES], listed, ALL) == (INVOICES,)
    with pytest.raises(InvalidTarget):
        resources.asked([ACCOUNTS], listed, ALL)


def test_a_client_may_name_what_its_tokens_are_for_anyhow():
    own = client(audience="https://own.example", resources=())
    assert resources.asked(["https://own.example"], own, ALL) == ("https://own.example",)


@pytest.mark.row("AZ-29")
@pytest.mark.parametrize(
    "named",
    [
        "https://api.example/unknown", INVOICES + "/", INVOICES + "#f", INVOICES.upper(), "/invoices",
        "api.example/invoices", "//api.example/invoices", "", " ", INVOICES + " ", "https://[x]/", "https:",
        INVOICES + "\n", "https://api.example/ä", "x" * 2000, "https://api.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_is_unknown_or_no_absolute_uri_is_refused(named):
    with pytest.raises(InvalidTarget):
        resources.asked([named], client(), ALL)


@pytest.mark.row("AZ-29")
def test_far_too_many_are_refused():
    many = {f"https://{n}.example": Resource(uri=f"https://{n}.example", name=str(n)) for n in range(11)}
    with pytest.raises(InvalidTarget):
        resources.asked(list(many), client(), many)


@pytest.mark.row("TK-17")
@pytest.mark.row("RT-05")
def test_a_token_is_for_no_more_than_was_granted():
    assert resources.narrowed((INVOICES, ACCOUNTS), ()) == (INVOICES, ACCOUNTS)
    assert resources.narrowed((INVOICES, ACCOUNTS), (ACCOUNTS,)) == (ACCOUNTS,)
    for granted in ((INVOICES,), ()):
        with pytest.raises(InvalidTarget):
            resources.narrowed(granted, (INVOICES, ACCOUNTS))


def test_what_was_taken_from_the_client_is_no_longer_granted():
    assert resources.still_allowed((INVOICES, ACCOUNTS), client(resources=(ACCOUNTS,)), ALL) == (ACCOUNTS,)
    assert resources.still_allowed((INVOICES,), client(), {}) == ()


def test_scopes_that_no_resource_understands_are_left_out_but_our_own_stay():
    names = ("openid", "profile", "offline_access", "account.7", "terms", "claim_sources")
    cut = resources.cut(names, (INVOICES,), ALL, SCOPES)
    assert cut == ("openid", "profile", "offline_access", "terms")
    both = resources.cut(names, (INVOICES, ACCOUNTS), ALL, SCOPES)
    assert both == ("openid", "profile", "offline_access", "account.7", "terms")


def test_a_resource_that_says_nothing_of_scopes_understands_all_of_them():
    names = ("account.7", "terms")
    assert resources.cut(names, ("urn:example:anything", INVOICES), ALL, SCOPES) == names
    assert resources.cut(names, (), ALL, SCOPES) == names


def test_a_request_of_which_nothing_is_left_is_refused():
    with pytest.raises(InvalidScope):
        resources.cut(("account.7",), (INVOICES,), ALL, SCOPES)


def test_a_token_for_one_resource_is_made_as_that_wants_it():
    assert resources.form((ACCOUNTS,), client(), ALL) == ("opaque", "ES256")
    assert resources.form((ACCOUNTS, INVOICES), client(), ALL) == ("jwt", "RS256")
    assert resources.form((), client(), ALL) == ("jwt", "RS256")
