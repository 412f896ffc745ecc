"""Workspaces in the configuration: what each has of its own, what is shared, and where mistakes are told."""

from __future__ import annotations

import json

import pytest

from broker.config.schema import json_schema
from tests.config.desk import SOUND, TYPE, Desk

CONNECTORS = f"{{staff: {{type: {TYPE}, name: Staff, client_id: theirs}}}}"
ACME = f"workspaces:\n  acme:\n    connectors: {CONNECTORS}\n"
KEY = "a store key of at least thirty-two characters"
SHARED = (
    "issuer: https://login.acme.example\n"
    "store: {url: 'redis://127.0.0.1', encryption_keys: ['" + KEY + "']}\n"
    "subject_key: a subject key of at least thirty-two characters\n"
)


def test_a_workspace_is_an_issuer_of_its_own_with_the_machine_of_its_host(desk: Desk) -> None:
    host = desk.load(SOUND + "listen: 127.0.0.1:9000\nlifetimes: {code: 30s}\n" + ACME)
    acme = host.workspaces["acme"]
    assert acme.issuer == "https://login.acme.example/t/acme"
    assert (acme.workspace, host.workspace) == ("acme", "")
    assert acme.connectors["staff"].settings != host.connectors["staff"].settings
    assert not acme.clients_by_id
    assert acme.listen == host.listen
    assert acme.lifetimes == host.lifetimes
    assert acme.store.prefix == "broker:t:acme:"
    assert acme.state_dir == host.state_dir / "workspaces" / "acme"
    assert acme.store.home == host.state_dir, "there is one embedded store"


def test_a_workspace_may_be_a_file_with_pieces_of_its_own(desk: Desk) -> None:
    desk.write("acme/broker.yaml", "include: [apps.yaml]\nlifetimes: {code: 10s}\n")
    desk.write("acme/apps.yaml", f"connectors: {CONNECTORS}\n")
    acme = desk.load(SOUND + "workspaces: {acme: acme/broker.yaml}\n").workspaces["acme"]
    assert list(acme.connectors) == ["staff"]
    assert acme.lifetimes.code == 10


def test_with_a_store_url_each_workspace_has_a_subject_key_that_is_nobody_elses(desk: Desk) -> None:
    own = "    subject_key: another subject key of thirty-two characters\n"
    text = SHARED + ACME + f"  beta:\n    connectors: {CONNECTORS}\n" + own
    host = desk.load(text)
    acme, beta = host.workspaces["acme"], host.workspaces["beta"]
    keys = [one.subject_key.reveal() for one in (host, acme, beta) if one.subject_key is not None]
    assert len(set(keys)) == 3
    assert keys[2] == "another subject key of thirty-two characters"
    again = desk.load(text).workspaces["acme"].subject_key
    assert again is not None
    assert again.reveal() == keys[1], "the same each time, since every sub hangs on it"


@pytest.mark.row("CF-01")
def test_a_mistake_in_a_workspace_is_told_where_it_is_and_once(desk: Desk) -> None:
    desk.write("beta.yaml", "clients:\n  app: {client_name: App, client_secrt: x}\n")
    found = desk.mistakes(
        SOUND
        + "lifetimes: {code: never}\n"
        + ACME
        + "    clints: {}\n    listen: 127.0.0.1:1\n  beta: beta.yaml\n  Bad Name: {}\n  gone: gone.yaml\n"
    )
    assert any(line.startswith("broker.yaml:") and ": lifetimes.code: " in line for line in found), found
    assert sum("lifetimes" in line for line in found) == 1
    told = "\n".join(found)
    assert "workspaces.acme.clints: unknown key; did you mean clients?" in told
    assert "workspaces.acme.listen: this is said once, for the host and all its workspaces" in told
    assert "beta.yaml:2:" in told
    assert "workspaces.beta.clients.app.client_secrt: unknown key; did you mean client_secret?" in told
    assert 'workspaces."Bad Name": the name of a workspace has small letters' in told
    assert "gone.yaml" in told


def test_the_schema_describes_a_workspace_by_the_keys_it_may_have() -> None:
    schema = json_schema()
    one = schema["properties"]["workspaces"]["additionalProperties"]["anyOf"][1]["properties"]
    assert "clients" in one
    assert "connectors" in one
    assert not {"issuer", "listen", "store", "workspaces", "include"} & one.keys()
    assert json.dumps(schema)
