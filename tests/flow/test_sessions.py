"""A session is opened by its own cookie, whole, in a header, and by nothing else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import pytest

from tests.flow.broker import Broker, Landed
from tests.flow.test_logout import is_signed_in, signed_in
from tests.patience import PATIENCE


async def silently(broker: Broker, cookie: str, **asked: str) -> Landed:
    """What somebody hears with nothing but this Cookie header."""
    async with broker.browser() as nobody:
        url = nobody.authorize_url(prompt="none", **asked)
        return await nobody.step("GET", url, headers={"Cookie": cookie} if cookie else {})


@pytest.mark.row("SE-05")
async def test_a_cookie_that_is_not_whole_opens_nothing_and_ends_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        good = browser.cookies()["session"]
        sid, _, secret = good.partition(".")
        flipped = [good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :] for at in range(len(good))]
        cut = [good[:-1], good[1:], sid, secret, f"{sid}.", f".{secret}", f"{good}A", f"{good}.{secret}", ""]
        swapped = [f"{secret}.{sid}", f"{sid}.{sid}", good.replace(".", "%2E"), f'"{good}"']
        for bad in (*flipped, *cut, *swapped):
            assert "error=login_required" in (await silently(broker, f"session={bad}")).url, bad
        assert "code=" in (await silently(broker, f"session={good}")).url
        assert await is_signed_in(browser)


@pytest.mark.row("SE-05")
async def test_a_cookie_of_one_purpose_is_none_of_another(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.step("GET", browser.authorize_url())
        flows = {name: value for name, value in browser.cookies().items() if name.startswith("flow-")}
        await signed_in(browser)
        session = browser.cookies()["session"]
        (name, value), *_ = flows.items()
        secret = value.partition(".")[2]
        for forged in (value, secret, f"{session[:22]}.{secret}"):
            assert "error=login_required" in (await silently(broker, f"session={forged}")).url
        page = await browser.go(f"{broker.issuer}/account")
        csrf = page.field("csrf")
        assert "error=login_required" in (await silently(broker, f"session={session[:22]}.{csrf}")).url
        assert name not in browser.cookies() or browser.cookies()[name] != session


@pytest.mark.row("SE-09")
async def test_a_session_in_an_address_or_a_form_is_none(broker: Broker) -> None:
    async with broker.browser() as browser, broker.browser() as thief:
        await signed_in(browser)
        stolen = browser.cookies()["session"]
        for name in ("session", "sid", "__Host-session", "jsessionid"):
            landed = await silently(broker, "", **{name: stolen})
            assert "error=login_required" in landed.url
            query = urlencode({name: stolen})
            page = await thief.step("GET", f"{broker.issuer}/account?{query}")
            assert urlsplit(page.url).path == "/authorize"  # to sign in, that is
            form = {"csrf": "x", name: stolen}
            assert (await thief.step("POST", f"{broker.issuer}/account/sign-out", data=form)).status == 403
        assert stolen.partition(".")[2] not in str(broker.log)
        assert await is_signed_in(browser)


@pytest.mark.row("SE-06")
async def test_a_session_that_ran_out_is_refused_and_never_comes_back(start) -> None:
    broker = await start(top={"lifetimes": {"session": {"idle": "5m", "absolute": "5m"}}})
    async with broker.browser() as browser:
        await signed_in(browser)
        old = browser.cookies()["session"]
        broker.clock.forward(301)
        assert "error=login_required" in (await silently(broker, f"session={old}")).url
        await signed_in(browser)
        fresh = browser.cookies()["session"]
        assert fresh[:22] != old[:22]
        assert "error=login_required" in (await silently(broker, f"session={old}")).url


@pytest.mark.row("SE-11")
async def test_a_stolen_login_cookie_is_worth_nothing_without_its_state(broker: Broker, idp) -> None:
    async with AsyncExitStack() as stack:
        victim, thief = [await stack.enter_async_context(broker.browser()) for _ in range(2)]
        at_idp = await victim.step("GET", victim.authorize_url())
        theirs = await thief.step("GET", thief.authorize_url())
        victims = {n: v for n, v in victim.cookies().items() if n.startswith("flow-")}
        back = await thief.step("GET", theirs.url)
        own_answer = back.url
        cookie = "; ".join(f"{name}={value}" for name, value in victims.items())
        async with broker.browser() as nobody:
            # The victim's cookie with the thief's own state; and the victim's state without a cookie.
            page = await nobody.step("GET", own_answer, headers={"Cookie": cookie})
            assert page.status == 400
            stolen = (await victim.step("GET", at_idp.url)).url
            assert (await nobody.step("GET", stolen)).status == 400
        landed = await victim.go(stolen)  # who began it finishes it all the same
        assert landed.status in (200, 303)
        assert "session" in victim.cookies()


async def test_what_an_operator_may_type_does_not_begin_like_an_option(broker: Broker) -> None:
    for first in range(256):
        services = replace(broker.services, chance=lambda count, first=first: bytes([first]) * count)
        assert services.fresh_name()[0] != "-"
        assert len(services.fresh_name()) == 22


async def raw(broker: Broker, cookie: bytes) -> bytes:
    """The status line for a request with this Cookie header, whatever it holds."""
    split = urlsplit(broker.issuer)
    reader, writer = await asyncio.open_connection(split.hostname, split.port)
    try:
        writer.write(
            b"GET /account HTTP/1.1\r\nHost: " + split.netloc.encode() + b"\r\nConnection: close\r\n"
        )
        writer.write(b"Cookie: " + cookie + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            return await reader.readline()
    except ConnectionError:
        return b"cut off"
    finally:
        writer.close()


@pytest.mark.row("SE-10")
@pytest.mark.parametrize(
    "cookie",
    [
        b"session=" + b"x" * 100_000,
        b"; ".join(b"c%d=1" % number for number in range(10_000)),
        b"\x00=\x01; \xff\xfe=a; =; ;;; session",
        b"session=a; session=b; " * 300,
    ],
)
async def test_a_cookie_header_of_nonsense_is_refused_or_ignored_in_one_line(
    broker: Broker, cookie: bytes
) -> None:
    before = len(broker.log)
    status = await raw(broker, cookie)
    assert status == b"cut off" or status.split()[1] in {b"303", b"400", b"431"}
    assert len(broker.log) - before <= 2
    async with broker.browser() as browser:  # and everybody else goes on
        await signed_in(browser)


async def test_devices_and_apps_are_known_of_each_session(broker: Broker) -> None:
    async with broker.browser() as browser:
        agent = "Mozilla/5.0 (X11; Linux) \u202e" + "x" * 5000
        browser.session.headers["User-Agent"] = agent
        await signed_in(browser)
        (subject,) = {event["subject"] for event in broker.events("login")}
        (one,) = await broker.services.store.list_sessions(subject, now=broker.clock())
        assert one.listed.origin.device.startswith("Mozilla/5.0 (X11; Linux)")
        assert len(one.listed.origin.device) <= 200
        assert set(one.clients) == {"billing"}


async def test_a_person_s_sessions_are_each_their_own(broker: Broker) -> None:
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(broker.browser()) for _ in range(3)]
        for browser in browsers:
            await signed_in(browser)
        (subject,) = {event["subject"] for event in broker.events("login")}
        store, now = broker.services.store, broker.clock()
        found = await store.list_sessions(subject, now=now)
        assert len({one.sid for one in found}) == 3
        await broker.services.endings.end(found[0].sid, "operator_ended")
        left = [browser.cookies()["session"][:22] for browser in browsers if await is_signed_in(browser)]
        assert sorted(left) == sorted(one.sid for one in found[1:])
