"""Devices without a browser: a person types a code elsewhere, and the device gets its tokens once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from broker.endpoints import device
from broker.protocol.device import ALPHABET
from tests.flow.broker import Broker, claims
from tests.flow.conftest import Start
from tests.flow.devices import TV, Device, answer, to_confirm, type_code

pytestmark = [pytest.mark.standard("RFC 8628", "the whole of it")]


@pytest.fixture
async def tv(start: Start) -> AsyncIterator[Device]:
    async with InFront(await start(clients={"tv": TV, "radio": TV})) as one:
        yield one


class InFront:
    """A device with connections of its own."""

    def __init__(self, broker: Broker, client_id: str = "tv") -> None:
        self._broker, self._client_id = broker, client_id

    async def __aenter__(self) -> Device:
        self._session = aiohttp.ClientSession()
        return Device(self._broker, self._session, self._client_id)

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


@pytest.mark.standard("RFC 8628", "§3.1 to §3.5 a device is signed in")
async def test_a_device_is_signed_in_and_refreshes(tv: Device) -> None:
    assert await tv.ask("openid profile email offline_access") == 200
    assert tv.asked["verification_uri"] == f"{tv.broker.issuer}/device"
    assert tv.asked["interval"] == 5
    assert tv.asked["expires_in"] == 600
    assert await tv.poll() == (400, {"error": "authorization_pending"})
    async with tv.broker.browser() as browser:
        page = await to_confirm(browser, tv.user_code)
        assert page.status == 200
        for words in (
            "Television",
            tv.user_code,
            "ada@people.example",
            "127.0.0.1",
            "See your email address",
        ):
            assert words in page.body.replace("<wbr>", ""), words
        done = await answer(browser, page)
        assert "Device connected" in done.body
        status, tokens = await tv.later()
        assert status == 200
        assert tokens["scope"] == "openid profile email offline_access"
        assert claims(tokens["id_token"])["aud"] == "tv"
        assert (await browser.userinfo(tokens["access_token"]))[1]["email"] == "ada@people.example"
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "tv"}
        status, again = await browser.post("/token", form, client=None)
        assert status == 200
        assert claims(again["id_token"])["sub"] == claims(tokens["id_token"])["sub"]


@pytest.mark.row("DV-01")
async def test_without_a_client_for_devices_there_is_nothing_of_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        assert (await browser.step("GET", f"{broker.issuer}/device")).status == 404
        assert (await browser.post("/device_authorization", {"scope": "openid"}))[0] == 404
        form = {"grant_type": TV["grant_types"][0], "device_code": "x" * 43}
        assert await browser.post("/token", form) == (400, {"error": "unsupported_grant_type"})
        discovery = await browser.step("GET", f"{broker.issuer}/.well-known/openid-configuration")
        assert "device" not in discovery.body


@pytest.mark.row("DV-01")
@pytest.mark.standard("RFC 8628", "§4 device_authorization_endpoint in the metadata")
async def test_the_metadata_says_where_and_only_its_clients_may(tv: Device) -> None:
    issuer = tv.broker.issuer
    async with tv.broker.browser() as browser:
        for path in ("openid-configuration", "oauth-authorization-server"):
            page = await browser.step("GET", f"{issuer}/.well-known/{path}")
            assert f'"device_authorization_endpoint":"{issuer}/device_authorization"' in page.body
            assert TV["grant_types"][0] in page.body
        status, body = await browser.post("/device_authorization", {"scope": "openid"})
        assert (status, body["error"]) == (400, "unauthorized_client")
        status, body = await browser.post("/device_authorization", {"scope": "openid"}, client="nobody")
        assert (status, body["error"]) == (401, "invalid_client")
    assert await tv.ask("openid groups") == 400
    assert tv.asked["error"] == "invalid_scope"


@pytest.mark.row("DV-09")
async def test_codes_are_chance_and_tell_nothing_of_each_other(tv: Device) -> None:
    codes, shown = set(), set()
    for _ in range(20):
        await tv.ask()
        codes.add(tv.asked["device_code"])
        shown.add(tv.user_code)
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", tv.asked["device_code"])  # 256 bits
        assert re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", tv.user_code)
    assert len(codes) == len(shown) == 20
    assert await type_and_status(tv, tv.asked["device_code"]) == 422


async def type_and_status(tv: Device, typed: str) -> int:
    async with tv.broker.browser() as browser:
        return (await type_code(browser, typed)).status


@pytest.mark.row("DV-03")
async def test_a_code_is_the_same_however_it_is_written(tv: Device) -> None:
    await tv.ask()
    plain = tv.user_code.replace("-", "")
    wide = "".join(chr(ord(letter) - ord("A") + ord("Ａ")) for letter in plain)
    for typed in (
        plain.lower(),
        f"  {plain[:3]} {plain[3:]} ",
        "·".join(plain),
        wide,
        f"{plain[:4]}\u200b—{plain[4:]}",
    ):
        assert await type_and_status(tv, typed) == 200, typed
    for typed in (plain + "B", plain[:-1], plain[:-1] + "А", plain[:-1] + "٣", plain[:-1] + "0"):
        assert await type_and_status(tv, typed) == 422, typed


@pytest.mark.row("DV-02")
async def test_one_code_may_only_be_looked_up_so_often(tv: Device) -> None:
    await tv.ask()
    statuses = [await type_and_status(tv, tv.user_code) for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    other = Device(tv.broker, tv.session, "tv")
    await other.ask()
    assert await type_and_status(other, other.user_code) == 200


@pytest.mark.row("DV-02")
async def test_wrong_codes_from_one_address_come_to_an_end(tv: Device) -> None:
    await tv.ask()
    wrong = [f"{a}{b}BBBBBB" for a in ALPHABET for b in ALPHABET]
    statuses = [await type_and_status(tv, code) for code in wrong[:22]]
    assert statuses == [422] * 20 + [429] * 2
    async with tv.broker.browser() as browser:
        refused = await type_code(browser, tv.user_code)
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert "too many attempts" in refused.body


@pytest.mark.row("DV-02")
@pytest.mark.row("DS-15")
async def test_strangers_together_come_to_an_end_and_who_is_signed_in_does_not(start: Start) -> None:
    proxies = {"trusted_proxies": {"networks": ["127.0.0.1"]}}
    broker = await start(clients={"tv": TV}, top=proxies)
    async with InFront(broker) as tv, broker.browser() as guesser, broker.browser() as person:
        await tv.ask()
        await person.login()
        page = await guesser.step("GET", f"{broker.issuer}/device")
        csrf, statuses = page.field("csrf"), []
        for number in range(305):
            code = f"{ALPHABET[number % 20]}{ALPHABET[number // 20]}BBBBBB"
            statuses.append(await self_typed(guesser, csrf, code, f"198.51.{number // 250}.{number % 250}"))
        assert statuses == [422] * 300 + [429] * 5
        assert await self_typed(guesser, csrf, tv.user_code, "203.0.113.9") == 429
        assert "Television" in (await to_confirm(person, tv.user_code)).body


async def self_typed(browser, csrf: str, code: str, address: str) -> int:
    data, headers = {"csrf": csrf, "user_code": code}, {"X-Forwarded-For": address}
    return (await browser.step("POST", f"{browser.broker.issuer}/device", data=data, headers=headers)).status


@pytest.mark.row("DV-05")
async def test_another_clients_device_code_is_as_good_as_none(tv: Device) -> None:
    await tv.ask()
    assert await tv.poll(client_id="radio") == (400, {"error": "invalid_grant", **DESCRIBED})
    async with tv.broker.browser() as browser:
        await answer(browser, await to_confirm(browser, tv.user_code))
    status, body = await tv.poll(client_id="radio")
    assert (status, body["error"]) == (400, "invalid_grant")
    assert (await tv.later())[0] == 200
    status, body = await tv.poll(device_code="A" * 43)
    assert (status, body["error"]) == (400, "invalid_grant")


DESCRIBED = {"error_description": "The grant is not valid."}


@pytest.mark.row("DV-06")
@pytest.mark.standard("RFC 8628", "§3.3.1 and §5.4 a link is confirmed by who follows it")
async def test_a_link_does_nothing_by_itself_for_somebody_who_is_signed_in(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        await browser.login()
        page = await browser.go(tv.asked["verification_uri_complete"])
        assert (
            page.field("user_code") == tv.user_code.replace("-", "")
            or page.field("user_code") == tv.user_code
        )
        assert "Television" not in page.body  # nothing is looked up by a GET
        page = await to_confirm(browser, tv.user_code, link=True)
        assert "You came by a link" in page.body
        assert tv.user_code in page.body
        assert (await tv.later())[1]["error"] == "authorization_pending"
        foreign = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "allow"}
        forged = await browser.step(
            "POST", f"{tv.broker.issuer}/consent", data=foreign, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert forged.status == 403
        forged = await browser.step("POST", f"{tv.broker.issuer}/consent", data=foreign | {"csrf": "x" * 64})
        assert forged.status == 403
        assert (await tv.later())[1]["error"] == "authorization_pending"


@pytest.mark.row("DV-06")
async def test_the_form_for_the_code_is_only_taken_from_our_own_page(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        data = {"csrf": "x" * 64, "user_code": tv.user_code}
        assert (await browser.step("POST", f"{tv.broker.issuer}/device", data=data)).status == 403
        await browser.step("GET", f"{tv.broker.issuer}/device")
        assert (await browser.step("POST", f"{tv.broker.issuer}/device", data=data)).status == 403


@pytest.mark.row("DV-06")
async def test_a_trusted_app_and_a_remembered_consent_do_not_spare_the_question(start: Start) -> None:
    broker = await start(clients={"tv": TV | {"trusted": True}})
    async with InFront(broker) as tv, broker.browser() as browser:
        for _ in range(2):
            await tv.ask()
            page = await to_confirm(browser, tv.user_code)
            assert 'name="scope" value="profile"' in page.body
            await answer(browser, page)
            status, tokens = await tv.poll()
            assert (status, tokens["scope"]) == (200, "openid profile")


async def test_who_is_somebody_else_signs_in_anew_and_the_device_waits(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        page = await to_confirm(browser, tv.user_code)
        assert "ada@people.example" in page.body.replace("<wbr>", "")
        tv.broker.idp.person("bob", name="Bob", email="bob@people.example", email_verified=True)
        page = await browser.go(page.link("/not-you"))
        assert "bob@people.example" in page.body.replace("<wbr>", "")
        assert (await tv.poll())[1]["error"] == "authorization_pending"
        await answer(browser, page)
        status, tokens = await tv.later()
        assert status == 200
        assert (await browser.userinfo(tokens["access_token"]))[1]["name"] == "Bob"


async def test_what_is_unticked_the_device_does_not_get(tv: Device) -> None:
    await tv.ask("openid profile email")
    async with tv.broker.browser() as browser:
        page = await to_confirm(browser, tv.user_code)
        await browser.answer_consent(page, scopes=["profile"])
        assert (await tv.poll())[1]["scope"] == "openid profile"


@pytest.mark.row("DV-07")
async def test_of_two_people_who_answer_one_does(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as ada, tv.broker.browser() as bob:
        first = await to_confirm(ada, tv.user_code)
        tv.broker.idp.person("bob", name="Bob", email="bob@people.example", email_verified=True)
        second = await to_confirm(bob, tv.user_code)
        done = await asyncio.gather(answer(ada, first), answer(bob, second))
        assert sorted("Device connected" in page.body for page in done) == [False, True]
        assert await type_and_status(tv, tv.user_code) == 422
        status, tokens = await tv.later()
        assert status == 200
        info = (await ada.userinfo(tokens["access_token"]))[1]
        assert (info["name"] == "Bob") is ("Device connected" in done[1].body)


@pytest.mark.row("DV-07")
@pytest.mark.standard("RFC 8628", "§3.5 a device code is good once")
async def test_the_tokens_are_given_once_and_a_second_question_ends_them(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        await answer(browser, await to_confirm(browser, tv.user_code))
        answers = await asyncio.gather(*(tv.poll() for _ in range(5)))
        assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400]
        token = next(body["access_token"] for status, body in answers if status == 200)
        assert (await browser.userinfo(token))[0] == 401


@pytest.mark.standard("RFC 8628", "§3.5 slow_down adds five seconds for good")
async def test_who_asks_too_fast_must_slow_down_for_good(tv: Device) -> None:
    tv.broker.clock.stand()
    await tv.ask()
    assert (await tv.poll())[1]["error"] == "authorization_pending"
    assert (await tv.poll())[1]["error"] == "slow_down"
    assert (await tv.later(6))[1]["error"] == "slow_down"
    assert (await tv.later(15))[1]["error"] == "authorization_pending"
    assert (await tv.later(13))[1]["error"] == "slow_down"


@pytest.mark.standard("RFC 8628", "§3.5 access_denied and expired_token")
async def test_a_no_and_the_end_of_time_are_told_apart(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        done = await answer(browser, await to_confirm(browser, tv.user_code), "deny")
        assert "Device not connected" in done.body
        status, body = await tv.later()
        assert (status, body["error"]) == (400, "access_denied")
        await tv.ask()
        page = await to_confirm(browser, tv.user_code)
        tv.broker.clock.forward(601)
        assert (await tv.poll())[1]["error"] == "expired_token"
        assert (await answer(browser, page)).status == 400
        assert await type_and_status(tv, tv.user_code) == 422
        assert (await tv.later())[1]["error"] == "expired_token"


async def test_pending_questions_are_no_lines_in_the_log(tv: Device) -> None:
    await tv.ask()
    for _ in range(3):
        await tv.later()
    await tv.poll()
    assert not tv.broker.events("refusal")


async def test_a_refused_sign_in_leaves_the_device_waiting_for_another_try(tv: Device) -> None:
    await tv.ask()
    async with tv.broker.browser() as browser:
        onward = await type_code(browser, tv.user_code)
        tv.broker.idp.switch(callback={"error": "access_denied", "code": None})
        page = await browser.go(onward.link("/continue"))
        assert page.status == 400
        assert 'href="/device"' in page.body
        assert (await tv.later())[1]["error"] == "authorization_pending"


async def test_withdrawn_consent_ends_what_the_device_has(tv: Device) -> None:
    await tv.ask("openid profile offline_access")
    async with tv.broker.browser() as browser:
        await answer(browser, await to_confirm(browser, tv.user_code))
        _, tokens = await tv.later()
        account = await browser.go(f"{tv.broker.issuer}/account")
        assert "Television" in account.body
        store = tv.broker.services.store
        await store.withdraw_consent(claims(tokens["id_token"])["sub"], "tv")
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "tv"}
        assert (await browser.post("/token", form, client=None))[0] == 400


@pytest.mark.row("DS-02")
async def test_one_address_cannot_have_any_number_of_devices_waiting(tv: Device) -> None:
    statuses = [await tv.ask() for _ in range(102)]
    assert statuses == [200] * 100 + [429] * 2
    assert tv.asked == {"error": "temporarily_unavailable", "error_description": "Too many requests."}


@pytest.mark.row("DS-02")
async def test_whoever_has_many_networks_cannot_have_any_number_of_devices_waiting(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_DEVICES", 1)
    broker = await start(clients={"tv": TV}, top={"trusted_proxies": {"networks": ["127.0.0.1"]}})

    async def status(address: str) -> int:
        url, form = f"{broker.issuer}/device_authorization", {"client_id": "tv", "scope": "openid"}
        headers = {"X-Forwarded-For": address}
        async with session.post(url, data=form, headers=headers) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        assert [await status(f"2001:db8:0:{n}::1") for n in range(12)] == [200] * 10 + [429] * 2
        assert await status("2001:db8:1:1::1") == 200, "and keeps nobody else out"


@pytest.mark.standard("RFC 8707", "§2 a device names the API that its token is for")
async def test_a_device_gets_a_token_for_the_api_it_names(start: Start) -> None:
    api = "https://notes.example/"
    top = {
        "resources": {api: {"name": "Your notes", "scope": "notes.read"}},
        "scopes": {
            "notes.read": {"description": "Read your notes"},
            "groups": {"description": "See your groups"},
        },
    }
    broker = await start(clients={"tv": TV | {"scope": "openid notes.read"}}, top=top)
    async with InFront(broker) as tv, broker.browser() as browser:
        assert await tv.ask("openid notes.read", resource="https://other.example/") == 400
        assert tv.asked["error"] == "invalid_target"
        assert await tv.ask("openid notes.read", resource=api) == 200
        page = await to_confirm(browser, tv.user_code)
        assert "Your notes" in page.body
        await answer(browser, page)
        _, tokens = await tv.later()
        assert claims(tokens["access_token"])["aud"] == api
        assert claims(tokens["access_token"])["scope"] == "openid notes.read"
