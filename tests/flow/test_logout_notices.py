"""Client apps are told that a session is over: whoever ended it, by which token, however often it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest

from broker.jose import DecryptionKey
from broker.logout import Courier, look_after
from broker.store import Notice, Posted
from tests.flow.broker import GIVEN_UP, Broker, Browser, claims
from tests.flow.client_app import ClientApp, header
from tests.flow.conftest import Start
from tests.flow.test_encrypted_answers import EC
from tests.flow.test_logout import BACK, decide, log_out, signed_in
from tests.interop.processes import free_port
from tests.patience import PATIENCE, skip

T = TypeVar("T")
OFFLINE: dict[str, Any] = {
    "scope": "openid profile email offline_access",
    "grant_types": ["authorization_code", "refresh_token"],
}


@pytest.fixture
async def app() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


@pytest.fixture
async def wiki() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


def listening(app: ClientApp, **further: Any) -> dict[str, Any]:
    return {
        "backchannel_logout_uri": app.backchannel_logout_uri,
        "post_logout_redirect_uris": [BACK],
        **OFFLINE,
        **further,
    }


@pytest.fixture
async def broker(start, app: ClientApp, wiki: ClientApp) -> Broker:
    return await start(
        client=listening(app),
        trusted=listening(wiki, id_token_signed_response_alg="RS256"),
    )


async def wiki_too(browser: Browser, **changes: str) -> dict[str, Any]:
    """Tokens of a second app in the same session."""
    landed = await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb", **changes)
    form = {"redirect_uri": "https://trusted.example/cb"}
    status, tokens = await browser.token(landed.code, client="trusted", **form)
    assert status == 200
    return tokens


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """What a look at the store finds, once it is as it should be."""
    async with asyncio.timeout(PATIENCE):
        while not good(found := await look()):
            pass
    return found


async def post(broker: Broker, *notices: Notice) -> None:
    """Have their apps told, by a worker that need not wait until it looks by itself."""
    for one in notices:
        await broker.services.store.post_notice(one)
    broker.services.endings.news.set()


async def settled(broker: Broker) -> None:
    """The outbox is empty, as far as it can be now."""
    await until(broker.services.store.count_notices, lambda counts: counts.waiting == 0)


async def failed(broker: Broker, attempts: int = 1) -> Posted:
    """The one notice that was tried so often, and has failed."""
    look = broker.services.store.list_notices
    (posted,) = await until(look, lambda found: bool(found) and found[0].notice.attempts >= attempts)
    return posted


@pytest.mark.row("LO-09")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.4 typ, jti, exp, events, aud, alg, no nonce")
async def test_every_app_of_the_session_hears_by_a_token_of_its_own(
    broker: Broker, app: ClientApp, wiki: ClientApp
) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        theirs = await wiki_too(browser)
        await log_out(browser, id_token_hint=tokens["id_token"])
        (mine,), (other,) = await app.hears(), await wiki.hears()
    told = await app.checked(mine, issuer=broker.issuer, client_id="billing")
    told_too = await wiki.checked(other, issuer=broker.issuer, client_id="trusted")
    for said, token in ((told, tokens), (told_too, theirs)):
        known = claims(token["id_token"])
        assert (said["sub"], said["sid"]) == (known["sub"], known["sid"])
    assert (header(mine)["alg"], header(other)["alg"]) == ("ES256", "RS256")
    assert told["jti"] != told_too["jti"]
    await settled(broker)
    assert await broker.services.store.list_notices() == []


@pytest.mark.row("TK-05")
async def test_a_logout_token_is_no_token_of_any_other_kind(broker: Broker, app: ClientApp) -> None:
    async with broker.browser() as browser:
        await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
        (token,) = await app.hears()
        assert (await browser.userinfo(token))[0] == 401
        _, said = await browser.post("/introspect", {"token": token})
        assert said == {"active": False}
        await signed_in(browser)
        page = await log_out(browser, id_token_hint=token)
        assert 'value="sign_out"' in page.body  # and no hint


async def test_who_was_given_nothing_in_the_session_hears_nothing(
    broker: Broker, app: ClientApp, wiki: ClientApp
) -> None:
    async with broker.browser() as browser, broker.browser() as another:
        await wiki_too(another)
        landed = await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb")
        assert landed.code  # which is never redeemed
        tokens = await signed_in(browser)
        await log_out(browser, id_token_hint=tokens["id_token"])
        await app.hears()
    await settled(broker)
    assert wiki.told == []


@pytest.mark.row("LO-14")
async def test_a_code_that_is_redeemed_while_the_session_ends_is_refused_or_told_of(
    broker: Broker, app: ClientApp
) -> None:
    async with broker.browser() as browser:
        for number in range(6):
            tokens = await signed_in(browser)
            landed = await browser.login()
            ending = log_out(browser, id_token_hint=tokens["id_token"])
            await asyncio.gather(browser.token(landed.code), ending)
            assert len(await app.hears(number + 1)) == number + 1
    await settled(broker)
    assert len(app.told) == 6


@pytest.mark.row("LO-14")
async def test_of_fifty_sign_outs_at_once_an_app_hears_one_word(broker: Broker, app: ClientApp) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        sid = claims(tokens["id_token"])["sid"]
        endings = broker.services.endings
        ended = await asyncio.gather(*(endings.end(sid, "signed_out") for _ in range(50)))
        assert [one.known.was_live for one in ended if one is not None].count(True) == 1
        await app.hears()
    await settled(broker)
    assert len({claims(token)["jti"] for token in app.told}) == 1


# ── By whom a session is ended ────────────────────────────────────────────────────────────────────


async def test_the_account_page_tells_the_apps(broker: Broker, app: ClientApp) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        page = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": page.field("csrf")}
        page = await browser.step("POST", f"{broker.issuer}/account/sign-out", data=data)
        assert "You are signed out" in page.body
        assert "Billing" in page.body
        await app.hears()


async def test_whoever_signs_in_as_somebody_else_has_ended_the_session_before(
    broker: Broker, app: ClientApp, idp
) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        idp.person("bob", name="Bob")
        idp.current = "bob"
        await signed_in(browser, prompt="login")
        (told,) = await app.hears()
        assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401


async def test_whoever_signs_in_again_keeps_the_session_and_nobody_hears_of_it(
    broker: Broker, app: ClientApp
) -> None:
    async with broker.browser() as browser:
        first = await signed_in(browser)
        second = await signed_in(browser, prompt="login")
    assert claims(first["id_token"])["sid"] == claims(second["id_token"])["sid"]
    await settled(broker)
    assert app.told == []


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.3 a session that runs out is an end too")
async def test_a_session_that_runs_out_is_told_of_once(broker: Broker, app: ClientApp) -> None:
    services = broker.services
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        broker.clock.forward(3700)  # its list says now; it was used meanwhile
        assert await look_after(services.store, services.endings, now=services.now()) == 1
        await settled(broker)
        assert app.told == []
        broker.clock.forward(12 * 3600)
        assert await look_after(services.store, services.endings, now=services.now()) == 1
        (told,) = await app.hears()
    assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]
    broker.clock.forward(12 * 3600)
    assert await look_after(services.store, services.endings, now=services.now()) == 0
    assert [event["reason"] for event in broker.events("session_end")] == ["session_expired"]


async def test_an_end_that_was_begun_by_who_died_is_finished(broker: Broker, app: ClientApp) -> None:
    services = broker.services
    async with broker.browser() as browser:
        sid = claims((await signed_in(browser))["id_token"])["sid"]
        await services.store.note_due(sid, services.now() + 60, now=services.now(), sooner=True)
        await services.store.end_session(sid, 300)  # and no further
        broker.clock.forward(61)
        assert await look_after(services.store, services.endings, now=services.now()) == 1
        (told,) = await app.hears()
        assert claims(told)["sid"] == sid
    assert await services.store.known_session(sid) is None


async def test_a_consent_that_is_taken_back_is_told_by_the_person_alone(
    broker: Broker, app: ClientApp, wiki: ClientApp
) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser, scope=OFFLINE["scope"])
        await wiki_too(browser)
        page = await browser.go(f"{broker.issuer}/account")
        data = {"csrf": page.field("csrf"), "client_id": "billing"}
        await browser.step("POST", f"{broker.issuer}/account/withdraw", data=data)
        (told,) = await app.hears()
        said = await app.checked(told, issuer=broker.issuer, client_id="billing")
        assert said["sub"] == claims(tokens["id_token"])["sub"]
        assert "sid" not in said
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400
        # It has heard: the end of the session is news for the other one alone.
        page = await browser.go(f"{broker.issuer}/account")
        await browser.step("POST", f"{broker.issuer}/account/sign-out", data={"csrf": page.field("csrf")})
        await wiki.hears()
    await settled(broker)
    assert (len(app.told), len(wiki.told)) == (1, 1)


async def test_an_app_that_wants_sids_is_told_of_each_that_it_knows(start, app: ClientApp) -> None:
    broker = await start(client=listening(app, backchannel_logout_session_required=True))
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(broker.browser()) for _ in range(2)]
        tokens = [await signed_in(browser, scope=OFFLINE["scope"]) for browser in browsers]
        sids = {claims(one["id_token"])["sid"] for one in tokens}
        await broker.services.endings.end_everything(claims(tokens[0]["id_token"])["sub"], "disabled")
        told = await app.hears(2)
    assert {claims(token)["sid"] for token in told} == sids


async def test_all_that_a_person_has_ends_and_each_app_hears_it_once(broker: Broker, app: ClientApp) -> None:
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(broker.browser()) for _ in range(3)]
        tokens = [await signed_in(browser) for browser in browsers]
        subject = claims(tokens[0]["id_token"])["sub"]
        ended = await broker.services.endings.end_everything(subject, "user_disabled")
        assert len(ended) == 3
        (told,) = await app.hears()
        assert "sid" not in claims(told)
        for browser in browsers:
            assert (await browser.authorize(prompt="none")).params["error"] == "login_required"
    await settled(broker)
    assert len(app.told) == 1


# ── However it is received ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("LO-11")
@pytest.mark.parametrize("trouble", ["500", "404", "302", "huge", "hangs", "away"])
async def test_whatever_the_app_does_the_sign_out_succeeds_and_it_is_told_again(
    start: Start, app: ClientApp, trouble: str
) -> None:
    away = {"backchannel_logout_uri": f"http://127.0.0.1:{free_port()}/"} if trouble == "away" else {}
    broker = await start(client=listening(app) | away)
    wrong = int(trouble) if trouble.isdecimal() else None
    app.answers = [wrong] if wrong else []
    app.huge, app.hangs = trouble == "huge", asyncio.Event() if trouble == "hangs" else None
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
        assert landed.url == BACK  # at once
        if trouble == "away":
            assert (await failed(broker)).state == "later"
            return
        await app.hears()
        if trouble == "hangs":
            skip(GIVEN_UP)
        posted = await failed(broker)
        assert (posted.state, posted.notice.attempts) == ("later", 1)
        app.huge, app.hangs = False, None
        broker.clock.forward(6)
        broker.services.endings.news.set()
        first, second = await app.hears(2)
    assert claims(first)["jti"] == claims(second)["jti"]
    assert claims(second)["iat"] >= claims(first)["iat"] + 5  # signed anew: it lives two minutes
    assert app.elsewhere == 0


@pytest.mark.row("LO-11")
async def test_an_app_that_never_answers_is_given_up_in_sight_of_the_operator(
    broker: Broker, app: ClientApp
) -> None:
    app.answers = [503] * 20
    async with broker.browser() as browser:
        await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
    for attempt in range(1, 11):
        posted = await failed(broker, attempt)
        broker.clock.forward(13 * 3600)
        broker.services.endings.news.set()  # its courier need not wait until it looks by itself
    assert (posted.state, posted.notice.attempts) == ("dead", 10)
    assert "503" in posted.notice.problem
    events = broker.events("logout_notice")
    assert [event["reason"] for event in events] == ["later"] * 9 + ["given_up"]
    assert len({claims(token)["jti"] for token in app.told}) == 1


async def test_one_app_that_hangs_keeps_no_other_waiting(
    broker: Broker, app: ClientApp, wiki: ClientApp
) -> None:
    app.hangs = asyncio.Event()
    async with AsyncExitStack() as stack:
        for _ in range(6):
            browser = await stack.enter_async_context(broker.browser())
            await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
        browser = await stack.enter_async_context(broker.browser())
        await signed_in(browser)
        theirs = await wiki_too(browser)
        await log_out(browser, id_token_hint=theirs["id_token"])
        await wiki.hears()
    app.hangs.set()


@pytest.mark.row("LO-11")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.5 called through the outbound guard")
async def test_an_address_that_may_not_be_called_is_not_called(start, app: ClientApp) -> None:
    networks = {"allow_networks": ["127.0.0.2/32"], "timeout": "2s"}
    broker = await start(client=listening(app), top={"outbound": networks})
    notice = Notice(
        id="a-jti", client_id="billing", subject="ada", sid="a-sid", why="signed_out", posted_at=0.0
    )
    await post(broker, notice)
    assert "not allowed" in (await failed(broker)).notice.problem
    assert app.told == []


async def test_what_a_worker_had_in_hand_that_died_is_delivered_by_another(
    broker: Broker, app: ClientApp
) -> None:
    services, app.hangs = broker.services, asyncio.Event()
    async with broker.browser() as browser:
        await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
        await app.hears()  # and its worker says nothing of it any more
        app.hangs = None
        other = Courier(
            issuer=broker.issuer,
            store=services.store,
            clients=services.clients,
            keys=services.keys,
            public_keys=services.public_keys,
            outbound=services.strangers,
            events=services.events,
            name="another worker",
            now=services.now,
            news=asyncio.Event(),
            lost_after=0.001,
        )
        delivering = asyncio.create_task(other.run())
        async with asyncio.timeout(PATIENCE):
            await app.hears(2)
            other.stop()
            await delivering
    first, second = app.told
    assert claims(first)["jti"] == claims(second)["jti"]
    assert await services.store.list_notices() == []


@pytest.mark.parametrize("client_id", ["spa", "nobody"])
async def test_for_an_app_that_listens_no_more_nothing_waits(broker: Broker, client_id: str) -> None:
    notice = Notice(id="j", client_id=client_id, subject="a", sid="s", why="signed_out", posted_at=0.0)
    await post(broker, notice)
    await until(broker.services.store.list_notices, lambda found: not found)
    assert [event["reason"] for event in broker.events("logout_notice")] == ["client_gone"]


async def test_pairwise_apps_hear_the_sub_that_they_know(start, app: ClientApp) -> None:
    broker = await start(client=listening(app, subject_type="pairwise"))
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        assert "sub" in claims(tokens["id_token"])
        await log_out(browser, id_token_hint=tokens["id_token"])
        (told,) = await app.hears()
    assert claims(told)["sub"] == claims(tokens["id_token"])["sub"]
    assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]
    (held,) = broker.events("session_end")
    assert held["sid"] != claims(told)["sid"]
    assert held["subject"] != claims(told)["sub"]  # which is nobody else's


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.4 encrypted where the ID Tokens are")
async def test_where_id_tokens_are_encrypted_logout_tokens_are_too(start, app: ClientApp) -> None:
    keys = {"keys": [{**EC.export_public(as_dict=True), "use": "enc"}]}
    entry = listening(app, jwks=keys, id_token_encrypted_response_alg="ECDH-ES")
    broker = await start(client=entry)
    key = DecryptionKey.read(EC.export_private())
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        hint = key.open(tokens["id_token"], alg="ECDH-ES", encodings=("A128CBC-HS256",))
        await log_out(browser, id_token_hint=hint)
        (told,) = await app.hears()
    assert header(told)["alg"] == "ECDH-ES"
    inner = key.open(told, alg="ECDH-ES", encodings=("A128CBC-HS256",))
    said = await app.checked(inner, issuer=broker.issuer, client_id="billing")
    assert said["sid"] == claims(hint)["sid"]


async def test_a_pairwise_app_signs_out_in_a_frame_by_the_sid_that_it_knows(start) -> None:
    frame = {"frontchannel_logout_uri": "https://billing.example/frame", "subject_type": "pairwise"}
    broker = await start(client=frame)
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        page = await log_out(browser, id_token_hint=tokens["id_token"])
    assert f'sid={claims(tokens["id_token"])["sid"]}"' in page.body


@pytest.mark.row("LO-13")
@pytest.mark.standard("OpenID Front-Channel Logout", "§2 frames with iss and sid, §3 then back to the app")
async def test_apps_sign_out_in_frames_and_the_page_leads_on(start) -> None:
    broker = await start(
        client={
            "frontchannel_logout_uri": "https://billing.example/frame?a=b",
            "post_logout_redirect_uris": [BACK],
        },
        trusted={"frontchannel_logout_uri": "https://trusted.example/frame"},
    )
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        await wiki_too(browser)
        sid = claims(tokens["id_token"])["sid"]
        page = await log_out(
            browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state="s"
        )
    assert page.status == 200
    query = f"iss=http%3A%2F%2F{broker.issuer.removeprefix('http://').replace(':', '%3A')}&amp;sid={sid}"
    assert f'src="https://billing.example/frame?a=b&amp;{query}"' in page.body
    assert f'src="https://trusted.example/frame?{query}"' in page.body
    policy = page.headers["Content-Security-Policy"]
    assert "frame-src https://billing.example https://trusted.example;" in policy
    assert page.link("billing.example/bye") == f"{BACK}&state=s"


@pytest.mark.row("LO-13")
async def test_no_other_page_may_hold_a_frame(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        page = await decide(browser, await log_out(browser, client_id="trusted"))
        assert "frame-src" not in page.headers["Content-Security-Policy"]
        assert "<iframe" not in page.body
        assert tokens


async def test_what_the_store_holds_of_it_is_sealed_and_ends(broker: Broker, app: ClientApp) -> None:
    app.answers = [500] * 3
    async with broker.browser() as browser:
        await log_out(browser, id_token_hint=(await signed_in(browser))["id_token"])
        await failed(broker)
    store = broker.services.store
    for key in await store._wire.call("KEYS", f"{store._prefix}outbox*"):
        assert await store._wire.call("PTTL", key) > 0
        assert b"backchannel" not in await store._wire.call("DUMP", key)
    assert json.dumps(broker.events()).count("logout_token") == 0
