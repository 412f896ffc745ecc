"""Every command of docs/grants.md does what the page says, with the configuration of the page."""

from __future__ import annotations

import json
import re
import shlex
import time
from typing import Any

import pytest
import yaml
from aiohttp import web

from broker.jose import SigningKey, sign
from tests.demo.documents import blocks
from tests.flow.broker import CALLBACK, SECRET, Broker, Browser, claims
from tests.flow.machines import SCOPES, basic, introspected
from tests.serving import serving

PAGE = "docs/grants.md"
KEY = SigningKey.generate("ES256")
SHOWN = "https://login.acme.example"
WHOLE, UPSTREAM, *_ = [yaml.safe_load(block.text) for block in blocks("yaml") if block.document == PAGE]
COMMANDS = [line for block in blocks("sh") if block.document == PAGE for line in block.lines if line.strip()]
ANSWERS = [json.loads(block.text) for block in blocks("json") if block.document == PAGE]


@pytest.fixture
async def jwks():
    """Where the builds publish their keys."""

    async def serve(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.public_jwk()]})

    async with serving(serve, "/jwks") as origin:
        yield f"{origin}/jwks"


@pytest.fixture
async def broker(start, jwks) -> Broker:
    """The configuration of the page; only where keys and people are is the test's."""
    clients = {
        name: {"redirect_uris": None, "scope": "openid"} | entry | {"client_secret": SECRET}
        for name, entry in {**WHOLE["clients"], **UPSTREAM["clients"]}.items()
    }
    clients["portal"] |= {"connectors": ["staff"]}
    issuers = {name: one | {"jwks_uri": jwks} for name, one in WHOLE["assertion_issuers"].items()}
    return await start(
        top={"scopes": SCOPES | WHOLE["scopes"], "assertion_issuers": issuers},
        connector={"give_token": True},
        clients=clients,
    )


def command(part: str) -> list[str]:
    """The one command of the page that has this in it, word by word."""
    (found,) = [line for line in COMMANDS if part in line]
    return shlex.split(found)


async def run(browser: Browser, words: list[str], **variables: str) -> dict[str, Any]:
    """What curl would do with it."""
    client, form, url, rest = "", [], "", words[1:]
    while rest:
        word = rest.pop(0)
        if word == "-u":
            client, _, secret = rest.pop(0).partition(":")
            assert secret == f"${client.upper()}_SECRET"
        elif word == "-d":
            name, _, value = rest.pop(0).partition("=")
            form.append((name, re.sub(r"\$(\w+)", lambda found: variables[found[1]], value)))
        else:
            url = word.replace(SHOWN, browser.broker.issuer)
    async with browser.session.post(url, data=form, headers=basic(client)) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status == 200, told
        return told


async def token_of(browser: Browser, client: str) -> str:
    """The access token of a person who signs in at this app."""
    entry = {**WHOLE["clients"], **UPSTREAM["clients"]}[client]
    redirect_uri = entry["redirect_uris"][0]
    scope = "openid invoices.read" if client == "billing" else "openid"
    landed = await browser.login(client_id=client, redirect_uri=redirect_uri, scope=scope)
    _, tokens = await browser.token(landed.code, client=client, redirect_uri=redirect_uri)
    return str(tokens["access_token"])


async def test_a_machine_asks_for_itself(broker: Broker) -> None:
    async with broker.browser() as browser:
        told = await run(browser, command("client_credentials"))
        assert told.keys() == ANSWERS[0].keys()
        assert {n: told[n] for n in told if n != "access_token"} == {
            n: ANSWERS[0][n] for n in told if n != "access_token"
        }
        said = claims(told["access_token"])
        assert (said["sub"], said["client_id"]) == ("nightly", "nightly")


async def test_a_machine_brings_somebodys_word(broker: Broker) -> None:
    now = int(time.time())
    said = {"iss": "https://builds.acme.example", "sub": "build-7", "aud": broker.issuer, "exp": now + 250}
    async with broker.browser() as browser:
        told = await run(browser, command("jwt-bearer"), ASSERTION=sign(KEY, said, typ="JWT"))
    assert told["scope"] == "invoices.read"


async def test_a_gateway_asks_for_a_token_for_the_api_behind_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await token_of(browser, "billing")
        told = await run(browser, command("audience=https://api"), TOKEN=first)
        assert told.keys() == ANSWERS[1].keys()
        said = claims(told["access_token"])
        assert said["act"] == {"sub": "gateway"}
        assert said["sub"] == claims(first)["sub"]
        assert (await introspected(browser, told["access_token"], "invoices-api"))["active"] is True


async def test_a_portal_asks_for_the_upstreams_token(broker: Broker) -> None:
    words = [word.replace("connector:github", "connector:staff") for word in command("connector:github")]
    async with broker.browser() as browser:
        told = await run(browser, words, TOKEN=await token_of(browser, "portal"))
    assert told["access_token"] in broker.idp.access_tokens


def test_every_command_of_the_page_is_run() -> None:
    assert len(COMMANDS) == 4
    assert CALLBACK not in str(WHOLE)
