"""`broker sessions` and `broker outbox`: what an operator sees and ends in the running broker's store."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from broker.cli import run
from broker.config import load
from broker.protocol.flow import Session
from broker.record import replace
from broker.store import Embedded, Holder, Notice, Origin, Store, open_store
from tests.cli.conftest import ROOT
from tests.flow.test_ends_late import BreaksOff
from tests.store.samples import consent, context, remember, session

APP = {
    "client_name": "App",
    "client_secret": "s" * 43,
    "redirect_uris": ["https://app.example/cb"],
    "backchannel_logout_uri": "https://app.example/out",
}


class Commands:
    """Runs commands on a configuration, and reaches into the same store."""

    def __init__(self, folder: Path, valkey: Embedded) -> None:
        document = {
            "issuer": "http://127.0.0.1:8999",
            "store": {
                "url": valkey.url,
                "prefix": f"{folder.name}-{time.time_ns()}:",
                "encryption_keys": ["k" * 43],
            },
            "subject_key": "s" * 43,
            "connectors": {"members": {"type": "pool", "name": "Members"}},
            "clients": {"app": APP, "quiet": {k: v for k, v in APP.items() if "logout" not in k}},
        }
        self._path = folder / "broker.yaml"
        self._path.write_text(json.dumps(document))

    def __call__(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "broker", *arguments, *self.config],
            input=typed,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def config(self) -> tuple[str, str]:
        return "--config", str(self._path)

    def told(self, *arguments: str, typed: str = "") -> object:
        done = self(*arguments, "--json", typed=typed)
        assert (done.stderr, done.returncode) == ("", 0)
        return json.loads(done.stdout)

    def in_store(self, use):
        async def go():
            config = load(self._path, {})
            store = await open_store(config.store, config.state_dir)
            try:
                return await use(store)
            finally:
                await store.close()

        return asyncio.run(go())


@pytest.fixture
def commands(tmp_path, valkey: Embedded) -> Commands:
    return Commands(tmp_path, valkey)


async def _sign_in(store: Store, *sids: str) -> None:
    now = time.time()
    for number, sid in enumerate(sids):
        one = replace(session(), sid=sid, started_at=now - 60 + number, ends_at=now + 3600)
        origin = Origin(device="Firefox on Linux", issuer="i")
        await store.put_session(f"{sid}.secret", one, 3500, origin=origin)
        await store.join_session(sid, "app", now=now)
        await store.join_session(sid, "quiet", now=now)


def test_sessions_are_listed_with_device_apps_and_last_use(commands: Commands) -> None:
    commands.in_store(lambda store: _sign_in(store, "one", "two"))
    two, one = commands.told("sessions", "list", "subject-of-ada")
    assert (one["sid"], two["sid"]) == ("one", "two")
    assert (one["device"], one["connector"], one["clients"]) == (
        "Firefox on Linux",
        "staff",
        ["app", "quiet"],
    )
    assert one["started_at"] <= one["last_used"] <= time.time() < one["ends_at"]
    shown = commands("sessions", "list", "subject-of-ada").stdout
    assert "two: staff, since " in shown
    assert "apps: app quiet" in shown
    assert commands.told("sessions", "list", "nobody") == []
    done = commands("sessions", "list", "ada")  # her username, which is no sub
    said = "there are no sessions of the sub ada\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", said, 0)


def test_one_session_is_ended_and_the_app_that_listens_will_be_told(commands: Commands) -> None:
    commands.in_store(lambda store: _sign_in(store, "one", "two"))
    assert commands.told("sessions", "end", "subject-of-ada", "--session", "one") == {"ended": ["one"]}
    assert [said["sid"] for said in commands.told("sessions", "list", "subject-of-ada")] == ["two"]
    (notice,) = commands.told("outbox", "list")
    assert (notice["client_id"], notice["sid"], notice["state"]) == ("app", "one", "waiting")
    assert notice["why"] == "operator_ended"
    assert commands.in_store(lambda store: store.session_ended("one"))


def test_another_person_s_session_is_not_ended_by_a_slip(commands: Commands) -> None:
    commands.in_store(lambda store: _sign_in(store, "one"))
    done = commands("sessions", "end", "somebody-else", "--session", "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no session one" in done.stderr
    assert len(commands.told("sessions", "list", "subject-of-ada")) == 1


def test_all_sessions_are_ended_at_once(commands: Commands) -> None:
    commands.in_store(lambda store: _sign_in(store, *(f"sid-{n}" for n in range(7))))
    ended = commands.told("sessions", "end", "subject-of-ada", "--all")
    assert isinstance(ended, dict)
    assert len(ended["ended"]) == 7
    assert commands.told("sessions", "list", "subject-of-ada") == []
    assert len(commands.told("outbox", "list")) == 7
    assert commands.told("sessions", "end", "subject-of-ada", "--all") == {"ended": []}


def test_which_is_said_or_it_is_a_wrong_usage(commands: Commands) -> None:
    assert commands("sessions", "end", "subject-of-ada").returncode == 2
    assert commands("outbox", "retry").returncode == 2
    assert commands("outbox", "drop", "a", "--all").returncode == 2
    assert "no notice b" in commands("outbox", "retry", "b").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sessions", "end", "ada", "--all"), "there are no sessions of the sub ada\n"),
        (("outbox", "retry", "--all"), "there is none that was to be tried later or was given up\n"),
        (("outbox", "retry", "waits"), "there is none that was to be tried later or was given up\n"),
        (("outbox", "drop", "--all"), "there is none that was given up\n"),
    ],
)
def test_that_nothing_was_done_is_said(
    commands: Commands, capsys: pytest.CaptureFixture, arguments: tuple[str, ...], said: str
) -> None:
    """A username is no sub: who thinks that all sessions of ``ada`` were ended is wrong."""

    async def waits(store: Store) -> None:
        await store.post_notice(
            Notice(id="waits", client_id="app", subject="s", sid="x", why="w", posted_at=time.time())
        )

    commands.in_store(waits)
    assert run([*arguments, *commands.config]) == 0
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    "arguments", [("sessions", "list", "\udce9"), ("sessions", "end", "ada", "--session", "\udce9")]
)
def test_what_is_no_text_is_one_plain_line(
    commands: Commands, capsys: pytest.CaptureFixture, arguments: tuple[str, ...]
) -> None:
    assert run([*arguments, *commands.config]) == 1
    assert capsys.readouterr() == ("", "broker: an argument is not UTF-8\n")


async def _outbox(store: Store) -> None:
    now = time.time()
    for number in range(4):
        notice = Notice(id=f"id-{number}", client_id="app", subject="s", sid="x", why="w", posted_at=now)
        await store.post_notice(dataclasses.replace(notice, why="signed_out", posted_at=now + number))
    look = await store.take_notices("w", now=now, lost_after=60, most=3)
    first, second, *_ = look.taken
    await store.notice_failed(first, "it answered 500", again_at=now + 900, now=now)
    await store.notice_failed(second, "it answered 404", again_at=None, now=now)


def test_the_outbox_is_shown_retried_and_dropped(commands: Commands) -> None:
    commands.in_store(_outbox)
    shown = commands.told("outbox", "list")
    assert [one["state"] for one in shown] == ["later", "dead", "waiting", "waiting"]
    assert (shown[0]["attempts"], shown[0]["problem"]) == (1, "it answered 500")
    words = commands("outbox", "list").stdout
    assert "id-1: app, signed_out, posted" in words
    assert "dead since" in words
    assert ", 1 attempt, last: it answered 404" in words
    assert commands.told("outbox", "retry", "id-0") == {"retrying": ["id-0"]}
    assert commands.told("outbox", "drop", "--all") == {"dropped": ["id-1"]}
    assert commands.told("outbox", "drop", "id-3") == {"dropped": ["id-3"]}
    assert [(one["id"], one["state"]) for one in commands.told("outbox", "list")] == [
        ("id-0", "waiting"),
        ("id-2", "waiting"),
    ]


def test_a_disabled_person_s_apps_are_told(commands: Commands) -> None:
    typed = "correct horse battery staple\n"
    ada = commands.told("users", "add", "ada", "--connector", "members", typed=typed)

    async def signed_in(store: Store) -> None:
        await _sign_in(store, "other")
        now = time.time()
        who = replace(context(), subject=ada["sub"], connector="members")
        await store.put_session(
            "ada.secret", replace(session(), sid="ada", context=who, started_at=now, ends_at=now + 99), 60
        )
        holder = Holder(client_id="app", sid="ada")
        await store.hold_tokens(ada["sub"], holder, until=now + 999, now=now)

    commands.in_store(signed_in)
    commands.told("users", "disable", "ada", "--connector", "members")
    (notice,) = commands.told("outbox", "list")
    assert (notice["client_id"], notice["sub"], notice["sid"]) == ("app", ada["sub"], None)
    assert commands.told("sessions", "list", ada["sub"]) == []
    assert len(commands.told("sessions", "list", "subject-of-ada")) == 1


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", ["disable", "remove"])
def test_what_broke_off_is_done_by_saying_it_again(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, way: str, done: bool
) -> None:
    def users(way: str, name: str) -> int:
        return run(["users", way, name, "--connector", "members", "--json", *commands.config])

    step, broke = 0, True
    while broke:
        step += 1
        monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery staple\n"))
        assert users("add", f"ada{step}") == 0
        sub, sid, now = json.loads(capsys.readouterr().out)["sub"], f"sid-{step}", time.time()
        who = replace(context(), subject=sub, connector="members")
        one = replace(session(), sid=sid, context=who, started_at=now, ends_at=now + 999)

        async def signed_in(store: Store, one: Session = one) -> None:
            await store.put_session(f"{one.sid}.secret", one, 600)
            holder = Holder(client_id="app", sid=one.sid)
            await store.hold_tokens(one.context.subject, holder, until=one.ends_at, now=one.started_at)

        async def left(store: Store, sub: str = sub) -> tuple[bool, int, int]:
            over, sessions = await store.ended_before(sub), await store.list_sessions(sub, now=time.time())
            told = [one for one in await store.list_notices() if one.notice.subject == sub]
            return over is not None, len(sessions), len(told)

        commands.in_store(signed_in)
        with monkeypatch.context() as patch:
            breaking = list[BreaksOff]()

            async def opened(*arguments: Any, step: int = step, found: list[BreaksOff] = breaking) -> Any:
                found.append(BreaksOff(await open_store(*arguments), step, done=done))
                return found[0]

            patch.setattr("broker.cli.stored.open_store", opened)
            code = users(way, f"ada{step}")
        broke = breaking[0].broke
        assert code == (1 if broke else 0)
        users(way, f"ada{step}")
        over, sessions, told = commands.in_store(left)
        assert (over, sessions, told > 0) == (True, 0, True), step
        capsys.readouterr()
    assert step > 5


def test_a_consent_that_the_operator_withdraws_is_told(commands: Commands) -> None:
    async def consented(store: Store) -> None:
        now = time.time()
        await remember(store, "ada", consent("app"), 600)
        await store.hold_tokens("ada", Holder(client_id="app", sid="x"), until=now + 99, now=now)

    commands.in_store(consented)
    assert commands.told("consents", "withdraw", "ada", "--client", "app") == {"withdrawn": ["app"]}
    (notice,) = commands.told("outbox", "list")
    assert (notice["why"], notice["sid"]) == ("consent_withdrawn", None)
