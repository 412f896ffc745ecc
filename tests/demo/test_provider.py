"""The demo identity provider is a real OpenID Provider: strict, and with two people in it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import KeySet

from broker.demo import provider, provider_tokens
from tests.demo.helpers import Browser
from tests.interop.processes import free_port

SECRET = "a secret: with spaces & colons"
CALLBACK = "http://127.0.0.1:1/callback"
VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Running:
    issuer: str
    clock: Clock
    http: aiohttp.ClientSession

    def ask(self, **changes: str | None) -> str:
        asked: Mapping[str, str | None] = {
            "client_id": "broker",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile",
            "state": "s",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.issuer}/authorize?{urlencode({k: v for k, v in asked.items() if v is not None})}"

    async def follow(self, url: str) -> dict[str, str]:
        """What the redirect at that address tells the client."""
        async with self.http.get(url, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return told(answer.headers["Location"])

    async def pick(self, person: str = "ada", **changes: str | None) -> dict[str, str]:
        """Go through the login page."""
        async with self.http.get(self.ask(**changes), allow_redirects=False) as answer:
            assert answer.status == 200
            page = await answer.text()
        waiting = page.partition('name="waiting" value="')[2].partition('"')[0]
        form = {"waiting": waiting, "person": person}
        async with self.http.post(f"{self.issuer}/login", data=form, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return told(answer.headers["Location"])

    async def redeem(
        self, code: str, *, secret: str = SECRET, **changes: str
    ) -> tuple[int, dict[str, object]]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        encoded = urlencode({"": secret})[1:]
        header = {"Authorization": aiohttp.encode_basic_auth("broker", encoded)}
        async with self.http.post(f"{self.issuer}/token", data=form, headers=header) as answer:
            return answer.status, await answer.json()

    async def userinfo(self, token: object) -> tuple[int, dict[str, object]]:
        header = {"Authorization": f"Bearer {token}"}
        async with self.http.get(f"{self.issuer}/userinfo", headers=header) as answer:
            return answer.status, await answer.json() if answer.status == 200 else {}


def told(location: str) -> dict[str, str]:
    assert location.startswith(CALLBACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> provider_tokens.Key:
    return provider_tokens.Key.kept_in(tmp_path_factory.mktemp("key") / "key.json")


@pytest.fixture
async def running(key: provider_tokens.Key) -> AsyncIterator[Running]:
    port, clock = free_port(), Clock()
    issuer = f"http://127.0.0.1:{port}"
    client = provider_tokens.Client(
        issuer=issuer, client_id="broker", client_secret=SECRET, redirect_uri=CALLBACK
    )
    async with (
        TestServer(provider.build(provider.Provider(client, key, clock)), port=port),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Running(issuer, clock, http)


async def test_a_code_becomes_an_id_token_and_userinfo_of_the_person_who_was_picked(running: Running) -> None:
    heard = await running.pick("ada")
    assert heard["state"] == "s"
    assert heard["iss"] == running.issuer
    status, document = await running.redeem(heard["code"])
    assert status == 200
    async with running.http.get(f"{running.issuer}/jwks") as answer:
        keys = KeySet.import_key_set(await answer.json())
    claims = jwt.decode(str(document["id_token"]), keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (running.issuer, "broker", "n")
    assert claims["auth_time"] == claims["iat"] == int(running.clock())
    assert {"acr", "sid", "at_hash"} <= claims.keys()
    status, said = await running.userinfo(document["access_token"])
    assert (status, said["sub"]) == (200, claims["sub"])
    assert said["email_verified"] is True


async def test_the_two_people_differ_in_what_is_known_of_them(running: Running) -> None:
    _, document = await running.redeem((await running.pick("grace"))["code"])
    _, said = await running.userinfo(document["access_token"])
    assert said["email_verified"] is False
    assert said["locale"] == "de-DE"


async def test_a_code_used_twice_is_refused_and_takes_back_what_it_gave(running: Running) -> None:
    code = (await running.pick())["code"]
    _, document = await running.redeem(code)
    assert await running.redeem(code) == (400, {"error": "invalid_grant"})
    status, _ = await running.userinfo(document["access_token"])
    assert status == 401


@pytest.mark.parametrize(
    "wrong", [{"code_verifier": "w" * 50}, {"redirect_uri": "http://127.0.0.1:2/"}, {"code_verifier": ""}]
)
async def test_a_refusal_does_not_spend_the_code(running: Running, wrong: dict[str, str]) -> None:
    code = (await running.pick())["code"]
    assert (await running.redeem(code, **wrong))[1] == {"error": "invalid_grant"}
    assert (await running.redeem(code))[0] == 200


async def test_a_client_that_does_not_know_its_secret_gets_nothing(running: Running) -> None:
    code = (await running.pick())["code"]
    assert await running.redeem(code, secret="wrong") == (401, {"error": "invalid_client"})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
async def test_the_client_is_told_what_is_wrong_with_its_request(
    running: Running, changes: dict[str, str | None], error: str
) -> None:
    heard = await running.follow(running.ask(**changes))
    assert (heard["error"], heard["state"], heard["iss"]) == (error, "s", running.issuer)


@pytest.mark.parametrize(
    "changes", [{"client_id": "x"}, {"redirect_uri": CALLBACK + "/more"}, {"redirect_uri": None}]
)
async def test_nobody_is_redirected_to_an_address_that_is_not_registered(
    running: Running, changes: dict[str, str | None]
) -> None:
    async with running.http.get(running.ask(**changes), allow_redirects=False) as answer:
        assert answer.status == 400
        assert "Location" not in answer.headers


async def test_a_second_request_is_answered_without_asking_again(running: Running) -> None:
    await running.pick()
    assert "code" in await running.follow(running.ask(prompt="none"))


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "30"}])
async def test_a_fresh_login_is_asked_for_and_has_a_new_time(
    running: Running, changes: dict[str, str]
) -> None:
    await running.pick()
    running.clock.at += 60
    _, document = await running.redeem((await running.pick(**changes))["code"])
    claims = jwt.decode(str(document["id_token"]), await _keys(running), algorithms=["RS256"]).claims
    assert claims["auth_time"] == int(running.clock())


async def _keys(running: Running) -> KeySet:
    async with running.http.get(f"{running.issuer}/jwks") as answer:
        return KeySet.import_key_set(await answer.json())


async def test_whoever_goes_back_is_told_to_the_client_as_access_denied(running: Running) -> None:
    assert (await running.pick("nobody"))["error"] == "access_denied"


async def test_a_login_page_answers_only_the_browser_that_it_was_shown_to(running: Running) -> None:
    async with running.http.get(running.ask()) as answer:
        waiting = (await answer.text()).partition('name="waiting" value="')[2].partition('"')[0]
    async with (
        aiohttp.ClientSession() as other,
        other.post(f"{running.issuer}/login", data={"waiting": waiting, "person": "ada"}) as answer,
    ):
        assert answer.status == 400


async def test_a_repeated_parameter_is_refused(running: Running) -> None:
    async with running.http.get(running.ask() + "&state=two", allow_redirects=False) as answer:
        assert answer.status == 400


async def test_the_person_an_app_was_thinking_of_comes_first(running: Running) -> None:
    async with running.http.get(running.ask(login_hint="grace@tanaka.example")) as answer:
        page = await answer.text()
    assert page.index('value="grace"') < page.index('value="ada"')


async def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    made = provider_tokens.Key.kept_in(path).public()
    assert provider_tokens.Key.kept_in(path).public() == made
    assert path.stat().st_mode & 0o077 == 0
    assert "d" not in made


async def test_a_person_signs_out_of_the_provider_on_its_own_page(running: Running) -> None:
    async with Browser() as browser:
        await browser.open(running.ask())
        with pytest.raises(aiohttp.ClientConnectorError):  # nobody listens at the client in this test
            await browser.click("Ada Marlowe")
        assert "Ada Marlowe" in (await browser.open(running.issuer)).text
        assert "Nobody is signed in" in (await browser.click("Sign out")).text
