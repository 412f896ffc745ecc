"""Consent: what is asked, what an answer grants, what is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import consent as consents
from broker.protocol.client import ScopeRule
from broker.protocol.flow import ClaimAsk, ConsentAt, ForDevice, Withdrawn
from broker.protocol.resources import Resource
from broker.record import replace
from tests.protocol.samples import (
    LOOPBACK,
    NOW,
    PUBLIC,
    SCOPES,
    asked,
    claims,
    client,
    consent,
    grant,
    reply_to,
)

PROMPT = {"prompt": frozenset({"consent"})}
ON_LOOPBACK = {"reply_to": reply_to(redirect_uri="http://127.0.0.1:51004/callback")}
LEDGER, INVOICES = "https://ledger.example", "https://invoices.example"
APIS = {
    LEDGER: Resource(uri=LEDGER, name="Ledger"),
    INVOICES: Resource(uri=INVOICES, name="Invoices", scopes=frozenset({"terms"})),
}
AT_LEDGER, AT_BOTH = {"resources": (LEDGER,)}, {"resources": (LEDGER, INVOICES)}
CUSTOM_SCHEME = {"reply_to": reply_to(redirect_uri="com.example.app:/callback")}


def question(*scopes, of=None, remembered=None, **changes):
    return consents.question(asked(*scopes, **changes), of or client(), remembered, SCOPES, APIS)


def test_what_is_asked_for_the_first_time_is_asked_and_openid_is_not():
    found = question("openid", "profile", "email")
    assert (found.to_ask, found.granted, found.is_needed) == (("profile", "email"), (), True)


def test_openid_alone_is_nothing_to_ask():
    found = question("openid")
    assert (found.to_ask, found.granted, found.is_needed) == ((), (), False)


def test_what_was_granted_before_is_not_asked_again():
    found = question("openid", "profile", "email", remembered=consent(granted=("email", "profile", "phone")))
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("profile", "email"), False)


def test_a_wider_request_asks_only_for_what_is_new():
    found = question("openid", "profile", "email", remembered=consent(granted=("profile",)))
    assert (found.to_ask, found.granted, found.is_needed) == (("email",), ("profile",), True)


def test_what_was_refused_once_stays_refused_and_is_not_asked_again():
    before = consent(granted=("profile",), refused=("email",))
    found = question("openid", "profile", "email", remembered=before)
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("profile",), False)


def test_a_new_scope_is_asked_without_asking_again_for_a_refused_one():
    before = consent(granted=("profile",), refused=("email",))
    found = question("openid", "profile", "email", "account.7", remembered=before)
    assert (found.to_ask, found.granted) == (("account.7",), ("profile",))


@pytest.mark.parametrize(
    "of", [client(), client(trusted=True), client(**PUBLIC)], ids=["plain", "trusted", "public"]
)
def test_prompt_consent_asks_everything_again_over_trust_and_memory(of):
    before = consent(granted=("profile",), refused=("email",))
    found = question("openid", "profile", "email", of=of, remembered=before, **PROMPT)
    assert (found.to_ask, found.granted, found.is_needed) == (("profile", "email"), (), True)


def test_prompt_consent_shows_the_page_even_with_nothing_to_tick():
    assert question("openid", **PROMPT).is_needed


def test_a_trusted_client_is_granted_without_asking():
    found = question("openid", "profile", "account.7", of=client(trusted=True))
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("profile", "account.7"), False)


@pytest.mark.row("CS-09")
@pytest.mark.parametrize("where", [ON_LOOPBACK, CUSTOM_SCHEME], ids=["loopback", "custom scheme"])
@pytest.mark.parametrize("scopes", [("openid",), ("openid", "profile")])
def test_an_app_that_any_other_could_pretend_to_be_is_asked_about_every_time(scopes, where):
    before = consent(granted=("profile",))
    found = question(*scopes, of=client(**LOOPBACK), remembered=before, **where)
    assert (found.to_ask, found.granted, found.is_needed) == (scopes[1:], (), True)


@pytest.mark.row("DV-06")
@pytest.mark.parametrize("app", [{}, PUBLIC, {"trusted": True}, PUBLIC | {"trusted": True}], ids=str)
def test_who_signs_in_for_a_device_is_asked_every_time_however_well_its_app_is_known(app):
    before, device = consent(granted=("profile",)), ForDevice(id="a-device")
    found = question("openid", "profile", of=client(**app), remembered=before, device=device)
    assert (found.to_ask, found.granted, found.is_needed) == (("profile",), (), True)
    assert question("openid", of=client(**app), remembered=before, device=device).is_needed
    assert not question("openid", "profile", of=client(**app), remembered=before).is_needed


def test_unless_the_operator_trusts_it():
    found = question("openid", "profile", of=client(**LOOPBACK | {"trusted": True}), **ON_LOOPBACK)
    assert (found.granted, found.is_needed) == (("profile",), False)


def test_a_public_client_on_https_and_a_confidential_one_on_the_loopback_are_remembered():
    before = consent(granted=("profile",))
    assert not question("openid", "profile", of=client(**PUBLIC), remembered=before).is_needed
    assert not question("openid", "profile", remembered=before, **ON_LOOPBACK).is_needed


@pytest.mark.parametrize("place", ["id_token", "userinfo"])
def test_a_claim_asked_for_by_name_brings_the_scope_behind_it_into_question(place):
    found = question("openid", claims=claims(**{place: {"email": ()}}))
    assert found.to_ask == ("email",)


@pytest.mark.parametrize("claim", ["phone_number", "sub", "acr", "unheard_of"])
def test_a_claim_that_no_scope_of_this_client_releases_is_not_asked_about(claim):
    assert not question("openid", claims=claims({claim: ClaimAsk(essential=True)})).is_needed


def test_a_claim_that_an_asked_scope_releases_anyway_brings_no_other_scope():
    rules = dict(SCOPES) | {
        "contact": ScopeRule(name="contact", description="Write to you", claims=("email",))
    }
    of = client(scopes=frozenset({"openid", "email", "contact"}))
    wanted = asked("openid", "email", claims=claims({"email": ()}))
    assert consents.question(wanted, of, None, rules, {}).to_ask == ("email",)


def test_each_scope_is_asked_about_once():
    found = question("openid", "email", "profile", claims=claims({"email": ()}, {"name": (), "email": ()}))
    assert found.to_ask == ("email", "profile")


@pytest.mark.row("CS-05")
@pytest.mark.parametrize(
    ("chosen", "granted"),
    [
        (set(), ("terms",)),
        ({"email"}, ("email", "terms")),
        ({"terms"}, ("terms",)),
        ({"profile", "email", "terms"}, ("profile", "email", "terms")),
        ({"phone", "offline_access", "account.7", "openid"}, ("terms",)),
        ({"email", "Profile", "*", ""}, ("email", "terms")),
    ],
    ids=lambda names: " ".join(sorted(names)) or "nothing",  # a set's own order is random
)
def test_an_answer_grants_of_what_was_asked_what_was_ticked_or_cannot_be_unticked(chosen, granted):
    assert consents.ticked(("profile", "email", "terms"), chosen, SCOPES) == granted


@pytest.mark.parametrize(
    ("name", "may"),
    [("openid", False), ("terms", False), ("email", True), ("account.7", True), ("no longer declared", True)],
)
def test_what_the_operator_calls_optional_may_be_refused(name, may):
    assert consents.may_refuse(name, SCOPES) is may


def remembered_after(before, to_ask, granted):
    fresh = consent(id="fresh", since=NOW, last_used=NOW, expires_at=NOW + 5000)
    return consents.remember(before, {"": to_ask}, granted=granted, fresh=fresh)


def test_the_first_answer_is_remembered_as_it_was_given():
    after = remembered_after(None, ("profile", "email"), ("email",))
    assert (after.id, after.granted, after.refused, after.since) == ("fresh", ("email",), ("profile",), NOW)


def test_a_later_answer_adds_to_the_first_and_keeps_its_name_so_that_grants_stand():
    before = consent(granted=("profile",), refused=("phone",))
    after = remembered_after(before, ("email", "account.7"), ("email",))
    assert (after.id, after.since) == ("consent-1", before.since)
    assert (after.granted, after.refused) == (("profile", "email"), ("phone", "account.7"))
    assert (after.last_used, after.expires_at) == (NOW, NOW + 5000)


def test_a_new_answer_replaces_what_was_said_of_the_same_before():
    before = consent(granted=("profile", "email"), refused=("phone",))
    after = remembered_after(before, ("profile", "email", "phone"), ("phone",))
    assert (after.granted, after.refused) == (("phone",), ("profile", "email"))


some = st.lists(st.sampled_from(["profile", "email", "phone", "account.7", "terms"]), unique=True)


@given(some, some, some, st.sets(st.sampled_from(["profile", "email", "phone", "account.7"])))
def test_whatever_was_said_nothing_is_both_granted_and_refused_and_the_last_word_counts(
    yes, no, to_ask, chosen
):
    before = consent(granted=tuple(yes), refused=tuple(n for n in no if n not in yes))
    granted = consents.ticked(to_ask, chosen, SCOPES)
    after = remembered_after(before, to_ask, granted)
    assert not set(after.granted) & set(after.refused)
    assert set(after.granted) & set(to_ask) == set(granted)
    assert set(after.granted) - set(to_ask) == set(before.granted) - set(to_ask)
    assert set(after.granted) | set(after.refused) == set(before.granted) | set(before.refused) | set(to_ask)


@given(some, some, some)
def test_what_is_granted_without_a_question_was_granted_before(wanted, yes, no):
    before = consent(granted=tuple(yes), refused=tuple(n for n in no if n not in yes))
    found = consents.question(asked("openid", *wanted), client(), before, SCOPES, {})
    assert set(found.granted) <= set(yes)
    assert not set(found.granted) & set(found.to_ask)
    assert set(wanted) - set(found.granted) - set(found.to_ask) <= set(before.refused)


# ── Consent at an API (RFC 8707) ──────────────────────────────────────────────────────────────


def there(*granted, refused=()):
    return ConsentAt(name="Ledger", granted=granted, refused=refused, since=NOW - 50)


@pytest.mark.row("CS-09")
def test_what_is_allowed_to_the_app_or_at_one_api_is_asked_about_at_another():
    before = consent(granted=("account.7", "profile"), at={INVOICES: there("account.7")})
    found = question("openid", "profile", "account.7", remembered=before, **AT_LEDGER)
    assert (found.to_ask, found.granted, found.is_needed) == (("account.7",), ("profile",), True)
    assert found.at == {"": (), LEDGER: ("account.7",)}


def test_what_was_answered_there_is_not_asked_again():
    before = consent(granted=("profile",), at={LEDGER: there("account.7", refused=("terms",))})
    found = question("openid", "profile", "account.7", "terms", remembered=before, **AT_LEDGER)
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("profile", "account.7"), False)


def test_what_is_allowed_at_an_api_is_not_allowed_to_the_app_itself():
    before = consent(at={LEDGER: there("account.7")})
    assert question("openid", "account.7", remembered=before).to_ask == ("account.7",)


def test_a_new_api_is_asked_about_though_it_understands_nothing_that_is_new():
    before = consent(granted=("profile",))
    found = question("openid", "profile", remembered=before, **AT_LEDGER)
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("profile",), True)
    assert not question(
        "openid", "profile", remembered=consent(granted=("profile",), at={LEDGER: there()}), **AT_LEDGER
    ).is_needed


def test_openid_alone_at_a_new_api_is_asked_about_and_by_a_trusted_app_it_is_not():
    assert question("openid", **AT_LEDGER).is_needed
    assert not question("openid", of=client(trusted=True), **AT_LEDGER).is_needed


def test_where_the_tokens_of_an_app_are_for_anyhow_is_no_other_api():
    before = consent(granted=("account.7",))
    of = client(audience=LEDGER)
    assert not question("openid", "account.7", of=of, remembered=before, **AT_LEDGER).is_needed


def test_a_scope_for_several_apis_is_granted_where_all_of_them_have_it():
    at = {LEDGER: there("account.7", "terms"), INVOICES: there()}
    found = question("openid", "account.7", "terms", remembered=consent(at=at), **AT_BOTH)
    # The other API does not understand account.7, and was never asked about terms.
    assert (found.to_ask, found.granted) == (("terms",), ("account.7",))
    assert found.at == {"": (), LEDGER: (), INVOICES: ("terms",)}
    at[INVOICES] = there(refused=("terms",))
    found = question("openid", "account.7", "terms", remembered=consent(at=at), **AT_BOTH)
    assert (found.to_ask, found.granted, found.is_needed) == ((), ("account.7",), False)


def test_a_claim_by_name_is_the_apps_own_wherever_its_tokens_are_for():
    found = question("openid", claims=claims({"email": ()}), **AT_LEDGER)
    assert found.at == {"": ("email",), LEDGER: ()}


def answered_at(before, at, granted):
    names = {uri: there() for uri in at if uri}
    fresh = consent(id="fresh", since=NOW, last_used=NOW, expires_at=NOW + 5000, at=names)
    return consents.remember(before, at, granted=granted, fresh=fresh)


def test_an_answer_at_an_api_says_nothing_of_any_other_place():
    before = consent(granted=("profile",), at={INVOICES: there("terms")})
    after = answered_at(before, {"": (), LEDGER: ("terms", "account.7")}, ("account.7",))
    assert (after.id, after.granted) == ("consent-1", ("profile",))
    assert after.at[INVOICES].granted == ("terms",)
    assert (after.at[LEDGER].granted, after.at[LEDGER].refused) == (("account.7",), ("terms",))


def test_something_taken_back_at_an_api_makes_it_another_consent():
    before = consent(at={LEDGER: there("account.7", "terms")})
    after = answered_at(before, {"": (), LEDGER: ("account.7",)}, ())
    assert (after.id, after.at[LEDGER].granted) == ("fresh", ("terms",))
    assert after.at[LEDGER].refused == ("account.7",)


def grant_at(*apis, by="consent-1"):
    return grant(resources=apis, consents_at=dict.fromkeys(apis, by))


def test_what_is_withdrawn_at_one_api_stands_at_every_other():
    before = consent(granted=("profile",), at={LEDGER: there("terms"), INVOICES: there("terms")})
    after = consents.withdrawn_at(before, LEDGER, now=NOW)
    assert (after.id, after.granted, set(after.at)) == ("consent-1", ("profile",), {INVOICES})
    assert after.withdrawn == {LEDGER: Withdrawn(name="Ledger", at=NOW)}
    assert consents.withdrawn_at(after, LEDGER, now=NOW + 1) is None
    again = answered_at(after, {"": (), LEDGER: ("terms",)}, ("terms",))
    assert (set(again.at), dict(again.withdrawn)) == ({LEDGER, INVOICES}, {})


@pytest.mark.row("RT-07")
def test_a_grant_is_for_those_apis_whose_answer_is_the_one_of_when_it_was_given():
    held = grant_at(LEDGER, INVOICES, by="one")
    both = consent(at={LEDGER: replace(there(), id="one"), INVOICES: replace(there(), id="one")})
    anew = replace(both, at={**both.at, LEDGER: replace(there(), id="another")})
    assert consents.still_at(held, client(), both) == (LEDGER, INVOICES)
    assert consents.still_at(held, client(), anew) == (INVOICES,)
    assert consents.still_at(held, client(), consent()) == ()
    assert consents.still_at(held, client(audience=LEDGER), consent()) == (LEDGER,)
    assert consents.still_at(held, client(), None) == (LEDGER, INVOICES)  # on trust


def test_a_later_answer_at_an_api_keeps_its_name_so_that_grants_stand():
    before = consent(at={LEDGER: replace(there("account.7"), id="one")})
    assert answered_at(before, {"": (), LEDGER: ("terms",)}, ("terms",)).at[LEDGER].id == "one"
    assert answered_at(consent(), {"": (), LEDGER: ()}, ()).at[LEDGER].id == there().id


def test_grants_and_answers_from_before_they_had_names_stand_until_they_are_withdrawn():
    held, at = grant_at(LEDGER, by=""), {LEDGER: there()}
    assert consents.still_at(held, client(), consent(at=at)) == (LEDGER,)
    assert consents.still_at(held, client(), consent(at={LEDGER: replace(there(), id="another")})) == ()
