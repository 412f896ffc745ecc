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
