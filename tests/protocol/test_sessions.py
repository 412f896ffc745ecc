"""Whether a session answers a request, and which upstream one goes to otherwise."""

import pytest

from broker.protocol import routing
from broker.protocol.claims_request import read
from broker.protocol.errors import AccessDenied, LoginRequired, UnmetAuthenticationRequirements
from broker.protocol.sessions import is_whom_was_asked, objection
from tests.protocol.samples import NOW, asked, client, context, session

ALLOWED = ("staff", "partners")


def answered(of=None, allowed=ALLOWED, now=NOW, **changes):
    return objection(asked(**changes), of or session(), allowed, now=now) is None


def test_a_live_session_of_an_allowed_connector_answers():
    assert answered()
    assert answered(prompt=frozenset({"none"}))
    assert answered(prompt=frozenset({"consent"}))
    assert answered(connector="staff")


def test_no_session_answers_nothing():
    assert objection(asked(), None, ALLOWED, now=NOW) is not None


@pytest.mark.row("SE-06")
@pytest.mark.parametrize(
    ("now", "live"), [(NOW, True), (NOW + 3599, True), (NOW + 3600, False), (NOW + 1e6, False)]
)
def test_a_session_ends_when_it_ends(now, live):
    assert answered(now=now) is live


@pytest.mark.row("AZ-23")
@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ({"login"}, False),
        ({"select_account"}, False),
        ({"login", "consent"}, False),
        ({"consent"}, True),
        ({"none"}, True),
        (set(), True),
    ],
)
def test_a_login_that_is_asked_for_is_never_answered_from_a_session(prompt, answer):
    assert answered(prompt=frozenset(prompt)) is answer


@pytest.mark.row("AZ-23")
@pytest.mark.parametrize(
    ("auth_time", "max_age", "answer"),
    [
        (NOW - 60, None, True),
        (None, None, True),
        (NOW - 60, 60, True),
        (NOW - 60, 59, False),
        (NOW - 60, 3600, True),
        (NOW, 0, False),
        (NOW + 5, 0, False),
        (None, 0, False),
        (None, 10**9 - 1, False),
        (0, 3600, False),
    ],
)
def test_max_age_is_held_against_what_the_upstream_stated_and_zero_is_never_met(auth_time, max_age, answer):
    stated = None if auth_time is None else int(auth_time)
    assert answered(session(context=context(auth_time=stated)), max_age=max_age) is answer


@pytest.mark.row("AZ-23")
def test_how_long_the_session_itself_is_old_does_not_count():
    fresh = session(started_at=NOW, context=context(auth_time=int(NOW) - 7200))
    assert not answered(fresh, max_age=3600)


@pytest.mark.row("AZ-27")
@pytest.mark.parametrize(
    ("allowed", "hint", "answer"),
    [
        (("staff",), None, True),
        (("partners",), None, False),
        ((), None, False),
        (ALLOWED, "staff", True),
        (ALLOWED, "partners", False),
        (("partners",), "staff", False),
    ],
)
def test_a_session_of_a_connector_not_allowed_or_not_hinted_is_no_session(allowed, hint, answer):
    assert answered(allowed=allowed, connector=hint) is answer


@pytest.mark.row("AZ-26")
@pytest.mark.parametrize(
    ("hint", "answer"),
    [
        ({"subject": "ada"}, True),
        ({"subject": "grace"}, False),
        ({"subject": "Ada"}, False),
        ({"session_may_answer": False}, False),
        ({"session_may_answer": False, "subject": "ada"}, False),
    ],
)
def test_a_hint_at_somebody_else_or_a_bad_one_is_not_answered_from_the_session(hint, answer):
    assert answered(**hint) is answer


CLAIMS = [
    ('{"id_token": {"sub": {"value": "ada"}}}', True, None),
    ('{"id_token": {"sub": {"values": ["grace", "ada"]}}}', True, None),
    ('{"userinfo": {"sub": {"value": "ada"}}}', True, None),
    ('{"id_token": {"sub": null}}', True, None),
    ('{"id_token": {"sub": {"essential": true}}}', True, None),
    ('{"id_token": {"sub": {"value": "grace"}}}', False, LoginRequired),
    ('{"userinfo": {"sub": {"value": "grace"}}}', False, LoginRequired),
    ('{"id_token": {"sub": {"value": ""}}}', False, LoginRequired),
    (
        '{"id_token": {"sub": {"value": "ada"}}, "userinfo": {"sub": {"value": "grace"}}}',
        False,
        LoginRequired,
    ),
    ('{"id_token": {"acr": {"essential": true, "values": ["gold", "silver"]}}}', True, None),
    ('{"id_token": {"acr": {"essential": true, "value": "silver"}}}', True, None),
    ('{"id_token": {"acr": {"essential": true}}}', True, None),
    ('{"id_token": {"acr": {"values": ["gold"]}}}', True, None),
    ('{"userinfo": {"acr": {"essential": true, "values": ["gold"]}}}', True, None),
    (
        '{"id_token": {"acr": {"essential": true, "values": ["gold"]}}}',
        False,
        UnmetAuthenticationRequirements,
    ),
    ('{"id_token": {"acr": {"essential": true, "value": "Silver"}}}', False, UnmetAuthenticationRequirements),
]


@pytest.mark.row("AZ-25")
@pytest.mark.parametrize(("text", "answer", "error"), CLAIMS)
def test_whom_and_how_the_claims_parameter_asks_for_is_held_to(text, answer, error):
    wanted = read(text)
    assert answered(claims=wanted) is answer
    if error is None:
        is_whom_was_asked(asked(claims=wanted), context())
    else:
        with pytest.raises(error):
            is_whom_was_asked(asked(claims=wanted), context())


@pytest.mark.row("AZ-25")
def test_an_essential_acr_is_not_met_by_an_upstream_that_states_none():
    wanted = asked(claims=read('{"id_token": {"acr": {"essential": true, "values": ["gold"]}}}'))
    with pytest.raises(UnmetAuthenticationRequirements) as caught:
        is_whom_was_asked(wanted, context(acr=None))
    assert caught.value.reason == "acr_unmet"


def test_somebody_else_than_the_hint_names_is_not_answered_about():
    is_whom_was_asked(asked(subject="ada"), context())
    with pytest.raises(LoginRequired) as caught:
        is_whom_was_asked(asked(subject="grace"), context())
    assert (caught.value.error, caught.value.reason) == ("login_required", "subject_differs_from_hint")


# ── where to ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("connectors", "enabled", "choices"),
    [
        (None, ("staff", "partners"), ("staff", "partners")),
        (("partners", "staff"), ("staff", "partners"), ("staff", "partners")),
        (("partners",), ("staff", "partners"), ("partners",)),
        (("partners", "gone"), ("staff", "partners"), ("partners",)),
    ],
)
def test_the_choices_are_the_clients_that_are_enabled_in_the_operators_order(connectors, enabled, choices):
    app = client(connectors=connectors)
    assert tuple(routing.Routes(enabled, {app.client_id: app}).allowed(app)) == choices
    assert tuple(routing.Routes(enabled, {}).allowed(app)) == choices, "a client app that came since"


@pytest.mark.row("AZ-27")
@pytest.mark.parametrize(("connectors", "enabled"), [((), ("staff",)), (("gone",), ("staff",)), (None, ())])
def test_without_any_choice_nobody_is_sent_anywhere(connectors, enabled):
    with pytest.raises(AccessDenied) as caught:
        routing.Routes(enabled, {}).allowed(client(connectors=connectors))
    assert caught.value.reason == "no_connector"


@pytest.mark.row("AZ-27")
@pytest.mark.parametrize("pick", ["gone", "", "STAFF", "../staff", "staff\0"])
def test_only_what_was_offered_can_be_picked(pick):
    assert routing.picked("staff", ALLOWED) == "staff"
    with pytest.raises(AccessDenied):
        routing.picked(pick, ALLOWED)


@pytest.mark.parametrize(
    ("changes", "of", "allowed", "goes_to"),
    [
        ({}, None, ("staff",), "staff"),
        ({}, None, ALLOWED, None),
        ({"connector": "partners"}, None, ALLOWED, "partners"),
        ({"connector": "partners"}, session(), ALLOWED, "partners"),
        ({}, session(), ALLOWED, "staff"),
        ({"max_age": 0}, session(), ALLOWED, "staff"),
        ({"prompt": frozenset({"login"})}, session(), ALLOWED, "staff"),
        ({"prompt": frozenset({"select_account"})}, session(), ALLOWED, None),
        ({"prompt": frozenset({"select_account"})}, session(), ("staff",), "staff"),
        ({}, session(context=context(connector="gone")), ALLOWED, None),
        ({}, session(context=context(connector="gone")), ("partners",), "partners"),
    ],
)
def test_a_hint_the_only_choice_or_the_last_login_decides_and_else_the_person(changes, of, allowed, goes_to):
    assert routing.routed(asked(**changes), allowed, routing.Known(session=of))[0] == goes_to


SELECT = {"prompt": frozenset({"select_account"})}


@pytest.mark.parametrize(
    ("changes", "known", "goes_to"),
    [
        ({}, {"domain": ("partners",)}, "partners"),
        ({}, {"domain": ("partners",), "session": session()}, "partners"),
        ({}, {"domain": ALLOWED}, None),
        ({}, {"domain": ALLOWED, "session": session()}, "staff"),
        ({}, {"remembered": "partners"}, "partners"),
        ({}, {"remembered": "partners", "domain": ("staff",)}, "staff"),
        ({}, {"remembered": "partners", "session": session()}, "staff"),
        ({"connector": "staff"}, {"domain": ("partners",), "remembered": "partners"}, "staff"),
        (SELECT, {"domain": ("partners",), "remembered": "partners"}, None),
    ],
)
def test_a_domain_goes_before_the_last_login_and_that_before_what_is_remembered(changes, known, goes_to):
    assert routing.routed(asked(**changes), ALLOWED, routing.Known(**known))[0] == goes_to


def test_who_wants_to_choose_is_not_spared_the_choice_by_what_is_known():
    known = routing.Known(domain=("partners",), remembered="partners", session=session())
    assert routing.routed(asked(**SELECT), ALLOWED, known)[0] is None
