"""What is over stays over, however late somebody comes, and whoever is to hear of it hears in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from broker.logout import look_after
from broker.logout.courier import PACE, REST
from broker.store import Notice, Store, StoreUnavailable
from tests.flow.broker import Broker, Clock, claims
from tests.flow.client_app import ClientApp
from tests.flow.conftest import Start
from tests.flow.devices import TV, Device, answer, to_confirm
from tests.flow.test_device import InFront
from tests.flow.test_logout import signed_in
from tests.flow.test_logout_notices import listening, post, settled, until


@pytest.fixture
async def app() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


@pytest.fixture
async def tv(start: Start) -> AsyncIterator[Device]:
    async with InFront(await start(clients={"tv": TV})) as one:
        yield one


async def goes_by(broker: Broker, seconds: float) -> None:
    """Time, also for what the store keeps: its own clock cannot be put forward."""
    wire, store = broker.services.store._wire, broker.services.store
    for name in await wire.call("KEYS", f"{store._prefix}*"):
        left = await wire.call("PTTL", name)
        if left > 0:
            await wire.call("PEXPIRE", name, max(0, left - int(seconds * 1000)))
    broker.clock.forward(seconds)


@pytest.mark.row("LO-10")
@pytest.mark.row("LO-14")
async def test_a_device_that_comes_for_its_tokens_long_after_the_sign_out_gets_none(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        await answer(browser, await to_confirm(browser, tv.user_code))
        page = await browser.go(f"{tv.broker.issuer}/account")
        data = {"csrf": page.field("csrf")}
        await browser.step("POST", f"{tv.broker.issuer}/account/sign-out", data=data)
    await goes_by(tv.broker, 500)
    status, refused = await tv.poll()
    assert (status, refused["error"]) == (400, "invalid_grant")


@pytest.mark.row("CS-17")
async def test_who_signed_out_and_in_again_meanwhile_is_asked_anew(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.authorize(scope="openid profile email")
        out = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": out.field("csrf")}
        await browser.step("POST", f"{broker.issuer}/account/sign-out", data=data)
        assert (await browser.authorize()).field("flow") != page.field("flow")  # signed in again
        fields = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "allow"}
        answered = await browser.step("POST", f"{broker.issuer}/consent", data=fields)
        assert answered.status == 403


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.3 a session that runs out is an end too")
@pytest.mark.parametrize("bound", ["upstream", "absolute"])
async def test_an_app_hears_seconds_after_a_session_has_come_to_its_bound(
    start: Start, app: ClientApp, idp, bound: str
) -> None:
    lives = {"session": {"idle": "1h", "absolute": "70m" if bound == "absolute" else "12h"}}
    if bound == "upstream":
        idp.switch(claims={"session_expiry": int(time.time()) + 70 * 60})
    broker = await start(client=listening(app), top={"lifetimes": lives})
    services = broker.services
    async with broker.browser() as browser:
        await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb")
        broker.clock.forward(3600)  # the app comes late into this session
        tokens = await signed_in(browser)
        broker.clock.forward(600 + services.config.lifetimes.code + 5)
        await look_after(services.store, services.endings, now=services.now())
        (told,) = await app.hears()
        assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.3 a session that runs out is an end too")
async def test_an_app_hears_in_time_though_a_later_sign_in_has_bound_its_session_closer(
    start: Start, app: ClientApp, idp
) -> None:
    broker = await start(client=listening(app, trusted=True))
    services = broker.services
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        idp.switch(claims={"session_expiry": int(time.time()) + 600})
        assert (await browser.login(prompt="login")).code  # which the app has not redeemed yet
        broker.clock.forward(600 + services.config.lifetimes.code + 5)
        await look_after(services.store, services.endings, now=services.now())
        (told,) = await app.hears()
        assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]


SLOWLY = {"allow_networks": ["127.0.0.0/8"], "timeout": "60s"}


def notice(number: int, client_id: str = "billing") -> Notice:
    return Notice(
        id=f"jti-{number}", client_id=client_id, subject="a", sid="s", why="w", posted_at=float(number)
    )


async def test_a_notice_that_cannot_be_read_keeps_no_other_in_the_outbox(
    start: Start, app: ClientApp
) -> None:
    broker = await start(client=listening(app))
    store: Store = broker.services.store
    name = store._names()[1]
    first = store._notice(notice(1))
    await store.post_notice(notice(0))
    await store._wire.call("HSET", name, "jti-0", first)  # sealed for another place
    await post(broker, notice(1))
    await app.hears()
    await settled(broker)


async def test_a_notice_that_nobody_can_deal_with_is_given_up_like_any_other(
    start: Start, app: ClientApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await start(client=listening(app))

    def fails(*_: object, **__: object) -> str:
        raise RuntimeError("no key for this")

    monkeypatch.setattr(broker.services.keys, "sign", fails)
    await post(broker, notice(0))
    look = broker.services.store.list_notices
    for attempt in range(1, 11):
        (posted,) = await until(look, lambda found, n=attempt: found[0].notice.attempts >= n)
        broker.clock.forward(13 * 3600)
        broker.services.endings.news.set()
    assert posted.state == "dead"
    assert "RuntimeError" in posted.notice.problem


@pytest.mark.row("LO-10")
async def test_a_session_of_which_nothing_can_be_read_keeps_nobody_from_signing_out_everywhere(
    broker: Broker,
) -> None:
    store = broker.services.store
    async with broker.browser() as another, broker.browser() as browser:
        sid = claims((await signed_in(another))["id_token"])["sid"]
        tokens = await signed_in(browser)
        await store._wire.call("HSET", store._listed(sid), "listed", b"its key is gone")
        page = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": page.field("csrf")}
        page = await browser.step("POST", f"{broker.issuer}/account/sign-out-everywhere", data=data)
        assert page.status == 200
        assert "You are signed out everywhere" in page.body
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        for one in (another, browser):
            assert (await one.authorize(prompt="none")).params["error"] == "login_required"


class BreaksOff:
    """A store that fails at one step, before that is done or after."""

    def __init__(self, store: Store, step: int, *, done: bool) -> None:
        self.store, self.left, self.done, self.broke = store, step, done, False

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self.store, name)

        async def one(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left:
                return await whole(*arguments, **named)
            self.broke = True
            if self.done:
                await whole(*arguments, **named)
            raise StoreUnavailable("no_answer")

        return one


@pytest.mark.row("LO-10")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.7 what was begun is finished, wherever it broke off")
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_a_sign_out_is_finished_wherever_it_broke_off(
    start: Start, app: ClientApp, idp, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    entry = listening(app, trusted=True, revoke_on_logout=True)
    broker = await start(client=entry)
    services, steps, broke = broker.services, 0, True
    while broke:
        steps += 1
        idp.switch(clock_skew=broker.clock.offset)
        async with broker.browser() as browser:
            tokens = await signed_in(browser, scope="openid offline_access")
            sid = claims(tokens["id_token"])["sid"]
            store = BreaksOff(services.store, steps, done=done)
            monkeypatch.setattr(services.endings, "_store", store)
            asked = urlencode({"id_token_hint": tokens["id_token"]})
            answer = await browser.step("GET", f"{broker.issuer}/logout?{asked}")
            monkeypatch.setattr(services.endings, "_store", services.store)
            broke = store.broke
            assert answer.status == (503 if broke else 200)
            if not await services.store.session_ended(sid):  # then they are told so, and try again
                await browser.step("GET", f"{broker.issuer}/logout?{asked}")
            broker.clock.forward(61)
            await look_after(services.store, services.endings, now=services.now())
            services.endings.news.set()
            await settled(broker)
            said = [claims(token) for token in app.told]
            assert sid in {one["sid"] for one in said}
            assert len({one["jti"] for one in said}) == steps  # the same word, should it come twice
            assert (await browser.userinfo(tokens["access_token"]))[0] == 401
            assert (await browser.refresh(tokens["refresh_token"]))[0] == 400
    assert steps > 5


@pytest.mark.row("LO-11")
async def test_a_notice_that_its_app_cannot_deal_with_keeps_no_other_of_that_app_waiting(
    start: Start, app: ClientApp
) -> None:
    broker = await start(client=listening(app))
    app.refuses = frozenset({"jti-0"})
    await post(broker, *map(notice, range(80)))  # more than a worker has in hand
    look = broker.services.store.list_notices
    (posted,) = await until(look, lambda found: len(found) == 1 and found[0].notice.attempts > 0)
    assert (posted.notice.id, posted.notice.problem) == (
        "jti-0",
        f"{app.backchannel_logout_uri} answered 500",
    )
    heard = [claims(token)["jti"] for token in app.told]  # the one perhaps again, five seconds later
    assert sorted(one for one in heard if one != "jti-0") == sorted(f"jti-{n}" for n in range(1, 80))


async def test_an_app_that_takes_its_time_keeps_no_other_waiting(start: Start, app: ClientApp) -> None:
    async with ClientApp.running() as quick:
        broker = await start(client=listening(app), trusted=listening(quick), top={"outbound": SLOWLY})
        app.hangs = asyncio.Event()
        await post(broker, *map(notice, range(64)))
        await app.hears(4)
        await post(broker, notice(64, "trusted"))
        await quick.hears()
        app.hangs.set()
        app.hangs = None
        assert len(app.told) <= 8


async def test_what_an_app_cannot_take_yet_comes_back_a_little_at_a_time(
    start: Start, app: ClientApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait for it: else all come back at once, again and again, and workers do nothing else."""
    began = time.time()
    monkeypatch.setattr(Clock, "__call__", lambda clock: began + clock.offset)
    broker = await start(client=listening(app), top={"outbound": SLOWLY})
    app.hangs = asyncio.Event()
    await post(broker, *map(notice, range(304)))
    counted = await until(broker.services.store.count_notices, lambda counts: counts.later == 300)
    assert counted.waiting == 4
    at = sorted(one.at for one in await broker.services.store.list_notices() if one.at is not None)
    assert at[0] - began == pytest.approx(REST, abs=0.001)
    assert at[-1] - at[0] == pytest.approx(299 * PACE, abs=0.001)
    app.hangs.set()
