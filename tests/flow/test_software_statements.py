"""Software statements: what somebody trusted says of an app wins over what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.jose import SigningKey, sign
from tests.flow.broker import Broker
from tests.flow.conftest import Start
from tests.flow.registering import APP, STRANGER, call, register

KEY, OTHER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
ISSUER = "https://federation.example"

Begin = Callable[..., Any]


@pytest.fixture
def begin(start: Start, tmp_path: Path) -> Begin:
    async def begun(**changes: Any) -> Broker:
        (tmp_path / "statements.json").write_text(json.dumps({"keys": [KEY.public_jwk()]}))
        issuers = {ISSUER: {"jwks": "statements.json"}}
        said = {"policy": "open", "software_statement_issuers": issuers, "per_address": 1000}
        return await start(top={"registration": said | changes})

    return begun


def statement(broker: Broker, key: SigningKey = KEY, *, typ: str = "JWT", **claims: Any) -> str:
    said = {
        "iss": ISSUER,
        "iat": int(broker.clock()),
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "client_name": "Attested name",
        "redirect_uris": [STRANGER],
    } | claims
    return sign(key, {name: value for name, value in said.items() if value is not None}, typ=typ)


@pytest.mark.row("RG-14")
@pytest.mark.standard("RFC 7591", "§2.3 a software statement takes precedence")
async def test_what_the_statement_says_wins_and_is_told_back(begin: Begin) -> None:
    broker = await begin()
    text = statement(broker, aud=broker.issuer, exp=int(broker.clock()) + 60)
    told = await register(
        broker,
        software_statement=text,
        client_name="Chosen name",
        redirect_uris=["https://attacker.example/cb"],
    )
    assert told.status == 201
    assert told.body["client_name"] == "Attested name"
    assert told.body["redirect_uris"] == [STRANGER]
    assert told.body["software_id"] == "4NRB1-0XZABZI9E6-5SM3R"
    assert told.body["software_statement"] == text
    assert not {"iss", "iat", "aud", "exp"} & set(told.body)


@pytest.mark.row("RG-14")
async def test_a_change_without_the_statement_cannot_undo_it(begin: Begin) -> None:
    broker = await begin()
    told = await register(broker, software_statement=statement(broker))
    body = APP | {
        "client_id": told.body["client_id"],
        "client_name": "Chosen name",
        "redirect_uris": ["https://attacker.example/cb"],
        "tos_uri": "https://stranger.example/tos",
    }
    changed = await call("PUT", told.uri, token=told.token, body=body)
    assert changed.status == 200
    assert changed.body["client_name"] == "Attested name"
    assert changed.body["redirect_uris"] == [STRANGER]
    assert changed.body["tos_uri"] == "https://stranger.example/tos"
    newer = statement(broker, client_name="Attested anew")
    changed = await call("PUT", told.uri, token=told.token, body=body | {"software_statement": newer})
    assert changed.body["client_name"] == "Attested anew"


@pytest.mark.standard("RFC 7592", "§2.2 an update says again what the answer before it said")
async def test_a_change_says_the_statement_again_also_when_that_has_expired(begin: Begin) -> None:
    broker = await begin(require_software_statement=True)
    told = await register(
        broker, software_statement=statement(broker, exp=int(broker.clock()) + 60), software_version="1"
    )
    broker.clock.forward(3600)
    told_again = await call("GET", told.uri, token=told.token)
    body = told_again.body | {"software_version": "2", "client_name": "Chosen name"}
    changed = await call("PUT", told.uri, token=told.token, body=body)
    assert changed.status == 200, changed.body
    assert (changed.body["software_version"], changed.body["client_name"]) == ("2", "Attested name")
    other = statement(broker, exp=int(broker.clock()) - 60)
    refused = await call("PUT", told.uri, token=told.token, body=body | {"software_statement": other})
    assert refused.body["error"] == "invalid_software_statement"


@pytest.mark.row("RG-14")
@pytest.mark.parametrize(
    "make",
    [
        lambda b: statement(b, OTHER),
        lambda b: statement(b, iss="https://nobody.example"),
        lambda b: statement(b, iss=None),
        lambda b: statement(b).rpartition(".")[0] + ".",
        lambda b: "eyJhbGciOiJub25lIn0." + statement(b).split(".")[1] + ".",
        lambda b: statement(b, exp=int(b.clock()) - 60),
        lambda b: statement(b, nbf=int(b.clock()) + 60),
        lambda b: statement(b, iat=int(b.clock()) + 60),
        lambda b: statement(b, exp="soon"),
        lambda b: statement(b, aud="https://another-broker.example"),
        lambda b: statement(b, typ="at+jwt"),
        lambda _: "rubbish",
        lambda _: 7,
        lambda _: "x" * 20_000,
    ],
)
async def test_a_statement_of_nobody_we_trust_or_for_others_is_none(begin: Begin, make: Any) -> None:
    broker = await begin()
    told = await register(broker, software_statement=make(broker))
    assert (told.status, told.body["error"]) == (400, "invalid_software_statement")


@pytest.mark.row("RG-14")
async def test_what_the_statement_says_is_held_against_the_same_rules(begin: Begin) -> None:
    broker = await begin()
    told = await register(broker, software_statement=statement(broker, redirect_uris=["javascript:alert(1)"]))
    assert told.body["error"] == "invalid_redirect_uri"
    told = await register(broker, software_statement=statement(broker, trusted=True))
    assert "trusted" not in told.body


@pytest.mark.standard("RFC 7591", "§3.2.2 unapproved_software_statement")
async def test_where_one_is_required_nobody_registers_without(begin: Begin) -> None:
    broker = await begin(require_software_statement=True)
    told = await register(broker)
    assert (told.status, told.body["error"]) == (400, "unapproved_software_statement")
    assert (await register(broker, software_statement=statement(broker))).status == 201


async def test_keys_that_cannot_be_had_now_are_not_held_against_the_app(begin: Begin) -> None:
    broker = await begin(software_statement_issuers={ISSUER: {"jwks_uri": "http://127.0.0.1:9/jwks"}})
    told = await register(broker, software_statement=statement(broker))
    assert (told.status, told.body["error"]) == (503, "temporarily_unavailable")
