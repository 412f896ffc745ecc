"""The command line: what goes to which stream, and with which exit code it ends."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from broker.config import load
from broker.protocol.metadata import openid_document
from tests.cli.conftest import ROOT, Run
from tests.config.desk import SOUND


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "broker.yaml"
    path.write_text(SOUND)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text("isuer: x\nstate_dir: state\nclients: {a: 3}\n")
    return path


SAID = [
    "wrong.yaml:1:1: issuer: missing",
    "wrong.yaml:1:1: isuer: unknown key; did you mean issuer?",
    "wrong.yaml:3:14: clients.a: expected keys with values",
]


def test_check_tells_every_mistake_on_standard_error(run: Run, wrong: Path) -> None:
    done = run("check", "wrong.yaml")
    assert (done.stdout, done.stderr.splitlines(), done.returncode) == ("", SAID, 1)


def test_check_answers_a_program_in_json(run: Run, wrong: Path, sound: Path) -> None:
    done = run("check", "--json", "wrong.yaml")
    told = json.loads(done.stdout)
    assert (done.stderr, done.returncode, told["ok"], len(told["problems"])) == ("", 1, False, 3)
    assert told["problems"][2] == {
        "file": "wrong.yaml",
        "line": 3,
        "column": 14,
        "path": "clients.a",
        "message": "expected keys with values",
    }
    done = run("check", "broker.yaml", "--json")
    assert json.loads(done.stdout) == {"ok": True, "notes": [], "connectors": 1, "clients": 1, "scopes": 6}


def test_check_says_how_much_is_right(run: Run, sound: Path) -> None:
    done = run("check", "broker.yaml")
    assert (done.stdout, done.stderr, done.returncode) == (
        "broker.yaml: ok: 1 connector, 1 client, 6 scopes\n",
        "",
        0,
    )


def test_check_counts_workspaces_where_there_are_some(run: Run, sound: Path) -> None:
    one = sound.read_text().split("state_dir: state\n")[1].replace("\n", "\n    ")
    sound.write_text(f"{sound.read_text()}workspaces:\n  east:\n    {one}\n")
    done = run("check", "broker.yaml")
    assert (done.stdout, done.stderr) == (
        "broker.yaml: ok: 1 connector, 1 client, 6 scopes, 1 workspace\n",
        "",
    )


@pytest.mark.parametrize(
    "arguments",
    [["serve"], ["metadata"], ["consents", "list", "someone"], ["consents", "withdraw", "someone", "--all"]],
)
def test_a_broken_configuration_stops_every_command_in_the_same_words(
    run: Run, wrong: Path, arguments: list[str]
) -> None:
    done = run(*arguments, "--config", "wrong.yaml")
    assert (done.stdout, done.stderr.splitlines(), done.returncode) == ("", SAID, 1)
    done = run(*arguments, BROKER_CONFIG="wrong.yaml")
    assert (done.stderr.splitlines(), done.returncode) == (SAID, 1)


@pytest.mark.parametrize(
    "arguments",
    [["serve"], ["keys", "list"], ["sessions", "list", "someone"], ["explain", "0123456789abcdef"]],
)
def test_a_state_dir_that_cannot_be_used_is_told_in_a_line(
    run: Run, sound: Path, arguments: list[str]
) -> None:
    unusable = sound.read_text().replace("state_dir: state", "state_dir: /dev/null/state")
    sound.write_text(f"{unusable}listen: unix:broker.sock\n")  # whoever has the usual port has no say in this
    done = run(*arguments, "--config", "broker.yaml")
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("broker: state_dir: "), done.stderr
    assert done.stderr.endswith(": Not a directory\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["check", "--loud", "x"],
        ["check"],
        ["check", ""],
        ["metadata", "--config", ""],
        ["serve"],
        ["metadata"],
        ["consents"],
        ["consents", "withdraw", "someone", "--config", "x"],
        ["outbox", "drop", "--config", "broker.yaml"],
        ["outbox", "retry", "some", "--all", "--config", "broker.yaml"],
        ["serve", "--config", "broker.yaml", "--workers", "0"],
        ["serve", "--config", "broker.yaml", "--workers", "many"],
        ["serve", "--config", "broker.yaml", "--listen", "nowhere"],
        ["demo", "--port", "8610x"],
        ["serve", "--conf", "broker.yaml"],
        ["keys", "list", "--conf", "broker.yaml"],
    ],
)
def test_wrong_usage_is_two(run: Run, sound: Path, arguments: list[str]) -> None:
    done = run(*arguments, BROKER_CONFIG="")
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.startswith("usage: broker")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("consents", "list", "someone"), ("outbox", "drop"), ("clients", "list")])
def test_wrong_usage_is_told_with_the_usage_of_what_was_typed(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, BROKER_CONFIG="")
    assert done.stderr.startswith(f"usage: broker {' '.join(words[:2])} ")
    assert done.stderr.endswith("error: --config FILE is needed, or BROKER_CONFIG in the environment\n")


def test_help_names_every_command_and_the_version_is_ours(run: Run) -> None:
    done = run("--help")
    for word in ("demo", "init", "serve", "check", "schema", "metadata", "keys", "consents"):
        assert f"\n    {word} " in done.stdout
    assert run("--version").stdout.startswith("broker ")
    for word in ("init", "serve", "check", "schema", "metadata", "consents"):
        done = run(word, "--help")
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.startswith(f"usage: broker {word}")


def test_metadata_is_the_discovery_document(run: Run, sound: Path) -> None:
    config = load(sound, {})
    expected = openid_document(config.offer)
    assert json.loads(run("metadata", BROKER_CONFIG="broker.yaml").stdout) == expected


def test_schema_is_json_or_the_page(run: Run) -> None:
    assert json.loads(run("schema").stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert run("schema", "--markdown").stdout == (ROOT / "docs" / "configuration.md").read_text(
        encoding="utf-8"
    )


def test_a_reader_that_has_seen_enough_is_no_mistake(tmp_path: Path) -> None:
    line = f"{sys.executable} -m broker schema | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{\n0\n", "")


def test_init_writes_what_check_accepts(run: Run, tmp_path: Path) -> None:
    done = run("init", "mine")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "mine/broker.yaml" in done.stdout
    checked = run("check", "mine/broker.yaml")
    assert (checked.stderr, checked.returncode) == ("", 0)
    config = load(tmp_path / "mine/broker.yaml", {})
    (client,) = config.clients_by_id.values()
    assert len(client.secret_digests) == 1
    assert config.subject_key is not None


def test_init_keeps_secrets_to_their_owner_and_makes_each_anew(run: Run, tmp_path: Path) -> None:
    os.umask(0o022)
    run("init", "a")
    run("init", "b")
    for name in ("first-app", "subject-key", "staff"):
        assert stat.S_IMODE((tmp_path / "a/secrets" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a/secrets").stat().st_mode) == 0o700
    for name in ("first-app", "subject-key"):
        one, other = ((tmp_path / folder / "secrets" / name).read_text() for folder in "ab")
        assert one != other
        assert len(one) == 44
        assert one.strip() not in (tmp_path / "a/broker.yaml").read_text()


@pytest.mark.parametrize("name", ["broker.yaml", "secrets/subject-key", "claims/staff.yaml"])
def test_init_overwrites_nothing_and_then_writes_nothing(run: Run, tmp_path: Path, name: str) -> None:
    there = tmp_path / "mine" / name
    there.parent.mkdir(parents=True)
    there.symlink_to(tmp_path / "nowhere")
    done = run("init", "mine")
    assert (done.stdout, done.stderr, done.returncode) == (
        "",
        f"broker: mine/{name} exists and is not overwritten\n",
        1,
    )
    assert [path for path in (tmp_path / "mine").rglob("*") if not path.is_dir()] == [there]
    assert not (tmp_path / "nowhere").exists()


def test_init_where_nothing_can_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("init", "file/below")
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("broker: file/below")
    assert done.stderr.count("\n") == 1


def test_consents_are_listed_and_withdrawn(run: Run, sound: Path) -> None:
    arguments = ("someone", "--config", "broker.yaml")
    done = run("consents", "list", *arguments)
    said = "there are no consents of the sub someone\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", said, 0)
    assert json.loads(run("consents", "list", *arguments, "--json").stdout) == []
    done = run("consents", "withdraw", *arguments, "--client", "billing")
    said = "broker: this person has allowed billing nothing\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", said, 1)
    done = run("consents", "withdraw", *arguments, "--all", "--json")
    assert (json.loads(done.stdout), done.returncode) == ({"withdrawn": []}, 0)
    done = run("consents", "withdraw", *arguments, "--all")
    said = "there are no consents of the sub someone\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", said, 0)


@pytest.mark.parametrize("words", [("consents", "list", "someone"), ("keys", "list")])
def test_a_store_that_is_away_is_one_plain_line(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    key = "x" * 43
    (tmp_path / "broker.yaml").write_text(
        f"{SOUND}subject_key: {key}\nstore: {{url: 'redis://127.0.0.1:1', encryption_keys: [{key}]}}\n"
    )
    done = run(*words, "--config", "broker.yaml")
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.startswith("broker: the store did not answer: connection_lost: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("keys: {files: [broker.yaml]}\n", "keys.files: broker.yaml: "),
        ("tls: {certificate: broker.yaml, key: broker.yaml}\n", "tls: broker.yaml and broker.yaml are not"),
    ],
)
def test_check_opens_keys_and_certificates_too(run: Run, sound: Path, more: str, said: str) -> None:
    sound.write_text(SOUND + more)
    done = run("check", "broker.yaml")
    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", 1, 1)
    assert done.stderr.startswith(f"broker.yaml: {said}")
    told = json.loads(run("check", "broker.yaml", "--json").stdout)
    assert told["problems"][0]["message"].startswith(said)
    assert not (sound.parent / "state").exists()


def test_check_tries_the_keys_by_which_upstreams_know_us(run: Run, sound: Path) -> None:
    entry = "    type: oidc\n    issuer: https://idp.example\n    private_key: not a key\n    name: Staff\n"
    sound.write_text(SOUND.replace("    type: tests.config.upstream\n    name: Staff\n", entry))
    done = run("check", "broker.yaml")
    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", 1, 1)
    assert done.stderr.startswith("broker.yaml: connectors.staff.private_key: ")
