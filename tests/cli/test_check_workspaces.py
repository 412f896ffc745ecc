"""`broker check` tries the keys of every issuer of a host, and whether anybody would become somebody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.cli import run

STAFF = {"type": "oidc", "name": "Staff", "issuer": "https://idp.example", "client_id": "broker"}


def check(folder: Path, capsys: pytest.CaptureFixture[str], tenant: dict[str, Any], **more: Any) -> list[str]:
    document = {
        "issuer": "https://login.acme.example",
        "listen": "127.0.0.1:9000",
        "state_dir": str(folder / "state"),
        "connectors": {"staff": STAFF | {"client_secret": "x" * 40}},
        "workspaces": {"east": {"connectors": {"staff": STAFF | {"client_secret": "x" * 40}}} | tenant},
    }
    (folder / "broker.yaml").write_text(json.dumps(document | more))
    code = run(["check", str(folder / "broker.yaml")])
    out, err = capsys.readouterr()
    assert (code, bool(out)) == ((1, False) if err else (0, True))
    return [line.removeprefix(f"{folder}/broker.yaml: ") for line in err.splitlines()]


def test_the_keys_of_a_workspace_are_tried_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connectors = {"staff": STAFF | {"private_key": "not a key"}}
    files = {"files": [str(tmp_path / "broker.yaml")]}
    assert check(tmp_path, capsys, {}) == []
    key, file = sorted(check(tmp_path, capsys, {"connectors": connectors, "keys": files}))
    assert key.startswith("workspaces.east.connectors.staff.private_key: ")
    assert file.startswith("workspaces.east.keys.files: ")


@pytest.mark.parametrize(("folder", "path"), [("", ""), ("workspaces/east", "workspaces.east.")])
def test_a_subject_key_that_is_another_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, path: str
) -> None:
    before = tmp_path / "state" / folder / "subject-key"
    before.parent.mkdir(parents=True)
    before.write_text("b" * 43)
    before.chmod(0o600)
    assert check(tmp_path, capsys, {}) == []
    (told,) = check(tmp_path, capsys, {}, subject_key="s" * 43)
    assert told.startswith(f"{path}subject_key: every sub hung on another so far")
    named = {"subject_key": f"file:{before}"}
    top = {"subject_key": "s" * 43} if folder else named
    assert check(tmp_path, capsys, named if folder else {}, **top) == []
