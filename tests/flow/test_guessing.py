"""Guessing passwords at our own login page gets slow, and locks nobody out of where they usually are."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pyotp
import pytest

from broker.endpoints import about
from broker.endpoints.attempts import Trying, network_of
from broker.protocol.handles import digest
from broker.upstreams import passwords
from tests.flow.own_logins import PASSWORD, POOL, TOTP, only, person, sign_in, type_in

PROXY = {"trusted_proxies": {"networks": ["127.0.0.0/8"]}}
HOME, WORK, EVIL = "198.51.100.7", "203.0.113.9", "192.0.2.66"


@pytest.fixture
async def pool(start):
    broker = await start(top=only(POOL)["top"] | PROXY, client={"trusted": True})
    await person(broker)
    return broker


async def guess(pool, times, *, username="ada", at=None, page=None):
    """So many wrong passwords from one browser that nobody knows; the last answer."""
    async with pool.browser() as browser:
        page = await browser.authorize()
        for n in range(times):
            page = await type_in(browser, page, username=username, password=f"wrong {n}", at=at)
        return page


@pytest.mark.row("DS-15")
@pytest.mark.proves(
    "pool", "after ten wrong passwords from one place: 429 and Retry-After, and one answer for all"
)
@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_the_eleventh_guess_from_one_place_is_not_made(pool, username):
    tenth = await guess(pool, 10, username=username, at=EVIL)
    eleventh = await guess(pool, 1, username=username.upper(), at=EVIL)
    assert (tenth.status, eleventh.status) == (422, 429)
    assert 0 < int(eleventh.headers["Retry-After"]) <= 900
    assert "There were too many attempts" in eleventh.body
    told = [event for event in pool.events("login_attempt") if event["outcome"] == "refused"]
    assert [event["reason"] for event in told] == ["wrong_password"] * 10 + ["too_many_here"]
    assert {event["address"] for event in told} == {EVIL}
    # What chance makes may spell any name in hexadecimal digits.
    said = [value for event in told for name, value in event.items() if name != "correlation_id"]
    assert username not in str(said)


@pytest.mark.row("DS-15")
@pytest.mark.proves(
    "pool", "strangers' guesses do not lock somebody out of a browser or an address of theirs"
)
async def test_a_stranger_cannot_lock_somebody_out_of_where_they_usually_are(pool):
    async with pool.browser() as mine:
        assert "code=" in (await sign_in(mine, at=HOME)).url
        for n in range(4):  # from many addresses, until the person's own limit is reached
            await guess(pool, 9, at=f"192.0.2.{n}")
        assert (await guess(pool, 1, at="192.0.2.99")).status == 429
        # The browser that they signed in with is not asked, wherever it is now …
        assert "code=" in (await sign_in(mine, at=WORK, prompt="login")).url
    async with pool.browser() as another:  # … and neither is another browser of where they were.
        assert "code=" in (await sign_in(another, at=HOME)).url
    async with pool.browser() as unknown:
        assert (await sign_in(unknown, at="192.0.2.200")).status == 429


@pytest.mark.row("DS-15")
async def test_behind_one_address_a_guesser_does_not_stop_who_has_signed_in_there(pool):
    await person(pool, "bob")
    async with pool.browser() as mine:
        assert "code=" in (await sign_in(mine, at=WORK)).url
        for n in range(10):
            await guess(pool, 10, username=f"somebody-{n}", at=WORK)
        assert (await guess(pool, 1, username="bob", at=WORK)).status == 429
        assert "code=" in (await sign_in(mine, at=WORK, prompt="login")).url


async def test_many_guesses_at_once_are_counted_each(pool):
    async with pool.browser() as browser:
        page = await browser.authorize()
        answers = await asyncio.gather(
            *(type_in(browser, page, username="ada", password=f"wrong {n}", at=EVIL) for n in range(25))
        )
    assert sorted(answer.status for answer in answers) == [422] * 10 + [429] * 15


async def test_the_limit_ends_by_itself(pool):
    await guess(pool, 10, at=EVIL)
    store = pool.services.store
    for key in await store._wire.call("KEYS", f"{store._prefix}attempts:*"):
        assert 0 < await store._wire.call("PTTL", key) <= 900_000
        await store._wire.call("PEXPIRE", key, -1)  # the time has passed
    async with pool.browser() as browser:
        assert "code=" in (await sign_in(browser, at=EVIL)).url


async def test_success_counts_for_nothing_and_forgives_what_was_typed_wrongly_before(pool):
    async with pool.browser() as browser:
        for _ in range(3):
            page = await browser.authorize(prompt="login")
            for n in range(6):
                page = await type_in(browser, page, username="ada", password=f"typo {n}", at=HOME)
            landed = await type_in(browser, page, username="ada", password=PASSWORD, at=HOME)
            assert "code=" in landed.url


@pytest.mark.proves("pool", "ten wrong codes within an hour: no more for now, whoever has the password")
async def test_codes_are_not_guessed_by_beginning_again_and_again(pool):
    await pool.services.store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))
    statuses = []
    for _ in range(4):
        async with pool.browser() as browser:
            page = await sign_in(browser, at=EVIL)
            for _ in range(3):
                page = await type_in(browser, page, code="not-it", at=EVIL)
                statuses.append(page.status)
    assert statuses == [422] * 10 + [429] * 2
    assert "too_many_code" in pool.reasons()


@pytest.mark.row("DS-13")
async def test_what_cannot_be_right_costs_no_hashing(pool, monkeypatch):
    hashed = []
    monkeypatch.setattr(passwords, "is_right", lambda *_: hashed.append(1) or False)
    async with pool.browser() as browser:
        page = await browser.authorize()
        for typed in (
            {"username": "", "password": "x"},
            {"username": "ada", "password": ""},
            {"username": "ada", "password": "x" * 1025},
            {"username": "x" * 256, "password": "x"},
        ):
            assert (await type_in(browser, page, **typed)).status == 422
        assert not hashed
        await guess(pool, 10, at=EVIL)
        assert len(hashed) == 10
        await guess(pool, 5, at=EVIL)
        assert len(hashed) == 10


@pytest.mark.row("DS-13")
async def test_a_crowd_is_told_to_come_back_and_keeps_its_attempts(pool, monkeypatch):
    monkeypatch.setattr(passwords, "_IN_THE_ROW", 0)
    async with pool.browser() as browser:
        page = await browser.authorize()
        for _ in range(12):
            away = await type_in(browser, page, username="ada", password=PASSWORD, at=EVIL)
            assert (away.status, "just now" in away.body) == (503, True)
        monkeypatch.undo()
        assert "code=" in (await type_in(browser, page, username="ada", password=PASSWORD, at=EVIL)).url


async def test_the_store_away_is_a_page_and_nothing_else(pool, monkeypatch):
    async with pool.browser() as browser:
        page = await browser.authorize()
        await pool.services.store._wire.close()
        assert (await type_in(browser, page, username="ada", password=PASSWORD)).status == 503


@pytest.mark.row("WB-09")
@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_address_is_counted_as_what_one_household_has(address, counted):
    assert network_of(address) == counted


# ── The same person under other names, and the same guesser under other addresses ─────────────────


@pytest.mark.row("DS-15")
@pytest.mark.proves("pool", "spellings that a directory takes for one name count as one")
async def test_a_name_written_otherwise_has_no_attempts_of_its_own(pool):
    spellings = [
        "ada",
        "ada\t",
        "\tada",
        "a\u0301da",
        "ADA\u00a0",
        "ada\u00ad",
        "ada\t\t",
        "\uff41da",
        "ada\ufeff",
    ]
    for username in spellings:
        assert (await guess(pool, 1, username=username, at=EVIL)).status == 422
    assert (await guess(pool, 1, username="ada\t \t", at=EVIL)).status == 422
    for username in ("ada", "ad\u00a0a", "ada\t\t\t", "áda"):
        assert (await guess(pool, 1, username=username, at=EVIL)).status == 429


@pytest.mark.row("DS-15")
async def test_who_has_the_password_cannot_use_up_the_codes_of_its_owner(pool):
    await pool.services.store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))

    def code(ahead=0):
        return pyotp.TOTP(TOTP).at(int(pool.clock()) + ahead)

    async with pool.browser() as mine:
        assert "code=" in (await type_in(mine, await sign_in(mine, at=HOME), code=code(), at=HOME)).url
        async with pool.browser() as thief:
            page = await sign_in(thief, at=HOME)
            for _ in range(11):
                page = await type_in(thief, page, code="not-it", at=HOME)
            assert page.status == 429
        page = await sign_in(mine, at=HOME, prompt="login")
        assert "code=" in (await type_in(mine, page, code=code(30), at=HOME)).url


@pytest.mark.row("DS-15")
async def test_signing_in_with_a_password_alone_gives_no_more_codes_to_guess(start):
    broker = await start(
        top=only(POOL | {"second_factor": "on_request", "acr": {"gold": "2", "silver": "1"}})["top"] | PROXY,
        client={"trusted": True},
    )
    await person(broker, totp_secret=TOTP)
    statuses = []
    for _ in range(3):
        async with broker.browser() as thief:
            assert "code=" in (await sign_in(thief, at=EVIL)).url  # the browser is known from here on
            page = await sign_in(thief, at=EVIL, acr_values="gold", prompt="login")
            for _ in range(4):
                page = await type_in(thief, page, code="not-it", at=EVIL)
                statuses.append(page.status)
    assert statuses == [422] * 10 + [429] * 2


@pytest.mark.row("DS-15")
async def test_a_guesser_with_many_networks_is_slowed_by_what_they_are_a_part_of(pool, monkeypatch):
    monkeypatch.setattr(passwords, "is_right", lambda *_: False)
    store = pool.services.store
    async with pool.browser() as browser:
        page = await browser.authorize()
        first = await type_in(browser, page, username="n0", password="x", at="2001:db8:1:1::1")
        assert first.status == 422
        for key in await store._wire.call("KEYS", f"{store._prefix}attempts:*"):
            if await store._wire.call("GET", key) == b"1":
                await store._wire.call("INCRBY", key, 99)  # as if a hundred had come
        for n in range(2, 902):  # from nine hundred networks more
            limits = Trying(
                connector="members",
                who=f"w{n}",
                name=f"w{n}",
                address=f"2001:db8:1:{n:x}::/64",
                site="2001:db8:1::/48",
                browser=None,
                by_code=False,
                known_address=False,
            ).limits()
            assert await store.spend_attempt("members", limits) == (0, "")
        last = await type_in(browser, page, username="another", password="x", at="2001:db8:1:ffff::1")
        assert last.status == 429
        assert (await type_in(browser, page, username="b", password="x", at="2001:db8:2::1")).status == 422
    assert pool.reasons()[-2:] == ["too_many_site", "wrong_password"]


@pytest.mark.row("DS-15")
async def test_who_has_a_name_that_only_looks_alike_is_forgiven_no_guesses(pool):
    await person(pool, "ad\u00e1")
    statuses = []
    async with pool.browser() as browser:
        for _ in range(4):
            page = await browser.authorize(prompt="login")
            for n in range(5):
                page = await type_in(browser, page, username="ada", password=f"wrong {n}", at=EVIL)
                statuses.append(page.status)
            await type_in(browser, page, username="ad\u00e1", password=PASSWORD, at=EVIL)
    assert statuses == [422] * 10 + [429] * 10


@pytest.mark.row("SE-01")
async def test_nobody_becomes_known_by_what_was_in_the_browser_before_they_came(pool):
    await person(pool, "eve")
    await person(pool, "bob")
    async with pool.browser() as shared:
        assert "code=" in (await sign_in(shared, "eve", at=EVIL)).url
        planted = shared.cookies()["known"]
        assert "code=" in (await sign_in(shared, at=HOME, prompt="login")).url
        assert "code=" in (await sign_in(shared, "bob", at=HOME, prompt="login")).url
        kept = shared.cookies()["known"].split(".")
        assert (len(kept), kept[-1]) == (3, planted)
        store = pool.services.store
        who = {name: digest(name) for name in ("ada", "bob", "eve")}
        known = {
            name: [await store.is_known("members", who[name], f"browser {value}") for value in kept]
            for name in who
        }
        assert known == {
            "bob": [True, False, False],
            "ada": [False, True, False],
            "eve": [False, False, True],
        }
        # Each of them goes on being known there; the latest stands first, and there is an end to it.
        assert "code=" in (await sign_in(shared, at=HOME, prompt="login")).url
        assert shared.cookies()["known"].split(".") == [kept[1], kept[0], kept[2]]
        for name in ("x1", "x2", "x3"):
            await person(pool, name)
            assert "code=" in (await sign_in(shared, name, at=HOME, prompt="login")).url
        assert len(shared.cookies()["known"].split(".")) == 4


@pytest.mark.row("WB-09")
async def test_where_no_address_is_known_strangers_use_up_nobodys_place(pool, monkeypatch):
    monkeypatch.setattr(about, "client_address", lambda _request: "")
    for n in range(12):
        await guess(pool, 10, username=f"somebody-{n}")
    async with pool.browser() as browser:
        assert "code=" in (await sign_in(browser)).url
    await guess(pool, 12)
    assert (await guess(pool, 1)).status == 422
