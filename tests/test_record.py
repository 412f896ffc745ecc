"""A record is what it was made as, and shows nobody what is hidden in it."""

from __future__ import annotations

import msgspec
import pytest

import broker.app  # noqa: F401  (whatever makes records is loaded with it)
from broker.protocol.flow import AuthenticationContext, HeldToken, PendingLogin, Session
from broker.record import Record, replace

KINDS = sorted(Record.__subclasses__(), key=lambda kind: kind.__qualname__)
WHO = AuthenticationContext(subject="s", connector="c", auth_time=None, claims={"email": "ada@acme.example"})
SESSION = Session(sid="sid", context=WHO, started_at=1.0, ends_at=2.0, logout_by={"id_token_hint": "hint"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__qualname__)
def test_what_is_hidden_is_a_member_of_it(kind):
    assert set(kind.__struct_fields__) >= kind.HIDDEN


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__qualname__)
def test_every_kind_is_frozen(kind):
    assert kind.__struct_config__.frozen


def test_nobody_changes_a_record():
    with pytest.raises(AttributeError):
        SESSION.sid = "another"
    with pytest.raises(AttributeError):
        del SESSION.sid
    assert replace(SESSION, sid="another").sid == "another"
    assert SESSION.sid == "sid"


def test_one_that_is_like_another_is_equal_to_it():
    assert replace(SESSION, sid="another") != SESSION
    assert replace(SESSION, sid="sid") == SESSION


def test_no_record_shows_what_is_hidden_in_it_or_in_one_within():
    shown = repr(SESSION)
    assert shown.startswith("Session(sid='sid', context=AuthenticationContext(subject='s'")
    assert "ada@acme.example" not in shown
    assert "hint" not in shown
    assert "secret" not in repr(HeldToken(access_token="secret"))
    assert {name for name, _ in SESSION.__rich_repr__()} == {"sid", "context", "started_at", "ends_at"}


def test_each_has_members_of_its_own_where_they_are_empty_at_first():
    one, other = (AuthenticationContext(subject="s", connector="c", auth_time=1) for _ in range(2))
    assert one.sources is not other.sources


def test_members_that_a_newer_release_wrote_are_left_out_and_those_it_did_not_know_have_their_defaults():
    who = {"subject": "s", "connector": "c", "auth_time": 1, "mood": "new"}
    written = {"sid": "s", "context": who, "started_at": 1.0, "ends_at": 2.0}
    read = msgspec.json.decode(msgspec.json.encode(written), type=Session)
    assert read.context.amr == ()
    assert read.logout_by == {}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"asked":null}', type=PendingLogin)
