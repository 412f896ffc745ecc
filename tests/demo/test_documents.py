"""Everything that README and docs show works as it stands there."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import RSAKey

from broker import config
from broker.cli import COMMANDS
from broker.mapping import check_expressions, compile_map
from tests.demo.documents import ROOT, Block, blocks, configuration, environment

YAML = blocks("yaml")
PYTHON = blocks("python")


def _named(found: list[Block]) -> Any:
    return pytest.mark.parametrize("block", found, ids=str)


@pytest.fixture
def mycompany(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package `mycompany`, with every connector that the documents show."""
    package = tmp_path / "path" / "mycompany"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for block in PYTHON:
        first = block.text.partition("\n")[0]
        if first.startswith('"""') and "class Connector" in block.text:
            (package / f"{first.strip(chr(34)).split()[0].lower()}.py").write_text(block.text)
    monkeypatch.syspath_prepend(str(package.parent))
    config.connectors.load_module.cache_clear()
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "mycompany"]:
        del sys.modules[name]
    config.connectors.load_module.cache_clear()


# Those of the connectors' pages are loaded by tests/connectors/test_examples.py.
CONFIGURATIONS = [block for block in YAML if not block.document.startswith("docs/connectors/")]


@_named([block for block in CONFIGURATIONS if "claims" not in yaml.safe_load(block.text)])
def test_a_configuration_that_is_shown_can_be_loaded(block: Block, tmp_path: Path, mycompany: Path) -> None:
    path = configuration(tmp_path, block.text)
    loaded = config.load(path, environment(block.text))
    assert set(yaml.safe_load(block.text).get("clients", {})) <= set(loaded.clients_by_id)
    assert set(yaml.safe_load(block.text).get("connectors", {})) <= set(loaded.connectors)


@_named([block for block in YAML if "claims" in yaml.safe_load(block.text)])
def test_a_claims_map_that_is_shown_can_be_compiled(block: Block) -> None:
    claims_map = compile_map(yaml.safe_load(block.text))
    assert claims_map.claims
    assert check_expressions(claims_map) == []


@_named([block for block in PYTHON if "class Connector" in block.text])
def test_a_connector_that_is_shown_is_one(block: Block, mycompany: Path) -> None:
    name = block.text.partition("\n")[0].strip('"').split()[0].lower()
    module = config.connectors.load_module(f"mycompany.{name}")
    assert compile_map(yaml.safe_load(module.CLAIMS)).claims


def test_forty_lines_are_forty_lines_in_both_places() -> None:
    shown = [block.text for block in PYTHON if block.text.startswith('"""Forge')]
    assert len(shown) == 2
    assert shown[0] == shown[1]
    body = shown[0].partition("CLAIMS = ")[2].splitlines()
    assert len([line for line in body if line.strip()]) <= 42


# ── docs/verify-access-tokens.md ──────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
def checker(key: RSAKey) -> dict[str, Any]:
    """The names that the document's program defines, with an issuer that answers without a network."""
    block, _ = [block for block in PYTHON if block.document.endswith("verify-access-tokens.md")]
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)
    issuer = names["ISSUER"]
    answers = {
        f"{issuer}/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"},
        f"{issuer}/jwks": {"keys": [key.as_dict(private=False)]},
    }
    names["urlopen"] = lambda url, timeout: BytesIO(json.dumps(answers[url]).encode())
    return names


@pytest.mark.standard("RFC 9728", "§3.1 the document of an API, as it is shown")
def test_the_shown_document_of_an_api_is_what_apps_read() -> None:
    _, block = [block for block in PYTHON if block.document.endswith("verify-access-tokens.md")]
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)
    api = names["api"]
    assert api.well_known == "/.well-known/oauth-protected-resource/notes"
    assert api.document()["authorization_servers"] == ["https://login.acme.example"]
    assert api.challenge().startswith("Bearer resource_metadata=")


def _token(key: RSAKey, checker: dict[str, Any], typ: str = "at+jwt", **changes: object) -> str:
    claims = {
        "iss": checker["ISSUER"], "aud": checker["AUDIENCE"], "sub": "s", "exp": int(time.time()) + 60,
        "scope": "openid invoices.read", **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": typ}, claims, key)


def test_the_shown_check_lets_a_good_token_in(key: RSAKey, checker: dict[str, Any]) -> None:
    assert checker["check"](_token(key, checker), "invoices.read")["sub"] == "s"
    several = _token(key, checker, aud=["https://other.example", checker["AUDIENCE"]])
    assert checker["check"](several, "invoices.read")["sub"] == "s"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://x.example"},
        {"aud": "https://x.example"},
        {"exp": 1},
        {"typ": "JWT"},
        {"cnf": {"jkt": "x"}},
    ],
)
def test_the_shown_check_lets_no_other_token_in(
    key: RSAKey, checker: dict[str, Any], wrong: dict[str, Any]
) -> None:
    with pytest.raises(checker["NotGood"], match="invalid_token"):
        checker["check"](_token(key, checker, **wrong), "invoices.read")


def test_the_shown_check_knows_a_forgery_and_a_missing_scope(key: RSAKey, checker: dict[str, Any]) -> None:
    stranger = RSAKey.generate_key(2048, parameters={"kid": key.kid})
    for token in (_token(stranger, checker), "x.y.z", ""):
        with pytest.raises(checker["NotGood"], match="invalid_token"):
            checker["check"](token, "invoices.read")
    with pytest.raises(checker["NotGood"], match="insufficient_scope"):
        checker["check"](_token(key, checker, scope="openid"), "invoices.read")


# ── Words ─────────────────────────────────────────────────────────────────────────────────────


def _shown_commands() -> Iterator[tuple[str, list[str]]]:
    """Every `broker …` of the documents with where it stands: in a block for a shell, or in running text."""
    for block in blocks("sh"):
        for line in block.lines:
            yield f"{block}: {line}", shlex.split(line, comments=True)
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for line in re.findall(r"`(broker [^`\n]+)`", path.read_text("utf-8")):
            yield f"{path.name}: {line}", shlex.split(line)
    for path in (ROOT / "config" / "broker.yaml", ROOT / "broker/cli/starter/broker.yaml.template"):
        for line in re.findall(r"^# +(broker .+?)  |`(broker [^`]+)`", path.read_text("utf-8"), re.MULTILINE):
            yield f"{path.name}: {line}", shlex.split("".join(line))


def _understood(words: list[str]) -> bool:
    """Whether the command's own parser takes these arguments, up to where the shell takes over."""
    ours = list(takewhile(lambda word: word not in {">", "|", "&&", ";"}, words))
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    import_module(f"broker.cli.{ours[0]}").register(parser.add_subparsers())
    try:
        parser.parse_args(ours)
    except (SystemExit, argparse.ArgumentError):
        return False
    return True


SHOWN = [(where, words[1:]) for where, words in _shown_commands() if words[:1] == ["broker"]]


@pytest.mark.parametrize(("where", "words"), SHOWN, ids=[where for where, _ in SHOWN])
def test_every_command_that_is_shown_is_understood(where: str, words: list[str]) -> None:
    assert words[0] in COMMANDS, where
    assert _understood(words), where


def test_a_command_that_is_shown_wrongly_would_be_noticed() -> None:
    assert len(SHOWN) > 10
    assert _understood(shlex.split("consents withdraw SUBJECT --client billing --config broker.yaml"))
    assert not _understood(shlex.split("consents withdraw SUBJECT billing --config broker.yaml"))
    assert not _understood(shlex.split("schema --loud > schema.json"))


def test_every_target_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks("sh"):
        for line in block.lines:
            words = shlex.split(line, comments=True)
            assert words[:1] != ["make"] or words[1] in targets, f"{block}: {line}"


def test_every_file_that_is_linked_exists() -> None:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
            assert "://" in target or (path.parent / target).exists(), f"{path.name}: {target}"


def _anchors(path: Path) -> set[str]:
    """What a heading of a document can be linked by."""
    heads = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_heading_that_is_linked_exists() -> None:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text("utf-8")):
            assert anchor in _anchors((path.parent / target) if target else path), (
                f"{path}: {target}#{anchor}"
            )


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)", (ROOT / "README.md").read_text("utf-8")))
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")}
    assert pages - linked == set()


def test_the_readme_denies_nothing_that_the_broker_offers() -> None:
    denied = (
        (ROOT / "README.md").read_text("utf-8").partition("does not do these yet:")[2].partition("\n\n")[0]
    )
    assert denied
    offered = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("## [0.1.0]")[0]
    for name in re.findall(r"\b(?:[A-Z]{3,}|DPoP|[a-z]+_[a-z_]+|[a-z]+-channel)\b", denied):
        assert name not in offered, name


def test_every_event_of_the_log_is_described() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "broker").rglob("*.py"))
    events = set(re.findall(r'(?:\bemit\(\s*|\bMishaps\([\w.]+, )"(\w+)"', source))
    assert {"login", "outbox", "worker"} < events
    page = (ROOT / "docs/operate.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)
    assert events - {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set()


def test_the_rooms_of_the_house_are_those_that_are_described() -> None:
    told = (ROOT / "docs/architecture.md").read_text("utf-8").partition("## The floors")[2]
    rows = [row.split("|")[2] for row in told.splitlines() if row.startswith("| ") and "`" in row]
    rooms = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    there = {f"broker/{path.name}" for path in (ROOT / "broker").iterdir() if (path / "__init__.py").exists()}
    there |= {f"broker/{path.name}" for path in (ROOT / "broker").glob("[!_]*.py")}
    assert rooms == there | {"connectors"}


def test_what_the_picture_of_a_login_names_is_there() -> None:
    picture = (ROOT / "docs/architecture.md").read_text("utf-8").split("```")[1]
    named = re.findall(r"\b((?:endpoints|protocol)(?:\.\w+)+)", picture)
    assert len(named) > 8
    for name in named:
        module, _, last = f"broker.{name}".rpartition(".")
        assert hasattr(import_module(module), last) or find_spec(f"broker.{name}"), name


def test_what_toml_is_shown_is_toml() -> None:
    for block in blocks("toml"):
        assert tomllib.loads(block.text)
