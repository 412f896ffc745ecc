"""Two logins in one browser, and requests that are far too large."""

from __future__ import annotations

import asyncio
from itertools import permutations
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.flow.broker import CALLBACK, Broker, Browser, Landed, claims
from tests.patience import PATIENCE

TRUSTED = "https://trusted.example/cb"
TABS = {
    "billing": {
        "client_id": "billing",
        "redirect_uri": CALLBACK,
        "state": "of-billing",
        "nonce": "n-billing",
    },
    "trusted": {"client_id": "trusted", "redirect_uri": TRUSTED, "state": "of-trusted", "nonce": "n-trusted"},
}


class Tab:
    """One tab: a login that goes on by one step whenever it is told to."""

    def __init__(self, browser: Browser, name: str) -> None:
        self.browser, self.name = browser, name
        self.url = browser.authorize_url(**TABS[name])
        self.landed: Landed | None = None

    async def step(self) -> None:
        """One more request: to us, to the upstream, or the answer of the consent page."""
        if self.landed is not None and self.landed.url.startswith((CALLBACK, TRUSTED)):
            return
        if self.landed is not None and 'name="answer"' in self.landed.body:
            self.landed = await self.browser.answer_consent(self.landed)
            return
        landed = await self.browser.step("GET", self.url)
        base = f"{urlsplit(self.url).scheme}://{urlsplit(self.url).netloc}"
        self.url = landed.url if "://" in landed.url else base + landed.url
        self.landed = landed


ORDERS = sorted(set(permutations("aaabbb")))


@pytest.mark.row("CS-13")
@pytest.mark.parametrize("order", ORDERS, ids="".join)
async def test_two_tabs_do_not_disturb_each_other_however_their_steps_fall(broker: Broker, order) -> None:
    async with broker.browser() as browser:
        tabs = {"a": Tab(browser, "billing"), "b": Tab(browser, "trusted")}
        for which in (*order, *"ab" * 6):  # the chosen order first, then each to its end
            await tabs[which].step()
        for tab in tabs.values():
            asked = TABS[tab.name]
            assert tab.landed is not None
            assert tab.landed.url.startswith(asked["redirect_uri"])
            assert tab.landed.params["state"] == asked["state"]
            status, tokens = await browser.token(
                tab.landed.code, client=tab.name, redirect_uri=asked["redirect_uri"]
            )
            assert status == 200
            said = claims(tokens["id_token"])
            assert (said["aud"], said["nonce"]) == (tab.name, asked["nonce"])


async def at_the_callback(tab: Tab) -> Tab:
    """As far as the upstream's answer, which the browser has not brought to us yet."""
    while "/callback/" not in tab.url:
        await tab.step()
    return tab


@pytest.mark.row("LO-10")
@pytest.mark.row("SE-02")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.3 of several tabs that sign in at once all hear")
@pytest.mark.parametrize("again", [False, True], ids=["anew", "again"])
async def test_tabs_that_sign_in_at_once_are_one_session_which_ends_whole(start, again: bool) -> None:
    broker: Broker = await start(client={"trusted": True})
    async with broker.browser() as browser:
        if again:
            await browser.login()
        tabs = [Tab(browser, name) for name in ("billing", "trusted", "billing", "trusted")]
        for tab in tabs:
            tab.url += "&prompt=login"
            await at_the_callback(tab)
        await asyncio.gather(*(tab.step() for tab in tabs))
        said, tokens = [], []
        for tab in tabs:
            redirect_uri = TABS[tab.name]["redirect_uri"]
            code = dict(parse_qsl(urlsplit(tab.url).query))["code"]
            _, given = await browser.token(code, client=tab.name, redirect_uri=redirect_uri)
            said.append(claims(given["id_token"])["sid"])
            tokens.append(given["access_token"])
        assert len(set(said)) == 1
        ended = await broker.services.endings.end(said[0], "signed_out")
        assert ended is not None
        assert set(ended.known.clients) == {"billing", "trusted"}
        assert {(await browser.userinfo(token))[0] for token in tokens} == {401}
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
    store = broker.services.store
    assert await store._wire.call("KEYS", f"{store._prefix}session:*") == []


async def test_tabs_of_two_people_are_two_sessions(broker: Broker, idp) -> None:
    async with broker.browser() as browser:
        tabs = [await at_the_callback(Tab(browser, "trusted"))]
        idp.person("bob", name="Bob")  # who is in front of it from now on
        tabs.append(await at_the_callback(Tab(browser, "trusted")))
        await asyncio.gather(*(tab.step() for tab in tabs))
        said = []
        for tab in tabs:
            code = dict(parse_qsl(urlsplit(tab.url).query))["code"]
            _, given = await browser.token(code, client="trusted", redirect_uri=TRUSTED)
            said.append(claims(given["id_token"]))
    assert len({one["sub"] for one in said}) == len({one["sid"] for one in said}) == 2


@pytest.mark.row("AZ-33")
@pytest.mark.parametrize(
    "head",
    [
        "GET /authorize?login_hint={long} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /authorize?client_id=billing HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n",
        "GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ],
)
async def test_a_request_that_is_far_too_long_is_refused_and_cut_off(broker: Broker, head) -> None:
    where = urlsplit(broker.issuer)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(head.format(long="x" * 100_000, host=where.netloc).encode())
    answer = await asyncio.wait_for(reader.read(), PATIENCE)  # to its end: it is closed
    assert answer.split(b"\r\n")[0].split(b" ")[1] in (b"400", b"414", b"431")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(body) < 1000 or b"text/html" in head  # an error page of ours, or one line of the library's
    assert b"x" * 1000 not in answer
    writer.close()
    async with broker.browser() as browser:
        assert (await browser.login()).code
