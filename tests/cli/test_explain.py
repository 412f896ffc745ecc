"""`broker explain` with claims in a file: what each rule made of them, and what is never shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run
from tests.config.desk import SOUND

CLAIMS = """\
    claims:
      name: { from: name, required: true }
      email: { from: email, when: email_verified }
      groups: { from: groups, cast: list, prefix: "staff:" }
      salary: { from: salary }
      app: { expression: 'client.client_id == "" ? optional.none() : optional.of(client.client_id)' }
context:
  groups: { type: list, scope: profile }
  salary: { type: integer, sensitive: true }
  app: { type: string }
"""
SAID = {
    "id_token": {"name": "Jane Doe", "email": "jane@acme.example", "groups": "staff", "salary": 1234},
    "userinfo": {"name": "Jane D."},
}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    text, _, clients = SOUND.partition("clients:\n")
    claims, context, schema = CLAIMS.partition("context:\n")
    (tmp_path / "broker.yaml").write_text(f"{text}{claims}clients:\n{clients}{context}{schema}")
    (tmp_path / "said.json").write_text(json.dumps(SAID))
    return tmp_path


OFFLINE = ("explain", "--config", "broker.yaml", "--connector", "staff", "--claims", "said.json")


def test_each_claim_is_told_with_its_document_its_rule_and_where_it_is_released(run: Run, desk: Path) -> None:
    done = run(*OFFLINE, "--client", "billing")
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(part.split("\n", 1) for part in done.stdout.rstrip().split("\n\n")[1:])
    assert told["name"] == (
        "  text of 7, from userinfo: name\n"
        "  rule: from userinfo: name, id_token: name, api: name; required\n"
        "  released in userinfo, by profile"
    )
    assert told["email"].startswith("  left out: its condition does not hold (text of 17 in id_token: email)")
    assert told["groups"].startswith("  text of 5 → list of 1 (text), from id_token: groups\n")
    assert "  not released: no scope has it" in told["app"]


@pytest.mark.parametrize("way", [(), ("--show-values",), ("--json",), ("--json", "--show-values")])
def test_a_sensitive_value_is_never_shown(run: Run, desk: Path, way: tuple[str, ...]) -> None:
    done = run(*OFFLINE, *way)
    assert done.returncode == 0
    assert "1234" not in done.stdout
    assert "hidden" in done.stdout
    assert ("Jane D." in done.stdout) == ("--show-values" in way)


def test_a_program_hears_the_same(run: Run, desk: Path) -> None:
    told = json.loads(run(*OFFLINE, "--client", "billing", "--json", "--show-values").stdout)
    assert (told["connector"], told["client"], told["refused_for"]) == ("staff", "billing", [])
    app = next(one for one in told["claims"] if one["claim"] == "app")
    assert (app["after"], app["source"]) == ('"billing"', "expression: client.client_id")


def test_a_login_that_would_be_refused_names_the_claim(run: Run, desk: Path) -> None:
    (desk / "said.json").write_text('{"email": "x"}')
    done = run(*OFFLINE)
    assert done.returncode == 0
    assert done.stdout.endswith("no login: name required\n")


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        ((), "a CORRELATION_ID is needed, or --connector and --claims", 2),
        (("--connector", "staff"), "--connector and --claims belong together", 2),
        (("0123456789abcdef", "--show-values"), "of a login no value is kept", 2),
        (("nonsense",), "a correlation id is the 16 letters and digits", 1),
        (("0123456789abcdef",), "nothing is kept of this login", 1),
        (("--connector", "staf", "--claims", "said.json"), "there is no connector staf", 1),
        (("--connector", "staff", "--claims", "said.json", "--client", "x"), "there is no client x", 1),
        (("--connector", "staff", "--claims", "none.json"), "none.json: No such file", 1),
        (("--connector", "staff", "--claims", "broker.yaml"), "broker.yaml: not JSON\n", 1),
    ],
)
def test_a_mistake_is_one_plain_line(
    run: Run, desk: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    done = run("explain", "--config", "broker.yaml", *arguments)
    assert (done.stdout, done.returncode) == ("", code)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_about_mapping_shows_what_the_command_says(run: Run, tmp_path: Path) -> None:
    page = (ROOT / "docs/mapping.md").read_text()
    shown = dict.fromkeys(("yaml", "json", "text"), "")
    for language in shown:
        found = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        shown[language] = found[1] if language == "yaml" else found[0]
    connector = re.findall(r"^```yaml\n(connectors:.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    client = SOUND.partition("clients:\n")[2]
    (tmp_path / "claims").mkdir()
    (tmp_path / "secrets").mkdir(mode=0o700)
    (tmp_path / "secrets/partners").touch(mode=0o600)
    (tmp_path / "secrets/partners").write_text("a secret of the partners")
    (tmp_path / "claims/partners.yaml").write_text(shown["yaml"])
    (tmp_path / "said.json").write_text(shown["json"])
    (tmp_path / "broker.yaml").write_text(
        f"issuer: https://login.acme.example\nstate_dir: state\n{connector}clients:\n{client}"
    )
    (command,) = re.findall(r"^broker (explain .* --claims .*)$", page, re.MULTILINE)
    done = run(*command.split())
    assert (done.stdout, done.stderr) == (shown["text"], "")
