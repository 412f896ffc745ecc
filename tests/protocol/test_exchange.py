"""The rules of token exchange: nothing is given that the entry does not allow, and nothing grows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import exchange
from broker.protocol.errors import InvalidRequest, InvalidScope, InvalidTarget, UnauthorizedClient
from broker.protocol.exchange import ACCESS_TOKEN, JWT, Asked, Subject
from broker.protocol.exchanging import ExchangePolicy
from broker.protocol.params import Params
from tests.protocol.samples import NOW, PUBLIC, SCOPES, client

API, LEDGER = "https://api.example", "https://ledger.example"
POLICY = ExchangePolicy(own_audiences=("https://gateway.example",), audiences=(API, LEDGER))


def gateway(policy: ExchangePolicy | None = POLICY, **changes: Any):
    return client(client_id="gateway", token_exchange=policy, **changes)


def params(**changes: Any) -> Params:
    said = {"subject_token": "s", "subject_token_type": ACCESS_TOKEN} | changes
    pairs = [
        (name, one)
        for name, value in said.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]
    return Params.of(pairs)


def subject(**changes: Any) -> Subject:
    members = {
        "client_ids": ("app",),
        "audiences": ("https://gateway.example",),
        "scopes": ("openid", "email"),
        "expires_at": NOW + 300,
    }
    return Subject(**members | changes)


def act(*names: str) -> dict[str, Any] | None:
    """A chain of actors, the last one first."""
    said: dict[str, Any] | None = None
    for name in reversed(names):
        said = {"sub": name} if said is None else {"sub": name, "act": said}
    return said


@pytest.mark.standard("RFC 8693", "§2.1 what a request says")
def test_a_request_is_read_as_it_stands():
    asked, policy = exchange.read(
        params(audience=[API, LEDGER], resource=API, scope="email", requested_token_type=JWT), gateway()
    )
    assert asked == Asked(
        subject_token="s",
        kind="access_token",
        targets=(API, LEDGER),
        scopes=("email",),
        issued_type=JWT,
    )
    assert policy is POLICY


@pytest.mark.row("TX-09")
def test_without_a_policy_or_credentials_nothing_is_exchanged():
    for one in (gateway(None), gateway(**PUBLIC)):
        with pytest.raises(UnauthorizedClient):
            exchange.read(params(), one)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},  # the policy has none
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "a"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "a", "actor_token_type": JWT},
    ],
    ids=str,
)
def test_what_is_missing_or_of_another_kind_is_an_invalid_request(changes):
    with pytest.raises(InvalidRequest):
        exchange.read(params(**changes), gateway())


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "https://elsewhere.example"},
        {"resource": [API, "https://elsewhere.example"]},
        {"audience": "connector:staff"},
        {"audience": [f"https://{n}.example" for n in range(11)]},
    ],
    ids=["unknown", "one unknown", "an upstream", "many"],
)
def test_a_place_that_the_entry_does_not_name_is_an_invalid_target(changes):
    with pytest.raises(InvalidTarget):
        exchange.read(params(**changes), gateway())


def test_an_upstreams_token_is_asked_for_alone():
    allowed = gateway(ExchangePolicy(upstream_token=True, audiences=(API,)))
    asked, _ = exchange.read(params(audience="connector:staff"), allowed)
    assert (asked.upstream, asked.targets) == ("staff", ())
    with pytest.raises(InvalidTarget):
        exchange.read(params(audience=["connector:staff", API]), allowed)


@pytest.mark.row("TX-03")
@pytest.mark.parametrize(
    ("theirs", "policy", "may"),
    [
        ({"client_ids": ("gateway",), "audiences": ()}, ExchangePolicy(), True),
        ({"audiences": ()}, POLICY, False),
        ({}, POLICY, True),
        ({"audiences": (API, "https://gateway.example")}, POLICY, True),
        ({"audiences": (API,)}, POLICY, False),
        ({"audiences": ()}, ExchangePolicy(clients=("app",)), True),
        ({"client_ids": ()}, ExchangePolicy(clients=("app",)), False),
    ],
)
def test_a_token_is_the_clients_own_or_meant_for_it_or_named_in_its_entry(theirs, policy, may):
    one = subject(**theirs)
    if may:
        exchange.may_exchange(one, gateway(policy), policy)
    else:
        with pytest.raises(InvalidRequest):
            exchange.may_exchange(one, gateway(policy), policy)


def granted(asked_for: str = "", policy: ExchangePolicy = POLICY, **changes: Any) -> tuple[str, ...]:
    asked = Asked(subject_token="s", kind="access_token", scopes=tuple(asked_for.split()))
    return exchange.granted(asked, subject(**changes), gateway(policy), policy, SCOPES)


@pytest.mark.row("TX-05")
def test_scopes_are_those_of_the_token_that_the_client_has_too():
    assert granted() == ("openid", "email")
    assert granted("email") == ("email",)
    assert granted(scopes=("openid", "phone", "offline_access", "account.7")) == ("openid", "account.7")
    assert granted(policy=ExchangePolicy(scopes=frozenset({"email", "account.*"}))) == ("email",)
    wide = {"scopes": ("email", "account.7")}
    assert granted(policy=ExchangePolicy(scopes=frozenset({"account.*"})), **wide) == ("account.7",)
    for more in ("profile", "email profile", "account.7", "phone"):
        with pytest.raises(InvalidScope):
            granted(more)
    for none in ({"scopes": ("phone",)}, {"scopes": ("offline_access",)}, {"scopes": ()}):
        with pytest.raises(InvalidScope):
            granted(**none)


@pytest.mark.row("TX-05")
@given(
    st.lists(st.sampled_from([*SCOPES, "account.7", "unheard"]), unique=True),
    st.lists(st.sampled_from([*SCOPES, "account.7", "unheard"]), unique=True),
    st.none() | st.frozensets(st.sampled_from([*SCOPES])),
)
def test_whatever_is_asked_nothing_is_given_that_was_not_there(had, asked_for, allowed):
    policy = ExchangePolicy(scopes=allowed)
    try:
        given_ = granted(" ".join(asked_for), policy, scopes=tuple(had))
    except InvalidScope:
        return
    assert set(given_) <= set(had)
    assert "offline_access" not in given_
    assert not asked_for or set(given_) == set(asked_for)


def acting(before=None, actor=None, policy=POLICY, **changes: Any):
    return exchange.acting(subject(actor=before, **changes), actor, gateway(policy), policy)


@pytest.mark.standard("RFC 8693", "§4.1 who acts now is outermost")
def test_who_acts_is_said_around_who_acted_before():
    assert acting() == act("gateway")
    assert acting(act("first")) == act("gateway", "first")
    assert acting(act("gateway", "first")) == act("gateway", "first")
    assert acting(None, {"sub": "robot"}) == act("robot")
    assert acting(client_ids=("gateway",)) is None
    assert acting(act("first"), client_ids=("gateway",)) == act("first")
    may = ExchangePolicy(may_impersonate=True)
    assert acting(policy=may) is None
    assert acting(act("first"), policy=may) == act("first")
    assert acting(None, {"sub": "robot"}, policy=may) == act("robot")


@pytest.mark.row("TX-05")
def test_a_chain_is_neither_long_nor_a_ring():
    assert acting(act("a", "b", "c")) == act("gateway", "a", "b", "c")
    for before in (act("a", "b", "c", "d"), act("a", "gateway"), act(*map(str, range(100)))):
        with pytest.raises(InvalidRequest):
            acting(before)
    # Somebody else's actor of the same name is somebody else.
    theirs = {"iss": "https://elsewhere.example", "sub": "gateway"}
    assert acting({"sub": "a", "act": theirs}) == {"sub": "gateway", "act": {"sub": "a", "act": theirs}}


@pytest.mark.row("TX-05")
@pytest.mark.standard("RFC 8693", "§4.4 may_act")
@pytest.mark.parametrize(
    ("may_act", "may"),
    [
        ({"sub": "gateway"}, True),
        ({"sub": "robot"}, False),
        ({}, False),
        ({"sub": "gateway", "iss": "x"}, False),
    ],
)
def test_only_who_may_act_acts(may_act, may):
    if may:
        assert acting(may_act=may_act) == act("gateway")
    else:
        with pytest.raises(InvalidRequest):
            acting(may_act=may_act)


def test_of_somebody_elses_actors_only_who_they_are_is_said_on():
    said = exchange.actor_of({"act": {"sub": "a", "email": "x", "act": {"iss": "i", "sub": "b"}}}, "their")
    assert said == {"iss": "their", "sub": "a", "act": {"iss": "i", "sub": "b"}}
    assert exchange.actor_of({}, "their") is None
    assert exchange.actor_of({"act": "somebody"}, "their") is None
    deep: Any = None
    for _ in range(1000):
        deep = {"sub": "x", "act": deep}
    with pytest.raises(InvalidRequest):
        acting(exchange.actor_of({"act": deep}, "their"))
