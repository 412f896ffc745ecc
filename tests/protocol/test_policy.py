"""The one answer to "may this be done now?"."""

import pytest

from broker.protocol.assertion_grants import AssertionIssuer
from broker.protocol.client import JWT_BEARER, TOKEN_EXCHANGE
from broker.protocol.exchanging import ExchangePolicy
from broker.protocol.policy import Circumstances, holder_objection, objection
from tests.protocol.samples import NOW, client, consent, context, grant

GOOD = {
    "now": NOW,
    "client": client(),
    "connectors": ("staff", "partners"),
    "consent": None,
    "session_ended": False,
    "revoked": False,
}
OFFLINE = {"scopes": ("openid", "offline_access")}
STANDS_ON = {"consent_id": "consent-1"}


def granted(**changes):
    """A grant of nothing that needed consent, but for what the test says."""
    return grant(**{"covered": ()} | changes)


REASONS = [
    ({"client": None}, {}, "client_gone"),
    ({"client": client(enabled=False)}, {}, "client_gone"),
    ({"client": client(redirect_uris=("https://app.example/new",))}, {}, "redirect_uri_gone"),
    ({"client": client(redirect_uris=())}, {}, "redirect_uri_gone"),
    ({"connectors": ("partners",)}, {}, "connector_gone"),
    ({"connectors": ()}, {}, "connector_gone"),
    ({"client": client(connectors=("partners",))}, {}, "connector_not_allowed"),
    ({"client": client(connectors=())}, {}, "connector_not_allowed"),
    ({"revoked": True}, {}, "grant_revoked"),
    ({"revoked": True}, OFFLINE, "grant_revoked"),
    ({}, STANDS_ON, "consent_withdrawn"),
    ({"consent": consent(id="given-anew")}, STANDS_ON, "consent_withdrawn"),
    ({}, STANDS_ON | OFFLINE, "consent_withdrawn"),
    ({"consent": consent(expires_at=NOW)}, STANDS_ON, "consent_expired"),
    ({}, {"consent_id": None, "covered": ("email",)}, "consent_missing"),
    ({"consent": consent(expires_at=NOW)}, STANDS_ON | OFFLINE, "consent_expired"),
    ({"session_ended": True}, {}, "session_ended"),
]

FINE = [
    ({}, {}),
    ({"client": client(connectors=("staff",))}, {}),
    ({"consent": consent()}, STANDS_ON),
    ({"consent": consent(id="another")}, {}),
    ({"client": client(trusted=True)}, {"consent_id": None, "covered": ("email",)}),
    ({}, {"consent_id": None, "covered": ()}),
    ({"session_ended": True}, OFFLINE),
    ({"session_ended": True, "consent": consent()}, OFFLINE | STANDS_ON),
]


@pytest.mark.row("TK-21")
@pytest.mark.row("RT-07")
@pytest.mark.parametrize(("now_is", "of", "reason"), REASONS)
def test_there_is_a_reason_for_each_objection(now_is, of, reason):
    assert objection(granted(**of), Circumstances(**GOOD | now_is)) == reason


@pytest.mark.parametrize(("now_is", "of"), FINE)
def test_where_nothing_speaks_against_it_nothing_is_said(now_is, of):
    assert objection(granted(**of), Circumstances(**GOOD | now_is)) is None


@pytest.mark.row("TK-05")
@pytest.mark.parametrize("first", REASONS, ids=lambda row: row[2])
def test_two_reasons_at_once_are_an_objection_too(first):
    for second in REASONS:
        now_is, of = GOOD | first[0] | second[0], first[1] | second[1]
        if now_is["session_ended"] and of == OFFLINE:  # what outlives a session
            continue
        assert objection(granted(**of), Circumstances(**now_is)) is not None


@pytest.mark.row("CB-43")
def test_the_connector_is_the_one_that_signed_the_person_in():
    of = granted(context=context(connector="partners"))
    assert objection(of, Circumstances(**GOOD)) is None
    assert objection(of, Circumstances(**GOOD | {"connectors": ("staff",)})) == "connector_gone"


# ── Grants that no person was asked for ───────────────────────────────────────────────────────

RUNNER = client(grant_types=("client_credentials", JWT_BEARER), redirect_uris=())
ITSELF = {"grant_type": "client_credentials", "redirect_uri": None, "sid": "", "consent_id": None}
BROUGHT = ITSELF | {"grant_type": JWT_BEARER, "context": context(connector="assertion:workloads")}
TRUSTED = AssertionIssuer(name="workloads", issuer="https://workloads.example", clients=("app",))
ALONE = GOOD | {"client": RUNNER, "connectors": (), "assertion_issuers": {"workloads": TRUSTED}}


def test_a_machine_needs_no_connector_and_an_assertion_only_its_issuer():
    assert objection(granted(**ITSELF, context=context(connector="")), Circumstances(**ALONE)) is None
    assert objection(granted(**BROUGHT), Circumstances(**ALONE)) is None


@pytest.mark.row("RS-07")
@pytest.mark.parametrize(
    ("now_is", "of", "reason"),
    [
        ({"client": client(redirect_uris=())}, ITSELF, "grant_type_gone"),
        ({"client": client(grant_types=("client_credentials",))}, BROUGHT, "grant_type_gone"),
        ({"assertion_issuers": {}}, BROUGHT, "assertion_issuer_gone"),
        ({"assertion_issuers": {"other": TRUSTED}}, BROUGHT, "assertion_issuer_gone"),
        (
            {"assertion_issuers": {"workloads": AssertionIssuer(name="workloads", issuer="x", clients=())}},
            BROUGHT,
            "assertion_not_for_client",
        ),
        ({"revoked": True}, BROUGHT, "grant_revoked"),
        ({"client": None}, ITSELF, "client_gone"),
        ({"connectors": ("assertion:workloads",), "assertion_issuers": {}}, BROUGHT, "assertion_issuer_gone"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_the_entry_alone_allowed_ends_with_the_entry(now_is, of, reason):
    assert objection(granted(**of), Circumstances(**ALONE | now_is)) == reason


@pytest.mark.row("TX-06")
@pytest.mark.row("TX-07")
def test_who_holds_an_exchanged_token_must_still_be_allowed_to():
    gateway = client(client_id="gateway", grant_types=(TOKEN_EXCHANGE,), token_exchange=ExchangePolicy())
    assert holder_objection(granted(), gateway) is None
    assert (
        holder_objection(granted(**BROUGHT), client(token_exchange=ExchangePolicy(), connectors=())) is None
    )
    assert holder_objection(granted(), None) == "holder_gone"
    for change, reason in (
        ({"enabled": False}, "holder_gone"),
        ({"token_exchange": None}, "exchange_not_allowed"),
        ({"connectors": ("partners",)}, "connector_not_allowed"),
    ):
        one = client(**{"token_exchange": ExchangePolicy()} | change)
        assert holder_objection(granted(), one) == reason
