"""``broker connectors``: upstreams listed, added and looked at, with a provider that really answers."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from broker.cli import connectors_add
from broker.config import load
from broker.config.connectors import installed
from tests.cli.conftest import Run
from tests.fakes.provider import FakeProvider

CONFIG = """\
issuer: http://127.0.0.1:8999
state_dir: state
include: [connectors.d/*.yaml]
outbound: {{ allow_networks: [127.0.0.0/8] }}
connectors:
  staff:
    type: oidc
    name: Staff login
    issuer: {issuer}
    client_id: broker
    client_secret: ${{SECRET}}
  old:
    type: pool
    name: Members
    enabled: false
clients:
  app:
    client_name: App
    client_secret: 0123456789abcdefghijklmnopqrstuvwxyz
    redirect_uris: [https://app.example/]
"""
SECRET = "the-secret-of-the-fake"
README = Path(__file__).parents[2] / "README.md"


@contextmanager
def provider() -> Iterator[FakeProvider]:
    """A provider on a thread of its own, since a command is waited for."""
    started, over = threading.Event(), threading.Event()
    found: list[FakeProvider] = []

    async def serve() -> None:
        async with FakeProvider.running(client_secret=SECRET) as idp:
            found.append(idp)
            started.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield found[0]
    finally:
        over.set()
        thread.join()


@pytest.fixture
def idp() -> Iterator[FakeProvider]:
    with provider() as found:
        yield found


@pytest.fixture
def config(idp: FakeProvider, tmp_path: Path) -> Path:
    path = tmp_path / "broker.yaml"
    path.write_text(CONFIG.format(issuer=idp.issuer))
    return path


def test_list_says_what_there_is_and_what_to_register(run: Run, config: Path) -> None:
    done = run("connectors", "list", "--config", "broker.yaml", SECRET=SECRET)
    assert done.stdout.splitlines() == [
        "staff: oidc, Staff login, http://127.0.0.1:8999/callback/staff",
        "old: pool, Members (disabled)",
    ]
    done = run("connectors", "list", "--json", BROKER_CONFIG="broker.yaml", SECRET=SECRET)
    staff, old = json.loads(done.stdout)
    assert old["redirect_uri"] is None, "a pool has nowhere to register it"
    assert staff == {
        "id": "staff",
        "type": "oidc",
        "name": "Staff login",
        "enabled": True,
        "redirect_uri": "http://127.0.0.1:8999/callback/staff",
        "post_logout_redirect_uri": None,
    }
    config.write_text(config.read_text().replace("type: oidc", "type: oidc\n    upstream_logout: offer", 1))
    done = run("connectors", "list", "--config", "broker.yaml", SECRET=SECRET)
    assert done.stdout.splitlines()[0].endswith("/callback/staff, http://127.0.0.1:8999/signed-out")


OTHERS = """\
  partners:
    type: okta
    name: Partner login
    domain: ${PARTNERS}
    client_id: ${PARTNERS_ID}
    client_secret: ${PARTNERS_SECRET}
clients:
  other:
    client_name: Other
    client_secret: ${OTHER_SECRET}
    redirect_uris: [https://other.example/]
"""
REST = """\
store: { url: redis://127.0.0.1, encryption_keys: ["${STORE_KEY}"] }
subject_key: ${SUBJECT_KEY}
workspaces:
  acme:
    connectors:
      staff: { type: github, name: "${CALLED:-GitHub}", client_id: "${ID}", client_secret: "${SECRET_THERE}" }
"""


def with_others(config: Path) -> str:
    """The configuration, with a great deal more that takes its secrets from the environment."""
    text = config.read_text().replace("clients:\n", OTHERS) + REST
    config.write_text(text)
    return text


def test_list_needs_no_variable_of_anything(run: Run, config: Path) -> None:
    text = with_others(config)
    done = run("connectors", "list", "--config", "broker.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["staff", "old", "partners"]
    done = run("connectors", "list", "--config", "broker.yaml", "--workspace", "acme")
    assert done.stdout == "staff: github, GitHub, http://127.0.0.1:8999/t/acme/callback/staff\n", done.stderr
    config.write_text(text.replace("http://127.0.0.1:8999", "${ISSUER}"))
    done = run("connectors", "list", "--config", "broker.yaml")
    assert done.stdout.splitlines()[0].endswith("${ISSUER}/callback/staff")
    done = run("connectors", "list", "--config", "broker.yaml", "--workspace", "beta")
    assert (done.returncode, done.stdout) == (1, "")
    config.write_text(text.replace("type: okta", "type: otka").replace("enabled: false", "enabled: never"))
    done = run("connectors", "list", "--config", "broker.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "connectors.old.enabled",
        "connectors.partners.type",
    ]


def test_probe_needs_the_variables_of_the_one_upstream_alone(run: Run, config: Path) -> None:
    text = with_others(config)
    done = run("connectors", "probe", "staff", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    done = run("connectors", "probe", "staff", "--config", "broker.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith("connectors.staff.client_secret: the environment has no SECRET")
    done = run("connectors", "probe", "staff", "--config", "broker.yaml", "--workspace", "acme")
    assert {line.split(": ")[1] for line in done.stderr.splitlines()} == {
        "workspaces.acme.connectors.staff.client_id",
        "workspaces.acme.connectors.staff.client_secret",
    }
    config.write_text(text.replace("redis://127.0.0.1", '"${STORE}"'))
    done = run("connectors", "probe", "staff", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, "the environment has no STORE" in done.stderr) == (1, True), (
        "and nothing made up"
    )


def test_probe_says_what_works_and_what_does_not(run: Run, config: Path, idp: FakeProvider) -> None:
    done = run("connectors", "probe", "staff", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert f"✓ issuer: {idp.issuer}" in lines
    assert not any(line.startswith("✗") for line in lines)
    assert SECRET not in done.stdout

    done = run("connectors", "probe", "staff", "--config", "broker.yaml", SECRET="another")
    assert done.returncode == 1
    assert any(line.startswith("✗ our credentials") for line in done.stdout.splitlines())

    idp.switch(jwks="404")
    done = run("connectors", "probe", "staff", "--json", "--config", "broker.yaml", SECRET=SECRET)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    assert {"keys"} <= {one["what"] for one in told["findings"] if one["good"] is False}


def test_probe_of_an_upstream_that_is_away_is_no_traceback(run: Run, config: Path, idp: FakeProvider) -> None:
    idp.switch(down=True)
    done = run("connectors", "probe", "staff", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("✗ metadata")


def test_probe_of_what_is_not_there_names_what_is(run: Run, config: Path) -> None:
    done = run("connectors", "probe", "stuff", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "broker: there is no connector stuff; there are: staff, old\n"


def test_add_writes_looks_and_says_what_to_register(run: Run, config: Path, idp: FakeProvider) -> None:
    settings = ["--issuer", idp.issuer, "--client-id", "broker", "--client-secret", "${SECRET}"]
    more = ["--id", "partners", "--name", "Partner login", "--get-user-info", "--token-audiences", "a", "b"]
    done = run("connectors", "add", "oidc", *settings, *more, "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "written: connectors.d/partners.yaml",
        "redirect URI to register there: http://127.0.0.1:8999/callback/partners",
    ]
    assert f"✓ issuer: {idp.issuer}" in lines
    written = yaml.safe_load((config.parent / "connectors.d" / "partners.yaml").read_text())
    assert written["connectors"]["partners"] == {
        "type": "oidc",
        "name": "Partner login",
        "issuer": idp.issuer,
        "client_id": "broker",
        "client_secret": "${SECRET}",
        "get_user_info": True,
        "token_audiences": ["a", "b"],
    }
    assert "partners" in load(config, {"SECRET": SECRET}).connectors


def test_add_needs_no_credentials_before_there_are_any(run: Run, config: Path) -> None:
    arguments = ["--domain", "acme.okta.com", "--config", "broker.yaml", "--no-probe"]
    done = run("connectors", "add", "okta", *arguments, SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("callback/okta\n")
    assert done.stderr.startswith("before it serves, set OKTA_CLIENT_ID, OKTA_CLIENT_SECRET")
    entry = yaml.safe_load((config.parent / "connectors.d" / "okta.yaml").read_text())["connectors"]["okta"]
    assert entry == {
        "type": "okta",
        "name": "Okta",
        "client_id": "${OKTA_CLIENT_ID}",
        "client_secret": "${OKTA_CLIENT_SECRET}",
        "domain": "acme.okta.com",
    }


def test_the_first_steps_of_the_readme_lead_to_one_more_upstream(run: Run) -> None:
    (line,) = re.findall(r"^broker (connectors add .+?)(?: +#.*)?$", README.read_text("utf-8"), re.MULTILINE)
    assert run("init", "my-broker").returncode == 0
    done = run(*shlex.split(line), "--no-probe")
    assert done.returncode == 0, done.stderr
    assert "does not include it" not in done.stderr
    (unset,) = re.findall(r"set (.+?), or write", done.stderr)
    set_now = dict.fromkeys(unset.split(", "), SECRET)
    checked = run("check", "my-broker/broker.yaml", **set_now)
    assert checked.stdout == "my-broker/broker.yaml: ok: 2 connectors, 1 client, 6 scopes\n"


def test_one_is_added_while_another_still_waits_for_its_credentials(run: Run, config: Path) -> None:
    common = ["--config", "broker.yaml", "--no-probe"]
    assert run("connectors", "add", "github", *common, SECRET=SECRET).returncode == 0
    done = run("connectors", "add", "okta", "--domain", "acme.okta.com", *common, SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("before it serves, set OKTA_CLIENT_ID, OKTA_CLIENT_SECRET, or")
    again = run("connectors", "add", "github", *common, SECRET=SECRET)
    assert again.stderr == "broker: there is a connector github already; --id gives this one another name\n"
    config.write_text(config.read_text().replace("127.0.0.1:8999", "${NOWHERE}"))
    done = run("connectors", "add", "gitlab", *common, SECRET=SECRET)
    assert (done.returncode, "issuer" in done.stderr) == (1, True), "a variable that matters is still told"


def test_add_answers_a_program_in_json(run: Run, config: Path) -> None:
    arguments = ["--domain", "acme.okta.com", "--config", "broker.yaml", "--no-probe", "--json"]
    done = run("connectors", "add", "okta", *arguments, SECRET=SECRET, OKTA_CLIENT_ID="x")
    assert json.loads(done.stdout) == {
        "file": "connectors.d/okta.yaml",
        "id": "okta",
        "type": "okta",
        "redirect_uri": "http://127.0.0.1:8999/callback/okta",
        "included": True,
        "unset": ["OKTA_CLIENT_SECRET"],
        "findings": [],
    }


def test_add_says_when_the_configuration_does_not_reach_the_file(run: Run, config: Path) -> None:
    config.write_text(config.read_text().replace("include: [connectors.d/*.yaml]\n", ""))
    arguments = ["--domain", "acme.okta.com", "--config", "broker.yaml", "--no-probe"]
    done = run("connectors", "add", "okta", *arguments, SECRET=SECRET)
    assert done.returncode == 0
    assert "broker.yaml does not include it yet; add there: include: [connectors.d/*.yaml]" in done.stderr


def test_add_never_overwrites(run: Run, config: Path) -> None:
    folder = config.parent / "connectors.d"
    folder.mkdir()
    (folder / "okta.yaml").write_text("# mine\n")
    arguments = ["--domain", "acme.okta.com", "--config", "broker.yaml", "--no-probe"]
    for more in ([], ["--id", "staff"]):
        done = run("connectors", "add", "okta", *arguments, *more, SECRET=SECRET)
        assert (done.returncode, done.stdout) == (1, "")
        assert "already" in done.stderr
    assert (folder / "okta.yaml").read_text() == "# mine\n"
    assert [path.name for path in folder.iterdir()] == ["okta.yaml"]


def test_add_takes_no_secret_as_an_argument(run: Run, config: Path) -> None:
    arguments = ["--domain", "acme.okta.com", "--client-secret", "in-the-open", "--config", "broker.yaml"]
    done = run("connectors", "add", "okta", *arguments, SECRET=SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "broker: --client-secret: a secret is no argument; give file:PATH, or '${NAME}'\n"
    assert not (config.parent / "connectors.d").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--domain", "https://acme.okta.com"], "connectors.okta.domain: "),
        (["--domain", "acme.okta.com", "--scope", "profile"], "connectors.okta.scope: must contain openid"),
        (["--domain", "acme.okta.com", "--id", "a/b"], "--id: "),
        (
            ["--domain", "acme.okta.com", "--client-secret", "file:/nowhere"],
            "connectors.okta.client_secret: ",
        ),
    ],
)
def test_add_writes_nothing_that_the_broker_would_not_take(
    run: Run, config: Path, arguments: list[str], said: str
) -> None:
    done = run("connectors", "add", "okta", *arguments, "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert not (config.parent / "connectors.d").exists()


def test_add_asks_for_what_is_needed_and_tells_the_settings_of_a_type(run: Run, config: Path) -> None:
    done = run("connectors", "add", "okta", "--config", "broker.yaml", SECRET=SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("--domain is needed\n")
    done = run("connectors", "add", "okta", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--authorization-server-id" in done.stdout
    done = run("connectors", "add", "otka", "--config", "broker.yaml", SECRET=SECRET)
    assert done.stderr.startswith("broker: otka: unknown type; did you mean okta?")


def test_every_kind_of_upstream_has_words_for_its_button() -> None:
    assert {kind for kind in installed() if kind not in connectors_add._NAMES} == set()


def test_add_takes_nested_settings_as_yaml(run: Run, config: Path) -> None:
    search = "{base_dn: 'ou=people,dc=acme', filter: '(objectClass=person)', username_attribute: [uid]}"
    arguments = ["--url", "ldaps://ldap.acme.example", "--user-search", search, "--config", "broker.yaml"]
    done = run("connectors", "add", "ldap", *arguments, "--no-probe", SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "written: connectors.d/ldap.yaml\n", "there is nowhere to register a redirect URI"
    entry = yaml.safe_load((config.parent / "connectors.d" / "ldap.yaml").read_text())["connectors"]["ldap"]
    assert entry["user_search"]["username_attribute"] == ["uid"]
    assert entry["url"] == ["ldaps://ldap.acme.example"]
