"""``broker keys``: an operator sees, rotates and retires signing keys, with the broker running or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.cli import run
from broker.config.settings import StoreConfig

YAML = """
issuer: http://localhost:8080
listen: 127.0.0.1:8080
state_dir: {folder}/state
keys: {{ algorithms: [RS256, ES256] }}
connectors: {{}}
clients: {{}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "broker.yaml"
    file.write_text(YAML.format(folder=tmp_path))
    return str(file)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert run(["keys", *words, "--json"]) == 0
    keys: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["keys"]
    return keys


def test_list_tells_what_each_key_is_for(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    keys = told(capsys, "list", "--config", config)
    assert [(key["alg"], key["state"]) for key in keys] == [("RS256", "current"), ("ES256", "current")]
    assert run(["keys", "list", "--config", config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(keys[n]["kid"] in "".join(lines) for n in (0, 1))


def test_rotate_publishes_the_next_keys_once(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "list", "--config", config)
    keys = told(capsys, "rotate", "--config", config)
    assert sorted(key["state"] for key in keys) == ["current", "current", "next", "next"]
    assert told(capsys, "rotate", "--config", config) == keys


def test_retire_takes_a_key_out_and_another_signs(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = told(capsys, "list", "--config", config)
    after = told(capsys, "retire", before[0]["kid"], "--config", config)
    assert before[0]["kid"] not in [key["kid"] for key in after]
    assert sorted((key["alg"], key["state"]) for key in after) == [("ES256", "current"), ("RS256", "current")]


def test_a_key_that_is_not_there_is_a_mistake_in_one_line(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "retire", "nobody", "--config", config]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "broker: there is no key nobody\n")


def test_no_private_part_is_told(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "list", "--config", config)
    document = json.loads((tmp_path / "state" / "signing-keys.json").read_text())
    private = [json.loads(key["jwk"])["d"] for key in document["keys"]]
    for words in (["list"], ["rotate"], ["list", "--json"]):
        assert run(["keys", *words, "--config", config]) == 0
        out = capsys.readouterr().out
        assert [part for part in private if part in out] == []


def test_with_a_store_url_the_keys_are_in_the_store(
    store_config: StoreConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broker.yaml"
    (key,) = store_config.encryption_keys
    store = (
        f'store: {{ url: "{store_config.url}", prefix: "{store_config.prefix}", '
        f'encryption_keys: ["{key.reveal()}"] }}\nsubject_key: "{"Qx7" * 20}"\n'
    )
    file.write_text(YAML.format(folder=tmp_path) + store)
    first = told(capsys, "list", "--config", str(file))
    assert told(capsys, "list", "--config", str(file)) == first
    assert not (tmp_path / "state").exists()


def test_a_store_that_is_away_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broker.yaml"
    store = (
        f'store: {{ url: "unix://{tmp_path}/nothing.sock", encryption_keys: ["{"k3Y" * 20}"] }}\n'
        f'subject_key: "{"Qx7" * 20}"\n'
    )
    file.write_text(YAML.format(folder=tmp_path) + store)
    assert run(["keys", "list", "--config", str(file)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("broker: ")]) == 1
    assert "Traceback" not in "".join(said)
