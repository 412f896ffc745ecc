"""`broker consents`: what an operator sees of a person's consent, and where each thing was allowed."""

from __future__ import annotations

import time

import pytest

from broker.protocol.flow import ConsentAt
from broker.store import Embedded, Store
from tests.cli.test_sessions import Commands
from tests.store.samples import NOW, consent

LEDGER, INVOICES = "https://ledger.example", "https://invoices.example"


@pytest.fixture
def commands(tmp_path, valkey: Embedded) -> Commands:
    return Commands(tmp_path, valkey)


async def allow(store: Store) -> None:
    at = {
        LEDGER: ConsentAt(name="Ledger", granted=("read",), refused=("write",), since=NOW),
        INVOICES: ConsentAt(name="Invoices", granted=(), since=NOW),
    }
    given = consent("app", granted=("email",), refused=(), at=at, expires_at=time.time() + 3600)
    await store.change_consent("ada", "app", lambda _before: given, 3600)


def test_a_consent_is_listed_with_each_api_that_it_is_about(commands: Commands) -> None:
    commands.in_store(allow)
    shown = commands("consents", "list", "ada").stdout.splitlines()
    assert [line.partition(", since ")[0] for line in shown] == [
        "app: email",
        f"  at {LEDGER}: read (not write)",
        f"  at {INVOICES}: nothing",
    ]
    (told,) = commands.told("consents", "list", "ada")
    assert told["at"] == {
        LEDGER: {"granted": ["read"], "refused": ["write"], "since": NOW},
        INVOICES: {"granted": [], "refused": [], "since": NOW},
    }


def test_what_an_app_may_do_at_one_api_is_withdrawn_and_the_rest_stays(commands: Commands) -> None:
    commands.in_store(allow)
    of_app = ("consents", "withdraw", "ada", "--client", "app")
    assert commands.told(*of_app, "--at", LEDGER) == {"withdrawn": ["app"]}
    (told,) = commands.told("consents", "list", "ada")
    assert (list(told["at"]), told["granted"]) == ([INVOICES], ["email"])
    again = commands(*of_app, "--at", LEDGER)
    assert again.returncode == 1
    assert f"this person has allowed app nothing at {LEDGER}" in again.stderr
    assert commands(*of_app, "--at", INVOICES).stdout == f"withdrawn: app at {INVOICES}\n"
    everything = commands("consents", "withdraw", "ada", "--all", "--at", LEDGER)
    assert everything.returncode == 2
    assert "--at goes with --client" in everything.stderr
