"""An upstream that does not answer is left alone: its people hear so at once, and nobody else notices."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from broker.outbound.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, Browser
from tests.flow.test_routing import at_once, offered


class Steady:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
async def other(tmp_path):
    async with FakeProvider.running() as provider:
        provider.person("ben", name="Ben", email="ben@people.example")
        yield provider


@pytest.fixture
def clock() -> Steady:
    return Steady()


@pytest.fixture
async def two(start, other, clock) -> Broker:
    """A broker in front of two upstreams, ``staff`` and ``ben``."""
    ben = {
        "name": "Ben's",
        "issuer": other.issuer,
        "client_id": other.client_id,
        "client_secret": other.client_secret,
    }
    return await start(connectors={"ben": ben}, clock=clock)


async def fail(broker: Broker, connector: str = "staff", times: int = FAILURES) -> None:
    """So many logins that fail at the token endpoint."""
    broker.idp.switch(token="500")
    for _ in range(times):
        async with broker.browser() as browser:
            landed = await browser.authorize(connector=connector)
            assert landed.params["error"] == "temporarily_unavailable"
    assert broker.services.upstreams[connector].is_left_alone


def gauge(text: str) -> float:
    match = re.search(r"^broker_upstreams_left_alone ([0-9.]+)$", text, re.MULTILINE)
    assert match
    return float(match[1])


@pytest.mark.proves("oidc", "an upstream that does not answer is left alone: temporarily_unavailable at once")
async def test_a_login_at_an_upstream_that_failed_is_answered_at_once_and_asks_nothing_of_it(two):
    await fail(two)
    before = len(two.idp.requests)
    async with two.browser() as browser:
        landed = await browser.step("GET", browser.authorize_url(connector="staff"))
        assert landed.params["error"] == "temporarily_unavailable"
        assert landed.params["iss"] == two.issuer
    assert len(two.idp.requests) == before
    assert two.reasons()[-1] == "upstream_left_alone"
    opened = two.events("upstream")
    assert [(e["connector"], e["outcome"], e["reason"]) for e in opened] == [
        ("staff", "failed", "left_alone")
    ]
    assert "answered 500" in opened[0]["detail"]


async def test_one_who_comes_back_from_it_is_answered_at_once_too(two):
    async with two.browser() as browser:
        departed = await browser.step("GET", browser.authorize_url(connector="staff"))
        returned = await browser.step("GET", departed.url)
        await fail(two)
        before = len(two.idp.requests)
        landed = await browser.step("GET", returned.url)
        assert landed.params["error"] == "temporarily_unavailable"
        assert len(two.idp.requests) == before


async def test_the_chooser_says_which_does_not_answer_and_still_leads_there(two):
    await fail(two)
    async with two.browser() as browser:
        page = await browser.authorize()
        assert offered(page) == ["staff", "ben"]
        assert page.body.count("Does not answer at the moment") == 1
        assert page.body.index("Does not answer") < page.body.index("connector=ben")
        landed = await browser.go(page.link("connector=staff"))
        assert landed.params["error"] == "temporarily_unavailable"


@pytest.mark.proves("oidc", "after a pause one login asks whether it is back, the others are let in again")
async def test_after_the_pause_one_login_asks_and_goes_on_and_everybody_is_let_in(two, clock):
    await fail(two)
    two.idp.switch(token=None)
    clock.ahead += FIRST_PAUSE
    before = len(two.idp.seen("discovery"))
    async with two.browser() as browser:
        assert "code" in (await browser.login(connector="staff")).params
    assert len(two.idp.seen("discovery")) == before + 1, "it was really asked"
    assert not two.services.upstreams["staff"].is_left_alone
    assert [event["reason"] for event in two.events("upstream")] == ["left_alone", "asked_again"]


async def test_while_one_asks_the_others_are_still_answered_at_once(two, clock):
    await fail(two)
    two.idp.switch(token=None, discovery="slow")
    clock.ahead += FIRST_PAUSE
    async with two.browser() as first, two.browser() as second:
        asking = asyncio.create_task(at_once(first, connector="staff"))
        await two.idp.waiting.wait()
        landed = await second.step("GET", second.authorize_url(connector="staff"))
        assert landed.params["error"] == "temporarily_unavailable"
        assert not asking.done()
        two.idp.released.set()
        assert await asking == "staff"


async def test_who_asks_and_leaves_does_not_take_the_answer_along(two, clock):
    await fail(two)
    two.idp.switch(token=None, discovery="slow")
    clock.ahead += FIRST_PAUSE
    upstream = two.services.upstreams["staff"]
    leaving = asyncio.create_task(upstream._is_there())
    await two.idp.waiting.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    two.idp.released.set()
    await upstream._circuit._asking
    assert not upstream.is_left_alone


async def test_whoever_looks_at_the_chooser_has_it_asked_behind_the_page(two, clock):
    await fail(two)
    two.idp.switch(token=None)
    clock.ahead += FIRST_PAUSE
    upstream = two.services.upstreams["staff"]
    async with two.browser() as browser:
        assert "Does not answer" in (await browser.authorize()).body
        await upstream._circuit._asking
        assert "Does not answer" not in (await browser.authorize()).body


@pytest.mark.row("UP-09")
async def test_one_that_stays_away_is_asked_ever_more_rarely(two, clock):
    await fail(two)
    two.idp.switch(down=True)
    asked = 0
    for _ in range(600):  # ten minutes, a login each second
        clock.ahead += 1.0
        upstream = two.services.upstreams["staff"]
        asking = upstream.look_again()
        if asking is not None:
            asked += 1
            await asking
    assert asked <= 5 + 600 / LONGEST_PAUSE


async def test_an_upstream_that_is_wrong_is_not_left_alone(two):
    two.idp.switch(nonce="wrong")
    for _ in range(FAILURES * 2):
        async with two.browser() as browser:
            assert (await browser.authorize(connector="staff")).params["error"] == "server_error"
    assert not two.services.upstreams["staff"].is_left_alone
    assert not two.events("upstream")


@pytest.mark.row("UP-09")
async def test_too_many_requests_with_retry_after_is_waited_for(two, clock):
    two.idp.switch(token="429")
    for _ in range(FAILURES):
        async with two.browser() as browser:
            await browser.authorize(connector="staff")
    assert two.services.upstreams["staff"].is_left_alone


async def test_a_remembered_way_that_does_not_answer_is_not_taken(start, other, clock):
    broker = await start(
        connectors={"ben": {"name": "Ben's", "issuer": other.issuer}},
        top={"routing": {"remembered": "straight"}},
        clock=clock,
    )
    async with broker.browser() as browser:
        await browser.login(connector="staff")
        browser.session.cookie_jar.clear(lambda cookie: cookie.key == "session")
        assert await at_once(browser) == "staff"
        await fail(broker)
        assert await at_once(browser) == ""


@pytest.mark.row("DS-17")
async def test_the_numbers_say_how_many_are_left_alone_without_naming_any(two):
    async with two.browser() as browser:
        before = gauge((await browser.step("GET", f"{two.issuer}/metrics")).body)
        await fail(two)
        assert gauge((await browser.step("GET", f"{two.issuer}/metrics")).body) == before + 1
        two.services.events.upstream("staff", False, "")


@pytest.mark.row("UP-10")
async def test_a_dead_upstream_under_load_costs_the_logins_at_another_nothing(two, other, monkeypatch):
    """A hundred logins at once hang at one while people sign in at the other."""
    turns, run = list[None](), asyncio.Handle._run

    def counted(handle: asyncio.Handle) -> None:
        turns.append(None)
        run(handle)

    monkeypatch.setattr(asyncio.Handle, "_run", counted)

    async def sign_in(browser: Browser) -> int:
        began = len(turns)
        asked = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb", "prompt": "login"}
        departed = await browser.step("GET", browser.authorize_url(connector="ben", **asked))
        assert departed.url.startswith(other.issuer)
        returned = await browser.step("GET", departed.url)
        assert "code" in (await browser.step("GET", returned.url)).params
        return len(turns) - began

    async with two.browser() as browser:
        await sign_in(browser)
        quiet = sorted([await sign_in(browser) for _ in range(15)])
        two.idp.switch(discovery="slow")  # cold: every login there waits for it
        async with two.browser() as hanging:
            urls = [hanging.authorize_url(connector="staff", state=f"s{n}") for n in range(100)]
            calls = [asyncio.create_task(hanging.step("GET", url)) for url in urls]
            await two.idp.waiting.wait()
            beside = sorted([await sign_in(browser) for _ in range(15)])
            assert not any(call.done() for call in calls)
            two.idp.released.set()
            assert all(landed.status == 303 for landed in await asyncio.gather(*calls))
    assert len(two.idp.seen("discovery")) == 1, "and the dead one was asked once"
    # Work is counted and not time; the best of them, since a login may meet what was begun before it.
    assert beside[0] <= quiet[0] + 5
