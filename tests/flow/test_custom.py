"""A login page of the operator's own: it reads and decides a login by our API, and nobody else does."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.flow.broker import claims, leaving
from tests.interop.processes import free_port, running
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
PAGE = "https://shop.example/login?theme=dark"
SECRET = "a-secret-of-the-page-that-is-long-enough"
SHOP = {
    "type": "custom",
    "name": "Shop account",
    "login_url": PAGE,
    "client_id": "shop-page",
    "client_secret": SECRET,
    "pass_through": {"login_hint": "pass", "acr_values": "pass"},
}
OTHER = SHOP | {
    "client_id": "other-page",
    "client_secret": SECRET[::-1],
    "login_url": "https://other.example/",
}
CONTEXT = {"name": "Ada Example", "email": "ada@people.example", "email_verified": True, "groups": ["gold"]}


class Custom:
    """The operator's program, speaking HTTP."""

    def __init__(self, browser, landed):
        self.browser, self.landed = browser, landed
        query = parse_qs(urlsplit(landed.url).query)
        self.login_id, self.login_state = query["login_id"][0], query["login_state"][0]
        self.query = query
        self.base = f"{browser.broker.issuer}/login/shop/requests/{self.login_id}"

    def headers(self, client_id="shop-page", secret=SECRET, **more):
        return {"Authorization": f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}", **more}

    async def read(self, **changes):
        state = changes.pop("login_state", self.login_state)
        url = f"{changes.pop('base', self.base)}?login_state={state}"
        return await self.call("GET", url, headers=changes.get("headers") or self.headers())

    async def accept(self, *, headers=None, base=None, **body):
        said = {"login_state": self.login_state, "subject": "customer-1", "context": CONTEXT} | body
        said = {name: value for name, value in said.items() if value is not None}
        return await self.call(
            "POST", f"{base or self.base}/accept", json=said, headers=headers or self.headers()
        )

    async def reject(self, **body):
        said = {"login_state": self.login_state, **body}
        return await self.call("POST", f"{self.base}/reject", json=said, headers=self.headers())

    async def call(self, method, url, **more):
        """From a program: without the browser's cookies."""
        async with self.browser.broker.browser() as program:
            landed = await program.step(method, url, **more)
        assert landed.headers["Content-Type"] == "application/json"
        assert landed.headers["Cache-Control"] == "no-store"
        return landed.status, json.loads(landed.body)


@pytest.fixture
async def shop(start):
    top = {"connectors": {"shop": SHOP, "other": OTHER}}
    client = {
        "trusted": True,
        "id_token_claims": True,
        "connectors": ["shop"],
        "scope": "openid profile email groups",
    }
    return await start(top=top, client=client)


async def departed(browser, **asked):
    return Custom(browser, await browser.authorize(**asked))


@pytest.mark.proves("custom", "the hand-off: read, accepted, fetched by the browser that began")
async def test_a_person_signs_in_on_a_page_of_the_operators(shop):
    async with shop.browser() as browser:
        page = await departed(browser, login_hint="ada", acr_values="gold", max_age="60", prompt="login")
        assert page.landed.url.startswith("https://shop.example/login?theme=dark&login_id=")
        status, asked = await page.read()
        assert status == 200
        assert (asked["client_id"], asked["client_name"], asked["login_hint"]) == (
            "billing",
            "Billing",
            "ada",
        )
        assert (asked["acr_values"], asked["max_age"], asked["prompt"]) == (["gold"], 60, ["login"])
        assert asked["scopes"] == ["openid", "profile", "email"]
        now = int(shop.clock())
        when = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        status, told = await page.accept(auth_time=when, acr="gold", amr=["pwd", "otp"])
        assert status == 200
        landed = await browser.go(told["redirect_to"])
        said = claims((await browser.token(landed.code))[1]["id_token"])
    assert (said["name"], said["acr"], said["amr"], said["auth_time"]) == (
        "Ada Example",
        "gold",
        ["pwd", "otp"],
        now,
    )
    assert said["sub"] != "customer-1"


@pytest.mark.row("CS-11")
@pytest.mark.row("CB-45")
@pytest.mark.proves("custom", "`redirect_to` in another browser does nothing")
async def test_where_the_answer_is_fetched_opens_nothing_in_another_browser(shop):
    async with shop.browser() as mine, shop.browser() as other:
        page = await departed(mine)
        _, told = await page.accept()
        elsewhere = await other.go(told["redirect_to"])
        assert (elsewhere.status, "code=" in elsewhere.url) == (400, False)
        assert "code=" in (await mine.go(told["redirect_to"])).url
        assert "code=" not in (await mine.go(told["redirect_to"])).url


@pytest.mark.row("CS-11")
@pytest.mark.proves(
    "custom", "who begins a login and lets somebody else sign in for it learns no way to fetch it"
)
async def test_neither_name_that_travels_is_the_state(shop):
    async with shop.browser() as attacker:
        page = await departed(attacker)
        _, told = await page.accept()
        state = parse_qs(urlsplit(told["redirect_to"]).query)["state"][0]
        assert state not in (page.login_id, page.login_state)
        for guess in (page.login_id, page.login_state):
            landed = await attacker.go(f"{shop.issuer}/callback/shop?state={guess}")
            assert "code=" not in landed.url


@pytest.mark.proves("custom", "back before anybody decided")
async def test_who_comes_back_before_anybody_decided_is_nobody(shop):
    async with shop.browser() as browser:
        page = await departed(browser)
        (key,) = await shop.services.store._wire.call("KEYS", f"{shop.services.store._prefix}hand-off:*")
        assert 0 < await shop.services.store._wire.call("PTTL", key) <= 600_000
        record = await shop.services.store.read_hand_off("shop", page.login_id)
        landed = await browser.go(record.back)
        assert landed.params["error"] == "server_error"
        assert "not_decided" in shop.reasons()
        assert (await page.accept())[0] == 200  # which nobody fetches any more


@pytest.mark.proves("custom", "one decision: a second accept or reject is 409")
async def test_a_login_is_decided_once(shop):
    async with shop.browser() as browser:
        page = await departed(browser)
        answers = await asyncio.gather(*(page.accept(subject=f"s{n}") for n in range(8)), page.reject())
        assert sorted(status for status, _ in answers) == [200] + [409] * 8
        assert (await page.read())[0] == 409
        (_, told) = next(answer for answer in answers if answer[0] == 200)
        await browser.go(told["redirect_to"])
        assert (await page.accept())[0] == 409
        assert (await page.reject())[0] == 409


@pytest.mark.proves("custom", "a rejected login, with the reason that the page gave")
@pytest.mark.parametrize(
    ("body", "heard"),
    [
        ({}, "access_denied"),
        ({"error": "login_required", "error_description": "locked"}, "login_required"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable"),
        ({"error": "server_error"}, "server_error"),
    ],
)
async def test_a_rejection_reaches_the_app(shop, body, heard):
    async with shop.browser() as browser:
        page = await departed(browser)
        status, told = await page.reject(**body)
        assert status == 200
        landed = await browser.go(told["redirect_to"])
    assert landed.params["error"] == heard
    assert "locked" not in landed.url


@pytest.mark.proves("custom", "another connector's credentials, wrong ones, none")
async def test_only_the_page_of_this_connector_may_ask_or_decide(shop):
    async with shop.browser() as browser:
        page = await departed(browser)
        for headers in (
            page.headers("other-page", SECRET[::-1]),
            page.headers("shop-page", "wrong"),
            page.headers("shop-page", ""),
            page.headers("", SECRET),
            {"Authorization": "Basic !!!"},
            {"Authorization": f"Bearer {SECRET}"},
            {"X-Nothing": "1"},
        ):
            for status, said in (await page.read(headers=headers), await page.accept(headers=headers)):
                assert (status, said["error"]) == (401, "invalid_client")
        elsewhere = page.base.replace("/login/shop/", "/login/other/")
        theirs = page.headers("other-page", SECRET[::-1])
        assert (await page.accept(headers=theirs, base=elsewhere))[0] == 404
        assert (await page.accept())[0] == 200


@pytest.mark.proves("custom", "a wrong login_state, an unknown or expired login")
async def test_both_names_are_needed(shop):
    async with shop.browser() as browser:
        page = await departed(browser)
        assert (await page.read(login_state="x"))[0] == 403
        assert (await page.read(login_state=""))[0] == 400
        assert (await page.accept(login_state="x"))[0] == 403
        assert (await page.accept(login_state=None))[0] == 400
        assert (await page.accept(login_state=7))[0] == 400
        assert (await page.accept(login_state="\ud800"))[0] == 400
        unknown = page.base[:-4] + "AAAA"
        assert (await page.accept(base=unknown))[0] == 404
        (key,) = await shop.services.store._wire.call("KEYS", f"{shop.services.store._prefix}hand-off:*")
        await shop.services.store._wire.call("PEXPIRE", key, -1)
        assert (await page.accept())[0] == 404


DEEP: dict = {}
for _ in range(8):
    DEEP = {"a": DEEP}


@pytest.mark.proves(
    "custom", "a decision that is not to be believed: no subject, the future, protocol claims, …"
)
@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": 7}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "x" * 256}, "subject"),
        ({"auth_time": "2999-01-01T00:00:00Z"}, "auth_time"),
        ({"auth_time": "1969-01-01T00:00:00Z"}, "auth_time"),
        ({"auth_time": "2026-01-01T00:00:00"}, "auth_time"),
        ({"auth_time": "2026-01-01"}, "auth_time"),
        ({"auth_time": "yesterday"}, "auth_time"),
        ({"auth_time": 1_700_000_000}, "auth_time"),
        ({"acr": ["1"]}, "acr"),
        ({"amr": "pwd"}, "amr"),
        ({"amr": ["pwd", 7]}, "amr"),
        ({"amr": ["x"] * 17}, "amr"),
        ({"context": []}, "context"),
        ({"context": {"iss": "https://evil.example"}}, "iss"),
        ({"context": {"aud": "x"}}, "aud"),
        ({"context": {"sub": "x"}}, "sub"),
        ({"context": {"acr": "x"}}, "acr"),
        ({"context": DEEP}, "nested"),
        ({"context": {f"n{n}": n for n in range(101)}}, "values"),
        ({"context": {"a": "x" * 4097}}, "text"),
        ({"context": {"a": "\ud800"}}, "JSON"),
        ({"context": {"a": 2**60}}, "number"),
        ({"acrr": "1"}, "acrr"),
    ],
)
async def test_what_is_not_to_be_believed_is_told_and_decides_nothing(shop, body, about):
    async with shop.browser() as browser:
        page = await departed(browser)
        status, said = await page.accept(**body)
        assert (status, said["error"]) == (400, "invalid_request")
        assert about in said["error_description"]
        assert (await page.accept())[0] == 200


async def test_only_json_is_read(shop):
    async with shop.browser() as browser:
        page = await departed(browser)
        url, good = f"{page.base}/accept", json.dumps({"login_state": page.login_state, "subject": "s"})
        for body, kind, status in (
            (good, "application/x-www-form-urlencoded", 415),
            (good, "text/plain", 415),
            (good[:-1], "application/json", 400),
            (good[:-1] + ',"subject":"t"}', "application/json", 400),
            ("[]", "application/json", 400),
            ("{}" + " " * 70_000, "application/json", 413),
        ):
            headers = page.headers(**{"Content-Type": kind})
            assert (await page.call("POST", url, data=body, headers=headers))[0] == status
        assert (await page.call("DELETE", url, headers=page.headers()))[0] == 405
        assert (await page.accept())[0] == 200


@pytest.mark.row("WB-15")
@pytest.mark.parametrize("query", ["login_state=%FF", "&".join(f"a{n}=1" for n in range(101)), "x=%C0%80"])
async def test_a_program_that_asks_with_nonsense_hears_so_in_json(shop, query):
    async with shop.browser() as browser:
        page = await departed(browser)
        status, said = await page.call("GET", f"{page.base}?{query}", headers=page.headers())
        assert (status, said["error"]) == (400, "invalid_request")


async def test_after_prompt_login_an_old_sign_in_at_the_page_does_not_do(shop):
    async with shop.browser() as browser:
        page = await departed(browser, prompt="login")
        when = datetime.fromtimestamp(int(shop.clock()) - 3600, UTC).isoformat()
        _, told = await page.accept(auth_time=when)
        assert (await browser.go(told["redirect_to"])).params["error"] == "login_required"


async def raw(port, length):
    """The head of the answer to a form that says of itself how long it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(reader.readline(), PATIENCE)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.proves("custom", "the worked example, from the app to the code and back")
async def test_the_worked_example_signs_a_person_in(start):
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    entry = SHOP | {"login_url": f"{site}/"}
    broker = await start(
        top={"connectors": {"shop": entry}}, client={"trusted": True, "id_token_claims": True}
    )
    env = {
        "BROKER": f"{broker.issuer}/login/shop",
        "CLIENT_ID": "shop-page",
        "CLIENT_SECRET": SECRET,
        "PORT": str(port),
    }
    example = ROOT / "deploy" / "examples" / "custom_login.py"
    async with running(ROOT / ".venv/bin/python", example, env=env) as talking, broker.browser() as browser:
        await talking.says("listening")

        async def answer(page, **typed):
            hidden = dict(re.findall(r'name="(login_\w+)" value="([^"]*)"', page.body))
            return await browser.step("POST", f"{site}/", data=hidden | typed)

        page = await browser.step("GET", (await browser.authorize()).url)
        assert "Sign in to Billing" in unescape(page.body)
        wrong = await answer(page, username="ada", password="wrong")
        assert "not right" in wrong.body
        right = await answer(wrong, username="ada", password="open sesame, please")
        landed = leaving(await browser.go(right.url))
        said = claims((await browser.token(landed.code))[1]["id_token"])
        assert said["email"] == "ada@shop.example"
        page = await browser.step("GET", (await browser.authorize(prompt="login")).url)
        for hidden in ({"login_state": "x"}, {"login_id": "x"}, {"login_id": "%00", "login_state": "%FF"}):
            refused = await answer(page, username="ada", password="open sesame, please", **hidden)
            assert (refused.status, "over" in refused.body) == (400, True)
        for length in ("-1", "x", "99999999", "\u0661"):
            assert b"400 Bad Request" in await raw(port, length)
        cancelled = await answer(page, answer="cancel")
        assert (await browser.go(cancelled.url)).params["error"] == "access_denied"
