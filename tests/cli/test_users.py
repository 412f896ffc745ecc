"""`broker users`: the people of a pool, as an operator keeps them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time

import pyotp
import pytest

from broker.store import Embedded
from tests.cli.conftest import ROOT

PASSWORD = "correct horse battery staple"


@pytest.fixture
def users(tmp_path, valkey: Embedded):
    """Runs ``broker users`` on a pool of this test's own; ``typed`` is its standard input."""
    document = {
        "issuer": "http://127.0.0.1:8999",
        "store": {
            "url": valkey.url,
            "prefix": f"{tmp_path.name}-{time.time_ns()}:",
            "encryption_keys": ["k" * 43],
        },
        "subject_key": "s" * 43,
        "connectors": {
            "members": {"type": "pool", "name": "Acme members"},
            "staff": {
                "type": "oidc",
                "name": "S",
                "issuer": "https://idp.example",
                "client_id": "b",
                "client_secret": "x" * 40,
            },
        },
    }
    (tmp_path / "broker.yaml").write_text(json.dumps(document))
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "BROKER_CONFIG": "broker.yaml",
    }

    def run(*arguments: str, typed: str = "", connector: str = "members"):
        return subprocess.run(
            [sys.executable, "-m", "broker", "users", *arguments, "--connector", connector],
            input=typed,
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    run.environ, run.folder = environ, tmp_path
    return run


def told(done):
    assert (done.stderr, done.returncode) == ("", 0)
    return json.loads(done.stdout)


def test_nobody_is_given_a_claim_that_only_the_broker_mints(users):
    done = users("add", "ada", "--claim", "sub=1", typed=f"{PASSWORD}\n")
    assert done.returncode == 2
    assert "sub is minted by the broker" in done.stderr


@pytest.mark.proves("pool", "`broker users`: add, list, disable, enable, passwd, totp, remove")
def test_somebody_is_added_listed_disabled_enabled_and_removed(users):
    claims = (
        "--claim",
        "email=ada@acme.example",
        "--claim",
        "email_verified=true",
        "--claim",
        'groups=["a"]',
    )
    added = told(users("add", "Ada", *claims, "--json", typed=f"{PASSWORD}\n"))
    assert added["claims"] == {"email": "ada@acme.example", "email_verified": True, "groups": ["a"]}
    assert (added["username"], added["enabled"], added["totp"]) == ("Ada", True, False)
    assert told(users("list", "--json")) == [added]
    assert users("disable", "ada").stdout == "Ada: disabled\n"
    assert "disabled" in users("list").stdout
    assert told(users("enable", "ADA", "--json"))["enabled"] is True
    assert told(users("remove", "ada", "--json"))["sub"] == added["sub"]
    assert told(users("list", "--json")) == []
    again = told(users("add", "ada", "--json", typed=f"{PASSWORD}\n"))
    assert again["id"] != added["id"]
    assert again["sub"] != added["sub"]


def test_a_password_is_no_argument_and_is_never_printed(users):
    assert users("add", "ada", PASSWORD, typed="").returncode == 2
    done = users("add", "ada", "--json", typed=f"{PASSWORD}\n")
    assert PASSWORD not in done.stdout + done.stderr
    assert "argon2" not in done.stdout + users("list", "--json").stdout


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", "ada"), "short\n", "at least 10 characters"),
        (("add", "ada"), "", "at least 10 characters"),
        (("add", "ada"), "tab\tin the password\n", "no control characters"),
        (("add", "a b"), f"{PASSWORD}\n", "a username has"),
        (("add", "a\u200bb"), f"{PASSWORD}\n", "a username has"),
        (("passwd", "nobody"), f"{PASSWORD}\n", "nobody in members is called 'nobody'"),
        (("disable", "nobody"), "", "nobody in members is called 'nobody'"),
        (("totp", "nobody"), "", "nobody in members is called 'nobody'"),
        (("remove", "nobody"), "", "nobody in members is called 'nobody'"),
    ],
)
def test_a_mistake_is_one_plain_line(users, arguments, typed, said):
    done = users(*arguments, typed=typed)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert said in done.stderr


def test_a_username_is_given_once_however_it_is_written(users):
    assert users("add", "Ä.Öztürk", typed=f"{PASSWORD}\n").returncode == 0
    for same in ("ä.öztürk", "A\u0308.O\u0308ztu\u0308rk", "\uff21\u0308.Öztürk"):
        done = users("add", same, typed=f"{PASSWORD}\n")
        assert (done.returncode, "is taken" in done.stderr) == (1, True)


def test_another_kind_of_connector_has_no_people(users):
    done = users("list", connector="staff")
    assert (done.returncode, done.stderr) == (1, "broker: staff is no connector of the type pool\n")


def test_totp_prints_what_an_authenticator_app_reads(users):
    users("add", "ada", typed=f"{PASSWORD}\n")
    done = users("totp", "ada")
    assert done.stderr == ""
    uri = done.stdout.strip()
    parsed = pyotp.parse_uri(uri)
    assert (parsed.name, parsed.issuer, len(parsed.secret)) == ("ada", "Acme members", 32)
    assert told(users("list", "--json"))[0]["totp"] is True
    assert users("totp", "ada", "--remove").stdout == "ada: signs in without codes\n"


def test_at_a_terminal_a_password_is_typed_twice_and_not_shown(users):
    for second, code in ((PASSWORD, 0), ("another one", 1)):
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "broker", "users", "add", f"u{code}", "--connector", "members"],
            cwd=users.folder,
            env=users.environ,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        seen = b""
        for prompt, line in ((b"Password of", PASSWORD), (b"Once more", second)):
            while prompt not in seen:
                seen += os.read(controller, 1000)
            os.write(controller, f"{line}\n".encode())
        assert process.wait() == code
        os.close(controller)
        assert PASSWORD.encode() not in seen
