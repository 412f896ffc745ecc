"""`broker clients`: the operator's apps, and those that registered themselves."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from argon2 import PasswordHasher

from broker.config import StoreConfig, load
from broker.connector import Secret
from broker.store import Embedded, Registered, open_store
from tests.cli.conftest import ROOT, Run

KEY = "k" * 43


@pytest.fixture
def config(tmp_path: Path, valkey: Embedded) -> Path:
    document = {
        "issuer": "http://127.0.0.1:8999",
        "include": ["clients.d/*.yaml"],
        "store": {"url": valkey.url, "prefix": f"{tmp_path.name}:", "encryption_keys": [KEY]},
        "subject_key": "s" * 43,
        "connectors": {"members": {"type": "pool", "name": "Members"}},
        "clients": {
            "billing": {
                "client_name": "Billing",
                "client_secret": "x" * 40,
                "redirect_uris": ["https://billing.example/cb"],
                "trusted": True,
            }
        },
    }
    file = tmp_path / "broker.yaml"
    file.write_text(json.dumps(document))
    return file


def stranger(config: Path, valkey: Embedded) -> str:
    """An app that registered itself."""
    now = time.time()
    client = Registered(
        client_id="broker.app.stranger",
        metadata={
            "client_name": "B1lling",
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"],
            "redirect_uris": ["https://stranger.example/"],
        },
        token_digest="x",
        issued_at=now,
        lookalike="Billing",
    )

    async def put() -> None:
        settings = StoreConfig(
            url=valkey.url, prefix=f"{config.parent.name}:", encryption_keys=(Secret(KEY),)
        )
        store = await open_store(settings, config.parent)
        await store.enter_client(client, now=now, ttl=3600, most=10)
        await store.close()

    asyncio.run(put())
    return client.client_id


def test_both_kinds_of_apps_are_listed(run: Run, config: Path, valkey: Embedded) -> None:
    stranger(config, valkey)
    done = run("clients", "list", "--config", str(config))
    assert (done.stderr, done.returncode) == ("", 0)
    first, second = done.stdout.splitlines()
    assert first == "billing: Billing, trusted"
    assert second.startswith("broker.app.stranger: B1lling, registered itself 20")
    assert second.endswith("never used, its name looks like that of Billing")
    rows = json.loads(run("clients", "list", "--config", str(config), "--json").stdout)
    assert [row["origin"] for row in rows] == ["config", "registered"]
    assert "token_digest" not in str(rows)


@pytest.mark.row("RG-13")
def test_an_app_that_registered_itself_is_removed_and_the_operators_is_not(
    run: Run, config: Path, valkey: Embedded
) -> None:
    name = stranger(config, valkey)
    done = run("clients", "remove", name, "--config", str(config))
    assert (done.stdout, done.returncode) == (f"removed: {name}\n", 0)
    done = run("clients", "remove", name, "--config", str(config))
    assert (done.stderr, done.returncode) == (f"broker: no app has registered itself as {name}\n", 1)
    done = run("clients", "remove", "billing", "--config", str(config))
    assert done.returncode == 1
    assert "is in the configuration" in done.stderr


def test_a_new_app_is_written_with_a_secret_of_its_own(run: Run, config: Path) -> None:
    uri = "https://wiki.example/cb"
    done = run(
        "clients", "add", "wiki", "--name", "Wiki", "--redirect-uri", uri, "--config", str(config), "--json"
    )
    assert (done.stderr, done.returncode) == ("", 0)
    told = json.loads(done.stdout)
    assert told["included"] is True
    folder = config.parent / "clients.d"
    assert told["client_secret"] not in (folder / "wiki.yaml").read_text()
    assert (folder / "wiki.secret").read_text().strip() == told["client_secret"]
    assert stat.S_IMODE((folder / "wiki.secret").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "*.secret\n", "the next commit would publish it"
    client = load(config, os.environ).clients_by_id["wiki"]
    assert (client.redirect_uris, client.grant_types) == ((uri,), ("authorization_code", "refresh_token"))
    again = run("clients", "add", "wiki", "--name", "Wiki", "--redirect-uri", uri, "--config", str(config))
    assert (again.stderr, again.returncode) == ("broker: there is a client wiki already\n", 1)


def test_an_app_for_devices_needs_neither_secret_nor_address(run: Run, config: Path) -> None:
    done = run("clients", "add", "tv", "--name", "TV", "--public", "--device", "--config", str(config))
    assert (done.stderr, done.returncode) == ("", 0)
    entry = yaml.safe_load((config.parent / "clients.d" / "tv.yaml").read_text())["clients"]["tv"]
    assert entry == {
        "client_name": "TV",
        "token_endpoint_auth_method": "none",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    }


def test_nothing_is_written_that_the_broker_would_not_take(run: Run, config: Path) -> None:
    uri = "http://wiki.example/cb"
    done = run("clients", "add", "wiki", "--name", "Wiki", "--redirect-uri", uri, "--config", str(config))
    assert done.returncode == 1
    assert "clients.wiki.redirect_uris[0]: must be https" in done.stderr
    assert "nothing was written" in done.stderr
    assert not (config.parent / "clients.d").exists()


def test_a_chosen_secret_is_hashed_and_never_an_argument(run: Run, tmp_path: Path) -> None:
    def hashed(typed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "broker", "clients", "hash"],
            input=typed,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = hashed("a secret that somebody chose\n")
    assert PasswordHasher().verify(done.stdout.strip(), "a secret that somebody chose")
    assert hashed("short\n").returncode == 1
    assert run("clients", "hash", "a secret that somebody chose").returncode == 2
