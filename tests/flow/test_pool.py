"""A pool: people sign in on a page of ours, with a password and, where they have one, a code."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from html import unescape

import pyotp
import pytest
from argon2 import PasswordHasher

from broker import record
from broker.cli import run
from broker.protocol import subject
from broker.upstreams import passwords
from broker.upstreams.passwords import hash_password
from tests.flow.broker import claims
from tests.flow.own_logins import PASSWORD, POOL, TOTP, only, person, sign_in, type_in
from tests.patience import PATIENCE


@pytest.fixture
async def pool(start):
    broker = await start(**only(POOL, client={"trusted": True, "id_token_claims": True}))
    await person(broker)
    return broker


async def told(browser, landed):
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return claims(tokens["id_token"])


@pytest.mark.proves("pool", "a login by password, with auth_time, amr and acr")
async def test_a_person_signs_in_with_a_password(pool):
    began = int(pool.clock())
    async with pool.browser() as browser:
        page = await browser.authorize()
        assert "Sign in to" in page.body
        assert "Billing" in page.body
        assert "Members" in page.body
        landed = await type_in(browser, page, username="ada", password=PASSWORD)
        said = await told(browser, landed)
    assert (said["amr"], said["acr"], said["name"]) == (["pwd"], "1", "Ada Example")
    assert began <= said["auth_time"] <= pool.clock()


@pytest.mark.proves("pool", "one answer for a wrong password, somebody unknown and somebody disabled")
async def test_nobody_learns_who_exists(pool):
    await person(pool, "bob", enabled=False)
    pages = []
    for username, password in (("ada", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD)):
        async with pool.browser() as browser:
            landed = await sign_in(browser, username, password)
            shown = landed.body.replace(f'value="{username}"', "")
            # What is the login's own stands in the form and in the links to this page in another language.
            pages.append((landed.status, re.sub(r'value="[^"]*"|state%3D[\w-]+', "", shown)))
    assert pages[0] == pages[1] == pages[2]
    assert pages[0][0] == 422
    assert "The username or the password is not right" in pages[0][1]
    assert "autofocus" in pages[0][1]
    assert 'aria-describedby="problem"' in pages[0][1]


async def test_after_a_wrong_password_the_right_one_still_signs_in(pool):
    async with pool.browser() as browser:
        page = await sign_in(browser, "ada", "wrong")
        landed = await type_in(browser, page, username="ADA", password=PASSWORD)
        assert (await told(browser, landed))["sub"]


@pytest.mark.proves("pool", "TOTP: the code of the moment, once, in the login that the password began")
async def test_a_code_finishes_the_login_once(pool):
    store = pool.services.store
    await store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))
    code = pyotp.TOTP(TOTP).at(int(pool.clock()))
    async with pool.browser() as browser:
        page = await sign_in(browser)
        assert 'autocomplete="one-time-code"' in page.body
        assert 'name="password"' not in page.body
        wrong = await type_in(browser, page, code="000000" if code != "000000" else "000001")
        assert wrong.status == 422
        assert "This code is not right" in wrong.body
        said = await told(browser, await type_in(browser, wrong, code=f"{code[:3]} {code[3:]}"))
        assert (said["amr"], said["acr"]) == (["pwd", "otp", "mfa"], "2")
    async with pool.browser() as browser:
        replayed = await type_in(browser, await sign_in(browser), code=code)
        assert replayed.status == 422
        again = await type_in(browser, replayed, again="yes")
        assert 'name="password"' in again.body


async def test_a_code_of_the_step_before_or_after_is_good_and_no_other(pool, monkeypatch):
    store, instant = pool.services.store, pool.clock()
    monkeypatch.setattr(type(pool.clock), "__call__", lambda _: instant)  # no step ends meanwhile
    await store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))
    now, results = int(pool.clock()), []
    for drift in (-60, -30, 30, 60):
        async with pool.browser() as browser:
            landed = await type_in(browser, await sign_in(browser), code=pyotp.TOTP(TOTP).at(now + drift))
            results.append("code=" in landed.url)
    assert results == [False, True, True, False]


@pytest.mark.proves("pool", "an essential acr that needs the second factor: asked for, or refused")
async def test_step_up_asks_for_the_second_factor_or_says_that_it_was_not_reached(start):
    entry = POOL | {"second_factor": "on_request", "pass_through": {"acr_values": "pass"}}
    broker = await start(**only(entry, client={"trusted": True}))
    await person(broker)
    await person(broker, "eve", totp_secret=TOTP)
    asking = {"claims": '{"id_token":{"acr":{"essential":true,"values":["2"]}}}'}
    async with broker.browser() as browser:
        assert (
            claims((await browser.token((await sign_in(browser, "eve")).code))[1]["id_token"])["acr"] == "1"
        )
        page = await sign_in(browser, "eve", **asking)
        landed = await type_in(browser, page, code=pyotp.TOTP(TOTP).at(int(broker.clock())))
        assert claims((await browser.token(landed.code))[1]["id_token"])["acr"] == "2"
    async with broker.browser() as browser:
        refused = await sign_in(browser, "ada", **asking)
        assert refused.params["error"] == "unmet_authentication_requirements"


async def test_where_a_second_factor_is_required_nobody_without_one_comes_in(start):
    broker = await start(**only(POOL | {"second_factor": "required"}))
    await person(broker)
    async with broker.browser() as browser:
        assert (await sign_in(browser)).params["error"] == "access_denied"


@pytest.mark.row("SE-01")
@pytest.mark.row("SE-11")
async def test_the_login_page_of_one_browser_opens_in_no_other_and_stays_for_its_own(pool):
    async with pool.browser() as victim, pool.browser() as other:
        page = await victim.authorize()
        elsewhere = await other.go(page.url)
        assert elsewhere.status == 403
        assert "password" not in elsewhere.body
        form = {"csrf": page.field("csrf"), "state": page.field("state")}
        posted = await other.step(
            "POST", f"{pool.issuer}/login/members", data={**form, "username": "ada", "password": PASSWORD}
        )
        assert posted.status == 403
        assert "code=" in (await type_in(victim, page, username="ada", password=PASSWORD)).url


@pytest.mark.row("CS-02")
@pytest.mark.parametrize(
    ("headers", "csrf"),
    [
        ({"Origin": "https://evil.example"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({}, "x"),
        ({}, ""),
    ],
)
async def test_only_our_own_page_can_send_the_form(pool, headers, csrf):
    async with pool.browser() as browser:
        page = await browser.authorize()
        data = {"csrf": page.field("csrf") if csrf is None else csrf, "state": page.field("state")}
        data |= {"username": "ada", "password": PASSWORD}
        landed = await browser.step("POST", f"{pool.issuer}/login/members", data=data, headers=headers)
        assert landed.status == 403
        assert "code=" in (await type_in(browser, page, username="ada", password=PASSWORD)).url


async def test_a_password_never_stands_in_an_address_or_another_kind_of_body(pool):
    async with pool.browser() as browser:
        page = await browser.authorize()
        data = {"csrf": page.field("csrf"), "state": page.field("state"), "username": "ada"}
        in_url = await browser.step(
            "POST", f"{pool.issuer}/login/members?password=x", data=data | {"password": PASSWORD}
        )
        as_json = await browser.step("POST", f"{pool.issuer}/login/members", json=data | {"password": "x"})
        assert (in_url.status, as_json.status) == (403, 403)


@pytest.mark.row("CB-45")
async def test_of_two_right_answers_to_one_login_one_is_taken(pool):
    async with pool.browser() as browser:
        page = await browser.authorize()
        first = await type_in(browser, page, username="ada", password=PASSWORD)
        second = await type_in(browser, page, username="ada", password=PASSWORD)
        assert "code=" in first.url
        assert "code=" not in second.url
        assert second.status in (400, 403)


async def test_a_login_that_comes_a_step_further_ends_when_it_would_have_ended(pool):
    store = pool.services.store
    await store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))
    async with pool.browser() as browser:
        page = await browser.authorize()
        (key,) = await store._wire.call("KEYS", f"{store._prefix}login:*")
        await store._wire.call("PEXPIRE", key, 50_000)
        further = await type_in(browser, page, username="ada", password=PASSWORD)
        assert "one-time-code" in further.body
        assert 0 < await store._wire.call("PTTL", key) <= 50_000


async def test_the_page_offers_the_other_ways_where_there_are_some(start):
    broker = await start(own_logins={"members": POOL})
    await person(broker)
    async with broker.browser() as browser:
        chooser = await browser.authorize()
        page = await browser.go(chooser.link("connector=members"))
        other = re.search(r'href="([^"]*/other[^"]*)"', page.body)
        assert other
        assert "Sign in another way" in page.body
        again = await browser.go(broker.issuer + unescape(other[1]))
        assert "Choose how you want to sign in" in again.body
        assert "Staff login" in again.body


@pytest.mark.row("TK-21")
@pytest.mark.row("RT-07")
@pytest.mark.row("RS-03")
@pytest.mark.row("RS-07")
@pytest.mark.proves("pool", "`broker users disable`: sessions and tokens end at once, and nobody signs in")
async def test_disabling_somebody_ends_everything_they_have(pool, tmp_path):
    (config,) = tmp_path.glob("broker-*.yaml")

    async def users(*arguments):
        options = ["users", *arguments, "ada", "--connector", "members", "--config", str(config)]
        assert await asyncio.to_thread(run, options) == 0

    async with pool.browser() as browser:
        landed = await sign_in(browser, scope="openid offline_access")
        _, tokens = await browser.token(landed.code)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        unspent = (await browser.authorize(prompt="none", scope="openid offline_access")).code
        await users("disable")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        _, told = await browser.post("/introspect", {"token": tokens["access_token"]})
        assert told == {"active": False}
        status, refused = await browser.token(unspent)
        assert (status, refused["error"]) == (400, "invalid_grant")
        status, refused = await browser.refresh(tokens["refresh_token"])
        assert (status, refused["error"]) == (400, "invalid_grant")
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
        assert (await sign_in(browser)).status == 422
        await users("enable")
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400
        pool.clock.forward(1)
        landed = await sign_in(browser)
        status, tokens = await browser.token(landed.code)
        assert status == 200
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200


async def ended(pool, **changes):
    """What `broker users disable` or `passwd` does, now."""
    store = pool.services.store
    changed = await store.change_person("members", "id-of-ada", lambda p: replace(p, **changes))
    key = pool.services.keys.subject_key
    sub = subject.mint(connector="members", issuer="pool:members", subject=changed.id, key=key)
    await store.end_everything(sub, pool.clock(), 3600)


@pytest.mark.row("RD-21")
@pytest.mark.proves("pool", "somebody disabled while their password is looked at does not come in")
async def test_who_is_disabled_while_their_password_is_looked_at_does_not_come_in(pool, monkeypatch):
    looked, go_on = threading.Event(), threading.Event()
    slow = passwords.is_right

    def is_right(password, kept):
        looked.set()
        assert go_on.wait(PATIENCE)
        return slow(password, kept)

    monkeypatch.setattr(passwords, "is_right", is_right)
    async with pool.browser() as browser:
        page = await browser.authorize()
        answer = asyncio.create_task(type_in(browser, page, username="ada", password=PASSWORD))
        assert await asyncio.to_thread(looked.wait, PATIENCE)
        pool.clock.forward(1)
        await ended(pool, enabled=False)
        pool.clock.forward(1)  # the session would begin after everything has been ended
        go_on.set()
        assert "code=" not in (await answer).url
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"


@pytest.mark.row("RD-21")
async def test_what_came_of_a_login_that_was_under_way_is_over_too(pool, monkeypatch):
    """The end may come between the last look at it and the session."""
    put = pool.services.store.put_session

    async def put_late(cookie, session, ttl, **further):
        pool.clock.forward(1)
        await ended(pool, enabled=False)
        pool.clock.forward(1)
        return await put(cookie, record.replace(session, started_at=pool.clock()), ttl, **further)

    monkeypatch.setattr(pool.services.store, "put_session", put_late)
    async with pool.browser() as browser:
        landed = await sign_in(browser)
        status, refused = await browser.token(landed.code)
        assert (status, refused["error"]) == (400, "invalid_grant")
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"


@pytest.mark.row("RD-21")
async def test_a_password_that_was_changed_before_the_code_was_typed_is_no_password(pool):
    await pool.services.store.change_person("members", "id-of-ada", lambda p: replace(p, totp_secret=TOTP))
    async with pool.browser() as browser:
        page = await sign_in(browser)
        pool.clock.forward(1)
        await ended(pool, password_hash=hash_password("another one entirely"))
        pool.clock.forward(1)
        landed = await type_in(browser, page, code=pyotp.TOTP(TOTP).at(int(pool.clock())))
        assert landed.params.get("error") == "login_required"
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
    async with pool.browser() as browser:  # with the new one they come in, on a page that was open before
        page = await sign_in(browser, password="another one entirely")
        landed = await type_in(browser, page, code=pyotp.TOTP(TOTP).at(int(pool.clock()) + 30))
        status, tokens = await browser.token(landed.code)
        assert (status, "access_token" in tokens) == (200, True)


async def test_who_gets_another_password_goes_on_with_the_page_that_is_open(pool):
    async with pool.browser() as browser:
        page = await browser.authorize()
        pool.clock.forward(1)
        await ended(pool, password_hash=hash_password("another one entirely"))
        pool.clock.forward(1)
        landed = await type_in(browser, page, username="ada", password="another one entirely")
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.proves("pool", "asked again at a refresh: new claims, and nothing for somebody disabled")
async def test_at_a_refresh_the_pool_is_asked_again(start):
    entry = POOL | {"upstream_refresh": "always"}
    broker = await start(**only(entry, client={"trusted": True, "id_token_claims": True}))
    await person(broker)
    store = broker.services.store
    async with broker.browser() as browser:
        _, tokens = await browser.token((await sign_in(browser, scope="openid profile offline_access")).code)
        await store.change_person(
            "members", "id-of-ada", lambda p: replace(p, claims={"name": "Ada Newname"})
        )
        _, tokens = await browser.refresh(tokens["refresh_token"])
        assert claims(tokens["id_token"])["name"] == "Ada Newname"
        await store.change_person("members", "id-of-ada", lambda p: replace(p, enabled=False))
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400


@pytest.mark.proves("pool", "argon2id; an old hash is renewed when its password comes by")
async def test_a_hash_of_other_parameters_is_renewed_at_the_next_login(pool):
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    made = await person(pool, "old", password_hash=old)
    async with pool.browser() as browser:
        assert "code=" in (await sign_in(browser, "old")).url
    renewed = await pool.services.store.read_person("members", made.id)
    assert renewed.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    async with pool.browser() as browser:
        assert "code=" in (await sign_in(browser, "old")).url


async def test_nothing_of_a_person_is_readable_in_the_store(pool):
    store = pool.services.store
    for family in ("people", "usernames"):
        stored = b"".join(await store._wire.call("HGETALL", f"{store._prefix}{family}:{{members}}"))
        assert stored
        assert not [word for word in (b"ada@", b"Example", b"argon2") if word in stored]
