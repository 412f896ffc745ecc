"""The example API as it stands: an app that knows nothing but its URL finds its way to a token for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.flow.broker import CHALLENGE, VERIFIER, Broker, claims
from tests.flow.conftest import Start
from tests.flow.proofs import Prover
from tests.interop.processes import free_port, running

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "examples" / "notes_api.py"
APP = "http://127.0.0.1/cb"


@dataclass
class Notes:
    """The API, and the broker whose tokens it takes."""

    url: str
    broker: Broker

    async def call(
        self, token: str | None = None, *, scheme: str = "Bearer", **headers: str
    ) -> tuple[int, Any, str]:
        if token is not None:
            headers["Authorization"] = f"{scheme} {token}"
        async with aiohttp.ClientSession() as session, session.get(self.url, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("WWW-Authenticate", "")


@pytest.fixture
async def notes(start: Start) -> AsyncIterator[Notes]:
    async with Serving(start) as one:
        yield one


class Serving:
    """The API on a port, as an operator starts it."""

    def __init__(self, start: Start, **env: str) -> None:
        self._start, self._port, self._env = start, free_port(), env

    async def __aenter__(self) -> Notes:
        url = f"http://127.0.0.1:{self._port}/notes"
        top = {
            "resources": {
                url: {"name": "Your notes", "scope": "notes.read notes.write"},
                "https://other.example/": {"name": "Another API", "scope": "notes.read"},
            },
            "scopes": {
                "notes.read": {"description": "Read your notes"},
                "notes.write": {"description": "Write notes for you"},
                "groups": {"description": "See your groups"},
            },
            "registration": {"policy": "open", "scope": "openid offline_access notes.read notes.write"},
        }
        broker = await self._start(top=top)
        env = {"ISSUER": broker.issuer, "RESOURCE": url, "PORT": str(self._port), "PYTHONPATH": str(ROOT)}
        self._running = running(ROOT / ".venv/bin/python", EXAMPLE, env=env | self._env)
        talking = await self._running.__aenter__()
        await talking.says("listening")
        return Notes(url, broker)

    async def __aexit__(self, *what: object) -> None:
        await self._running.__aexit__(*what)


async def read(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.json()


async def tokens(notes: Notes, prover: Prover | None = None, **changes: str | None) -> dict[str, Any]:
    """From nothing but the URL of the API to a token for it."""
    status, _, challenge = await notes.call()
    assert status == 401
    assert "error" not in challenge
    assert 'scope="notes.read"' in challenge  # what to ask for, and no more
    where = challenge.partition('resource_metadata="')[2].partition('"')[0]
    resource = await read(where)
    assert resource["resource"] == notes.url
    (issuer,) = resource["authorization_servers"]
    server = await read(f"{issuer}/.well-known/oauth-authorization-server")
    assert server["issuer"] == issuer
    async with aiohttp.ClientSession() as session:
        metadata = {
            "client_name": "Notes app",
            "redirect_uris": [APP],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }
        async with session.post(server["registration_endpoint"], json=metadata) as answer:
            client_id = (await answer.json())["client_id"]
    asked = {
        "client_id": client_id,
        "redirect_uri": APP.replace("127.0.0.1", "127.0.0.1:51000"),
        "scope": " ".join(resource["scopes_supported"]),
        "resource": notes.url,
        "code_challenge": CHALLENGE,
    } | changes
    async with notes.broker.browser() as browser:
        landed = await browser.login(**asked)
    assert landed.params["iss"] == issuer
    form = {
        "grant_type": "authorization_code",
        "code": landed.code,
        "redirect_uri": asked["redirect_uri"],
        "client_id": client_id,
        "code_verifier": VERIFIER,
    }
    headers = {} if prover is None else {"DPoP": prover.proof()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(server["token_endpoint"], data=form, headers=headers) as answer,
    ):
        found: dict[str, Any] = json.loads(await answer.read())
        assert answer.status == 200, found
        return found


@pytest.mark.standard("RFC 9728", "§5 from a 401 to a token, by an app that registers itself")
@pytest.mark.standard("RFC 9068", "§4 an API checks the token by itself")
async def test_an_app_that_knows_only_the_url_of_an_api_gets_there(notes: Notes) -> None:
    token = (await tokens(notes))["access_token"]
    assert await notes.call(token) == (200, {"notes": []}, "")
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(notes.url, json={"note": "Buy rope"}, headers=headers) as answer:
            assert answer.status == 201
    assert await notes.call(token) == (200, {"notes": ["Buy rope"]}, "")


@pytest.mark.standard("RFC 6750", "§3.1 what an API answers to tokens that are not good there")
async def test_what_is_not_good_there_is_told_apart(notes: Notes) -> None:
    found = await tokens(notes, scope="openid notes.write")
    status, _, challenge = await notes.call(found["access_token"])
    assert status == 403
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="notes.read"' in challenge
    elsewhere = await tokens(notes, scope="openid notes.read", resource="https://other.example/")
    forged = found["access_token"][:-4] + "AAAA"
    for token in (found["id_token"], elsewhere["access_token"], forged, "rubbish", "a.b.c"):
        status, _, challenge = await notes.call(token)
        assert status == 401
        assert 'error="invalid_token"' in challenge
        assert "resource_metadata=" in challenge


@pytest.mark.standard("RFC 6749", "§3.3 a request that names an API and no scope")
async def test_an_app_that_asks_for_no_scope_learns_at_the_api_which_it_needs(notes: Notes) -> None:
    found = await tokens(notes, scope=None)
    said = claims(found["access_token"])
    assert (said["aud"], said["scope"]) == (notes.url, "")
    assert not {"id_token", "refresh_token"} & found.keys()
    status, _, challenge = await notes.call(found["access_token"])
    assert (status, 'error="insufficient_scope"' in challenge) == (403, True)
    assert 'scope="notes.read"' in challenge
    assert (await notes.call((await tokens(notes, scope="notes.read"))["access_token"]))[0] == 200


@pytest.mark.standard("RFC 9449", "§4.2 a proof holds the whole key, also a long one")
async def test_a_key_of_any_kind_proves_a_token(start: Start) -> None:
    async with Serving(start, DPOP="1") as notes:
        for alg in ("PS256", "ES256", "EdDSA"):
            prover = Prover(notes.broker, alg)
            token = (await tokens(notes, prover))["access_token"]
            proof = prover.proof(method="GET", token=token, htu=notes.url)
            assert (await notes.call(token, scheme="DPoP", DPoP=proof))[0] == 200, alg


@pytest.mark.standard("RFC 9449", "§7 an API that takes only tokens with a key")
async def test_with_proof_of_possession_a_stolen_token_is_worth_nothing(start: Start) -> None:
    async with Serving(start, DPOP="1") as notes:
        prover, thief = Prover(notes.broker), Prover(notes.broker)
        found = await tokens(notes, prover)
        token = found["access_token"]
        assert found["token_type"] == "DPoP"

        def proof(who: Prover = prover, **changes: Any) -> str:
            return who.proof(method="GET", token=token, **{"htu": notes.url} | changes)

        good = proof()
        assert (await notes.call(token, scheme="DPoP", DPoP=good))[0] == 200
        assert (await notes.call(token, scheme="DPoP", DPoP=good))[0] == 401  # once
        spelled = proof(htu=notes.url.replace("http:", "HTTP:") + "?page=2#end")  # RFC 9449 §4.3
        assert (await notes.call(token, scheme="DPoP", DPoP=spelled))[0] == 200
        for headers in (
            {},
            {"DPoP": proof(thief)},
            {"DPoP": proof(htm="POST")},
            {"DPoP": proof(htu="https://other.example/notes")},
            {"DPoP": proof(htu=notes.url + "/other")},
            {"DPoP": proof(htu="http://[broken")},
            {"DPoP": proof(htu=[notes.url])},
            {"DPoP": proof(iat=int(notes.broker.clock()) - 300)},
            {"DPoP": proof(ath="x" * 43)},
            {"DPoP": proof(header={"typ": "JWT"})},
            {"DPoP": "rubbish"},
        ):
            status, _, challenge = await notes.call(token, scheme="DPoP", **headers)
            assert status == 401, headers
            assert challenge.startswith("DPoP ")
        assert (await notes.call(token, DPoP=proof()))[0] == 401  # as a bearer token
        unbound = (await tokens(notes))["access_token"]
        assert (await notes.call(unbound))[0] == 401
        assert (await notes.call(token, scheme="DPoP", DPoP=proof(), Host="behind-a-proxy:8081"))[0] == 200


@pytest.mark.row("DP-11")
@pytest.mark.standard("RFC 8705", "§3 a token that is bound to a certificate is no bearer token")
async def test_a_token_that_is_bound_to_some_key_is_not_taken_as_a_bearer_token(notes: Notes) -> None:
    now = int(notes.broker.clock())
    said = {
        "iss": notes.broker.issuer,
        "aud": notes.url,
        "sub": "ada",
        "scope": "notes.read",
        "exp": now + 60,
    }
    sign = notes.broker.services.keys.sign
    assert (await notes.call(sign("RS256", said, typ="at+jwt")))[0] == 200
    for cnf in ({"x5t#S256": "x" * 43}, {"jkt": "x" * 43}, {}):
        status, _, _ = await notes.call(sign("RS256", said | {"cnf": cnf}, typ="at+jwt"))
        assert status == 401, cnf
