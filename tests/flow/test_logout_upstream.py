"""An upstream says that somebody signed out there: what it names ends here, and nothing else."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from broker.kit.forging import Key, compact, strangers_key
from tests.fakes.provider import FakeProvider
from tests.flow.broker import Broker, Browser, claims
from tests.flow.client_app import EVENT, ClientApp
from tests.flow.test_logout import BACK, decide, is_signed_in, log_out, signed_in
from tests.flow.test_logout_notices import listening

HEADER: dict[str, Any] = {"typ": "logout+jwt"}


@pytest.fixture
async def app() -> AsyncIterator[ClientApp]:
    async with ClientApp.running() as running:
        yield running


@pytest.fixture
async def broker(start, app: ClientApp) -> Broker:
    return await start(client=listening(app, trusted=True))


def said(idp: FakeProvider, **changes: Any) -> dict[str, Any]:
    """The claims of a good logout token of this provider; a claim that is None is left out."""
    honest = {
        "iss": idp.issuer,
        "aud": idp.client_id,
        "iat": int(time.time()),
        "exp": int(time.time()) + 120,
        "jti": f"jti-{time.time_ns()}",
        "events": {EVENT: {}},
        "sub": "ada",
        "sid": "upstream-session",
    } | changes
    return {name: value for name, value in honest.items() if value is not None}


def signed(
    idp: FakeProvider, key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    used = key or idp.keys[0]
    return compact(used, {"alg": used.alg, "kid": used.kid, **HEADER, **(header or {})}, said(idp, **changes))


async def post(browser: Browser, token: str, connector: str = "staff") -> tuple[int, dict[str, Any]]:
    return await browser.post(
        f"/connectors/{connector}/backchannel-logout", {"logout_token": token}, client=None
    )


@pytest.mark.standard("OpenID Back-Channel Logout", "§2.5 to §2.8 a good logout token of an upstream")
@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None])
async def test_a_logout_token_ends_the_session_and_the_apps_are_told(
    broker: Broker, idp, app: ClientApp, typ: str | None
) -> None:
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        header = {} if typ is None else {"typ": typ}
        key = idp.keys[0]
        token = compact(key, {"alg": key.alg, "kid": key.kid, **header}, said(idp))
        assert await post(browser, token) == (200, {})
        assert not await is_signed_in(browser)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        (told,) = await app.hears()
    assert claims(told)["sid"] == claims(tokens["id_token"])["sid"]
    assert [event["reason"] for event in broker.events("session_end")] == ["upstream_signed_out"]


@pytest.mark.row("LO-07")
async def test_only_the_sessions_that_are_named_end(start, idp) -> None:
    broker = await start(client={"trusted": True}, connectors={"partners": {}})
    async with AsyncExitStack() as stack:
        mine, again, at_partners, bobs = [await stack.enter_async_context(broker.browser()) for _ in range(4)]
        idp.switch(sid="one")
        await signed_in(mine, connector="staff")
        idp.switch(sid="two")
        await signed_in(again, connector="staff")
        idp.switch(sid="one")
        await signed_in(at_partners, connector="partners")
        idp.person("bob", name="Bob")
        idp.switch(sid="three")
        await signed_in(bobs, connector="staff")
        everybody = (mine, again, at_partners, bobs)

        async def who() -> list[bool]:
            return [await is_signed_in(browser) for browser in everybody]

        assert await who() == [True] * 4
        # Somebody else's session under her name, and hers under somebody else's.
        assert (await post(mine, signed(idp, sub="bob", sid="one")))[0] == 200
        assert (await post(mine, signed(idp, sub="ada", sid="three")))[0] == 200
        assert await who() == [True] * 4
        assert (await post(mine, signed(idp, sub=None, sid="one")))[0] == 200
        assert await who() == [False, True, True, True]
        assert (await post(mine, signed(idp, sid=None)))[0] == 200
        assert await who() == [False, False, True, True]
        assert (await post(mine, signed(idp), connector="partners"))[0] == 200
        assert await who() == [False, False, True, True]  # its sid is another one
        assert (await post(mine, signed(idp, sid=None), connector="partners"))[0] == 200
        assert await who() == [False, False, False, True]


@pytest.mark.row("LO-07")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.7 the sessions that iss with sub and sid identify")
async def test_a_session_whose_sid_was_never_told_ends_by_the_sub_beside_a_sid(broker: Broker, idp) -> None:
    idp.switch(sid="missing")
    async with broker.browser() as browser, broker.browser() as another:
        await signed_in(browser)
        idp.switch(sid="told")
        await signed_in(another)
        assert (await post(browser, signed(idp, sub=None, sid="elsewhere")))[0] == 200
        assert (await post(browser, signed(idp, sub="bob", sid="elsewhere")))[0] == 200
        assert await is_signed_in(browser)  # it may be anybody's
        assert (await post(browser, signed(idp, sid="elsewhere")))[0] == 200
        assert not await is_signed_in(browser)
        assert await is_signed_in(another)


def by_another_key(idp: FakeProvider) -> str:
    return signed(idp, key=strangers_key("RS256"))


def unsigned(idp: FakeProvider) -> str:
    parts = [b'{"alg":"none","typ":"logout+jwt"}', str(said(idp)).replace("'", '"').encode()]
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def by_the_public_key(idp: FakeProvider) -> str:
    key = idp.keys[0]
    header = {"alg": "HS256", "kid": key.kid, **HEADER}
    return compact(key, header, said(idp), secret=key.public_forms()["pem"])


def other(**changes: Any) -> Callable[[FakeProvider], str]:
    return lambda idp: signed(idp, **changes)


def at(name: str, seconds: int, **changes: Any) -> Callable[[FakeProvider], str]:
    """With this time so many seconds from when it is sent, which is long after the tests were collected."""
    return lambda idp: signed(idp, **{name: int(time.time()) + seconds}, **changes)


def typed(typ: str) -> Callable[[FakeProvider], str]:
    return lambda idp: signed(idp, header={"typ": typ})


NOT_BELIEVED: dict[str, tuple[Callable[[FakeProvider], str], str]] = {
    "none": (unsigned, "token_bad_algorithm"),
    "HMAC with the public key": (by_the_public_key, "token_bad_algorithm"),
    "another key": (by_another_key, "token_"),
    "another issuer": (other(iss="https://evil.example"), "logout_token_iss_mismatch"),
    "another audience": (other(aud="somebody"), "logout_token_aud_mismatch"),
    "another audience beside us": (other(aud=["broker", "evil"]), "logout_token_aud_"),
    "no audience": (other(aud=None), "logout_token_aud_mismatch"),
    "a nonce": (other(nonce="n"), "logout_token_nonce_unexpected"),
    "an empty nonce": (other(nonce=""), "logout_token_nonce_unexpected"),
    "no events": (other(events=None), "logout_token_events_malformed"),
    "no event": (other(events={}), "logout_token_events_malformed"),
    "another event": (other(events={"http://evil.example/event": {}}), "logout_token_events_malformed"),
    "an event that is no object": (other(events={EVENT: True}), "logout_token_events_malformed"),
    "events that are a list": (other(events=[EVENT]), "logout_token_events_malformed"),
    "nobody named": (other(sub=None, sid=None), "logout_token_nobody_named"),
    "an empty sub": (other(sub="", sid=None), "logout_token_sub_malformed"),
    "a sid that is no text": (other(sid=["upstream-session"]), "logout_token_sid_malformed"),
    "a sub beyond measure": (other(sub="a" * 300), "logout_token_sub_malformed"),
    "no jti": (other(jti=None), "logout_token_jti_missing"),
    "a jti that is no text": (other(jti=7), "logout_token_jti_malformed"),
    "an old iat": (at("iat", -3600, exp=None), "logout_token_iat_old"),
    "an iat to come": (at("iat", 3600), "logout_token_iat_future"),
    "no iat": (other(iat=None), "logout_token_iat_malformed"),
    "expired": (at("exp", -60), "logout_token_expired"),
    "an access token": (typed("at+jwt"), "token_"),
    "no token at all": (lambda _idp: "rubbish", "token_"),
}


@pytest.mark.row("LO-06")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.6 every rung of the validation")
@pytest.mark.parametrize("kind", NOT_BELIEVED)
async def test_what_is_not_to_be_believed_ends_nothing(
    broker: Broker, idp, app: ClientApp, kind: str
) -> None:
    make, reason = NOT_BELIEVED[kind]
    async with broker.browser() as browser:
        await signed_in(browser)
        status, body = await post(browser, make(idp))
        assert (status, set(body) - {"error_description"}) == (400, {"error"})
        assert await is_signed_in(browser)
    (refusal,) = broker.events("refusal")
    assert refusal["reason"].startswith(reason)
    assert app.told == []


@pytest.mark.row("LO-06")
async def test_an_id_token_is_no_logout_token(broker: Broker, idp) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        assert (await post(browser, idp.told[0]["id_token"]))[0] == 400
        assert await is_signed_in(browser)


@pytest.mark.row("LO-06")
async def test_a_logout_token_that_was_used_ends_no_later_session(broker: Broker, idp) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        token = signed(idp)
        assert (await post(browser, token))[0] == 200
        await signed_in(browser)
        status, body = await post(browser, token)
        assert (status, body["error"]) == (400, "invalid_request")
        assert await is_signed_in(browser)


@pytest.mark.row("LO-14")
async def test_of_fifty_at_once_all_are_heard_and_the_app_hears_one_word(
    broker: Broker, idp, app: ClientApp
) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        answers = await asyncio.gather(*(post(browser, signed(idp, jti=f"jti-{n}")) for n in range(50)))
        assert {status for status, _ in answers} == {200}
        assert not await is_signed_in(browser)
        await app.hears()
    assert len({claims(token)["jti"] for token in app.told}) == 1


async def test_the_request_itself_is_read_strictly(broker: Broker, idp) -> None:
    url = f"{broker.issuer}/connectors/staff/backchannel-logout"
    async with broker.browser() as browser:
        await signed_in(browser)
        token = signed(idp)
        tries: list[tuple[str, dict[str, Any]]] = [
            (url, {"data": {}}),
            (url, {"json": {"logout_token": token}}),
            (url, {"data": [("logout_token", token), ("logout_token", token)]}),
            (f"{url}?{urlencode({'logout_token': token})}", {"data": {"a": "b"}}),
        ]
        for where, body in tries:
            landed = await browser.step("POST", where, **body)
            assert (landed.status, landed.headers["Content-Type"]) == (400, "application/json")
            assert landed.headers["Cache-Control"] == "no-store"
        for connector in ("nobody", "../staff", "staff%00"):
            landed = await browser.step("POST", url.replace("staff", connector), data={"logout_token": token})
            assert landed.status == 404
        assert (await browser.step("GET", url)).status == 405
        assert await is_signed_in(browser)
    assert token not in str(broker.log)


async def test_an_upstream_whose_keys_cannot_be_had_is_asked_to_come_again(broker: Broker, idp) -> None:
    async with broker.browser() as browser:
        await signed_in(browser)
        key = idp.rotate()
        idp.switch(jwks="503")
        token = signed(idp, key=key)
        broker.clock.forward(0)
        status, body = await post(browser, token)
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        idp.switch(jwks=None)
        assert await is_signed_in(browser)


# ── By a frame in the upstream's page ─────────────────────────────────────────────────────────────


async def frame(browser: Browser, connector: str = "staff", **asked: str) -> Any:
    url = f"{browser.broker.issuer}/connectors/{connector}/frontchannel-logout?{urlencode(asked)}"
    return await browser.step("GET", url)


@pytest.mark.standard("OpenID Front-Channel Logout", "§2 iss and sid, without a cookie of ours")
async def test_a_frame_of_the_upstream_ends_the_session_that_it_names(
    broker: Broker, idp, app: ClientApp
) -> None:
    async with broker.browser() as browser, broker.browser() as frames:
        await signed_in(browser)
        landed = await frame(frames, iss=idp.issuer, sid="upstream-session")
        assert (landed.status, landed.body) == (200, "")
        assert "frame-ancestors *" in landed.headers["Content-Security-Policy"]
        assert "X-Frame-Options" not in landed.headers
        assert not await is_signed_in(browser)
        await app.hears()


@pytest.mark.row("LO-13")
async def test_a_frame_that_names_something_else_ends_nothing_and_learns_nothing(start, idp) -> None:
    broker = await start(client={"trusted": True}, connectors={"partners": {}})
    good = {"iss": idp.issuer, "sid": "upstream-session"}
    wrong: list[dict[str, str]] = [
        {},
        {"iss": idp.issuer},
        {"sid": "upstream-session"},
        good | {"sid": "upstream-session "},
        good | {"sid": "ada"},
        good | {"iss": idp.issuer + "/"},
        good | {"iss": "https://evil.example"},
    ]
    async with broker.browser() as browser:
        await signed_in(browser, connector="staff")
        answers = [await frame(browser, **asked) for asked in wrong]
        answers.append(await frame(browser, "partners", **good))
        assert {(one.status, one.body) for one in answers} == {(200, "")}
        assert (await frame(browser, "nobody", **good)).status == 404
        assert await is_signed_in(browser)


# ── Signing out there as well ─────────────────────────────────────────────────────────────────────


async def test_where_the_operator_wants_it_people_go_by_way_of_the_upstream_and_on_to_the_app(
    start, idp
) -> None:
    entry = {"post_logout_redirect_uris": [BACK]}
    broker = await start(connector={"upstream_logout": "always"}, client=entry)
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(
            browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state="s"
        )
        assert landed.url == f"{BACK}&state=s"
        assert idp.session_since is None
        assert "leaving" not in browser.cookies()
        assert not await is_signed_in(browser)
        # Who comes there again comes from no sign-out of theirs.
        page = await browser.step("GET", f"{broker.issuer}/signed-out")
        assert (page.status, "Location" in page.headers) == (200, False)
    sent = idp.seen("end_session")[0].query
    assert sent["post_logout_redirect_uri"] == f"{broker.issuer}/signed-out"
    assert "state" not in sent


async def test_who_stopped_at_the_upstream_is_not_led_to_that_app_after_a_later_sign_out(start, idp) -> None:
    entry = {"post_logout_redirect_uris": [BACK]}
    broker = await start(connector={"upstream_logout": "always"}, client=entry)
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        asked = urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BACK})
        stopped = await browser.step("GET", f"{broker.issuer}/logout?{asked}")
        assert stopped.url.startswith(idp.issuer)
        again = await signed_in(browser)
        page = await log_out(browser, id_token_hint=again["id_token"])
        assert (page.status, urlsplit(page.url).path) == (200, "/signed-out")


async def test_by_way_of_the_upstream_nobody_is_sent_where_nothing_is_registered(start, idp) -> None:
    broker = await start(connector={"upstream_logout": "always"})
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example/"}
        onward = await decide(browser, await log_out(browser, **asked))
        landed = await browser.go(onward.url)
        assert (landed.status, urlsplit(landed.url).path) == (200, "/signed-out")
        assert "You are signed out" in landed.body
        assert "evil" not in landed.body
    assert idp.session_since is None


async def test_an_upstream_that_is_away_keeps_nobody_from_their_app(start, idp) -> None:
    idp.switch(discovery={"end_session_endpoint": "javascript:alert(1)"})
    entry = {"post_logout_redirect_uris": [BACK]}
    broker = await start(connector={"upstream_logout": "always"}, client=entry)
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        landed = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
        assert landed.url == BACK


async def test_the_frames_of_the_apps_come_before_the_way_by_the_upstream(start, idp) -> None:
    entry = {"post_logout_redirect_uris": [BACK], "frontchannel_logout_uri": "https://billing.example/out"}
    broker = await start(connector={"upstream_logout": "always"}, client=entry)
    async with broker.browser() as browser:
        tokens = await signed_in(browser)
        page = await log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK)
        assert 'src="https://billing.example/out?iss=' in page.body
        landed = await browser.go(page.link("post_logout_redirect_uri"))
        assert landed.url == BACK


# ── When its session ends ─────────────────────────────────────────────────────────────────────────


async def test_when_the_upstream_s_session_ends_ours_does_and_apps_know(broker: Broker, idp) -> None:
    ends = int(time.time()) + 600
    idp.switch(claims={"session_expiry": ends})
    async with broker.browser() as browser:
        tokens = await signed_in(browser, scope="openid offline_access")
        assert claims(tokens["id_token"])["session_expiry"] == ends
        assert await is_signed_in(browser)
        broker.clock.forward(601)
        assert not await is_signed_in(browser)
        status, refreshed = await browser.refresh(tokens["refresh_token"])
        assert status == 200  # who is away is away: that is what was asked for
        assert claims(refreshed["id_token"])["session_expiry"] == ends


async def test_unless_the_upstream_says_so_nothing_is_said_of_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        assert "session_expiry" not in claims((await signed_in(browser))["id_token"])


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("soon", "server_error"),
        (True, "server_error"),
        (1e30, "server_error"),
        (1_700_000_000, "login_required"),
    ],
)
async def test_an_end_that_is_none_or_is_over_signs_nobody_in(
    broker: Broker, idp, value: object, error: str
) -> None:
    idp.switch(claims={"session_expiry": value})
    async with broker.browser() as browser:
        assert (await browser.login()).params["error"] == error
        assert "session" not in browser.cookies()
