"""Two upstreams, one of them hostile: a code goes only to who issued it. RFC 9700 §4.4."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.fakes.provider import FakeProvider
from tests.flow.test_callback import changed


@pytest.mark.row("CB-10")
@pytest.mark.parametrize("says_iss", [True, False])
async def test_the_code_of_an_honest_upstream_never_reaches_a_hostile_one(start, says_iss: bool) -> None:
    async with FakeProvider.running() as hostile:
        honest = await start(
            connectors={
                "hostile": {
                    "issuer": hostile.issuer,
                    "client_id": hostile.client_id,
                    "client_secret": hostile.client_secret,
                }
            }
        )
        async with honest.browser() as browser:
            departed = await browser.step("GET", browser.authorize_url(connector="hostile"))
            assert departed.url.startswith(hostile.issuer)
            # The hostile upstream sends the browser on to the honest one, with our own state and nonce.
            asked = dict(parse_qsl(urlsplit(departed.url).query))
            bounced = f"{honest.idp.issuer}/authorize?{urlencode(asked)}"
            back = (await browser.step("GET", bounced)).url
            if not says_iss:
                back = changed(back, iss=None)
            landed = await browser.step("GET", back)
            assert dict(parse_qsl(urlsplit(landed.url).query))["error"] == "server_error"
            assert "code=" not in landed.url
        assert hostile.seen("token") == []
        assert honest.idp.seen("token") == []


@pytest.mark.row("CB-11")
async def test_two_connectors_of_one_upstream_and_client_stay_apart(start) -> None:
    broker = await start(connectors={"twin": {"name": "Twin"}})
    async with broker.browser() as browser:
        departed = await browser.step("GET", browser.authorize_url(connector="twin"))
        back = (await browser.step("GET", departed.url)).url
        swapped = back.replace("/callback/twin", "/callback/staff")
        assert (await browser.step("GET", swapped)).status == 400
        assert broker.idp.seen("token") == []
        assert (await browser.step("GET", back)).status == 303
        assert broker.events("login")[-1]["connector"] == "twin"


async def test_one_person_at_two_connectors_is_two_subjects(start) -> None:
    broker = await start(connectors={"twin": {"name": "Twin"}})
    for connector in ("staff", "twin"):
        async with broker.browser() as browser:
            await browser.login(connector=connector)
    subjects = {event["subject"] for event in broker.events("login")}
    assert len(subjects) == 2
