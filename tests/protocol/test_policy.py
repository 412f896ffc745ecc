"""The one answer to "may this be done now?"."""

import pytest

from broker.protocol.policy import Circumstances, objection
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
